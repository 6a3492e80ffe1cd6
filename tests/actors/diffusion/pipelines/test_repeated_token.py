"""One token that stands for many equal ones gives what the many give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import tiny_flow_pipeline

from actors.diffusion.pipelines.repeated_token import RepeatedToken


@pytest.mark.parametrize("copies", [1, 2, 256])
def test_one_zero_that_counts_for_many_gives_the_output_and_the_gradient_of_many(copies: int):
    network: Any = tiny_flow_pipeline().transformer.eval()
    generator = torch.Generator().manual_seed(0)
    x, pooled = torch.randn(2, 12, 8, 8, generator=generator), torch.randn(2, 32, generator=generator)
    words, t = torch.randn(2, 24, 64, generator=generator), torch.tensor([900.0, 30.0])

    def run(zeros: int, **extra: object) -> tuple[torch.Tensor, torch.Tensor]:
        output: torch.Tensor = network(x, torch.cat([words, torch.zeros(2, zeros, 64)], 1), pooled, t, **extra).sample
        weight: torch.Tensor = network.transformer_blocks[0].attn.add_k_proj.weight
        (gradient,) = torch.autograd.grad(output.square().sum(), weight)
        return output, gradient

    output, gradient = run(copies)
    network.set_attn_processor(RepeatedToken())
    for ours, theirs in zip(run(1, joint_attention_kwargs={"copies": copies}), (output, gradient), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(run(copies)[0], output, rtol=1e-5, atol=1e-5)
