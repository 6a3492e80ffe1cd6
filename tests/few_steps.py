"""A few optimizer steps, for tests that a loss can be learnt.

A wrong sign, a detached graph or labels of other examples are found in seconds.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def assert_learns(module: nn.Module, loss: Callable[[], torch.Tensor], steps: int = 8) -> None:
    """`steps` steps of AdamW on `loss()` must lower it by a fifth.

    `loss` returns the loss of `module` on the same few examples at every call.
    """
    optimizer = torch.optim.AdamW(module.train().parameters(), 1e-3)
    losses: list[float] = []
    for _ in range(steps):
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < losses[0] * 0.8
