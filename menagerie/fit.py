"""The loop that trains every small model: warm-up, cosine decay, EMA, and a state file that survives a kill."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn


def fit(
    model: nn.Module,
    loss: Callable[[int], torch.Tensor],
    *,
    steps: int,
    lr: float,
    state: Path,
    warmup: int = 100,
    ema: float = 0.999,
    weight_decay: float = 0.01,
    max_norm: float = 1.0,
    every: int = 100,
    say: Callable[[str], None] = print,
) -> None:
    """Minimises `loss(step)` over the parameters of `model` that require a gradient, then loads their average into it.

    `loss` must draw its batch from `step` alone: together with the state file (written every `5 * every` steps, and
    read if it is there) this makes a training that was killed go on as if it had not been.
    """
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(named.values(), lr=lr, weight_decay=weight_decay, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda s: (
            min(1.0, (s + 1) / warmup)
            * (0.02 + 0.98 * 0.5 * (1 + torch.cos(torch.tensor(s / steps * torch.pi)).item()))
        ),
    )
    average = {n: p.detach().clone() for n, p in named.items()}
    start = 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        average, start = saved["average"], saved["step"]
        say(f"continuing at step {start} of {steps}")
    began, total = time.perf_counter(), 0.0
    for step in range(start, steps):
        torch.manual_seed(step)
        value = loss(step)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(named.values(), max_norm)
        optimizer.step()
        schedule.step()
        decay = min((1 + step) / (10 + step), ema)
        with torch.no_grad():
            torch._foreach_lerp_(list(average.values()), [p.detach() for p in named.values()], 1 - decay)
        total += value.item()
        done = step + 1
        if done % every == 0:
            say(
                f"step {done} of {steps}: loss {total / every:.4f}, {(time.perf_counter() - began) / (done - start):.3f} s a step"
            )
            total = 0.0
        if done % (5 * every) == 0 or done == steps:
            state.parent.mkdir(parents=True, exist_ok=True)
            beside = state.with_suffix(".new")
            torch.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(),
                    "average": average,
                    "step": done,
                },
                beside,
            )
            beside.replace(state)
    with torch.no_grad():
        for n, p in named.items():
            p.copy_(average[n])
