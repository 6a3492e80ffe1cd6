"""Peak memory on `meta`, against sums by hand."""

from __future__ import annotations

import torch
from torch.nn import functional

from cluster.sizing.footprint import peak_bytes

KB = 1024


def empty(*shape: int) -> torch.Tensor:
    return torch.empty(*shape, device="meta")


def test_what_is_freed_makes_room() -> None:
    x = empty(256)  # 1 KB, there before

    def chain() -> None:
        y = x
        for _ in range(10):
            y = y + 1

    assert peak_bytes(chain) == 2 * KB  # the old y and the new one


def test_what_is_kept_adds_up_and_views_are_free() -> None:
    x = empty(256)
    assert peak_bytes(lambda: [(x + i).view(16, 16).T for i in range(10)]) == 10 * KB


def test_a_backward_keeps_what_the_forward_saved() -> None:
    x = empty(256).requires_grad_()
    without = peak_bytes(torch.no_grad()(lambda: x.sin().sin().sin().sum()))
    assert without == 2 * KB
    assert peak_bytes(lambda: x.sin().sin().sin().sum().backward()) > 3 * KB


def test_attention_is_counted_without_its_matrix_of_scores() -> None:
    q = empty(1, 1, 4096, 8)
    assert peak_bytes(lambda: functional.scaled_dot_product_attention(q, q, q)) < 4096 * 4096


def test_a_boolean_mask_is_taken_as_well() -> None:
    q, mask = empty(1, 1, 64, 8), torch.ones(64, 64, device="meta", dtype=torch.bool)
    assert peak_bytes(lambda: functional.scaled_dot_product_attention(q, q, q, attn_mask=mask)) > 0
