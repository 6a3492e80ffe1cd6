"""The training loop of every small model: AdamW or Muon, warm-up, cosine decay, EMA, and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from rewards.atomic_write import atomic_write

FLOOR = 0.02
"""The share of the learning rate at which the cosine ends."""


def fit(
    model: nn.Module,
    loss: Callable[[int], torch.Tensor],
    *,
    steps: int,
    lr: float,
    state: Path,
    muon: float = 0.0,
    warmup: int = 100,
    ema: float = 0.999,
    weight_decay: float = 0.01,
    max_norm: float = 1.0,
    every: int = 100,
    say: Callable[[str], None] = print,
) -> None:
    """Minimises `loss(step)` over the parameters of `model` that require a gradient, then loads their EMA into it.

    With `muon` above 0, hidden weight matrices and convolutions are trained by Muon at that learning rate (Jordan et
    al. 2024), everything else by AdamW at `lr`. `state` is a checkpoint, written every `5 * every` steps and read if it
    exists. `loss` must draw its batch from `step` alone, so that a killed training, when it is started again, ends with
    the same weights. Raises ValueError if the checkpoint is of a training with other steps or rates. `say` receives a
    line every `every` steps.
    """
    plan = [steps, lr, muon, warmup, ema, weight_decay, max_norm]
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    hidden = Matrices(named if muon else {})
    rest = [p for n, p in named.items() if n not in hidden.weights]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=lr, weight_decay=weight_decay, betas=(0.9, 0.99))
    ]
    if hidden.weights:
        optimizers.append(torch.optim.Muon(hidden.flat(), lr=muon, weight_decay=weight_decay))
    rates = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    average = {n: p.detach().clone() for n, p in named.items()}
    start = 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        if saved["plan"] != plan:
            raise ValueError(f"{state} is of another training, of {saved['plan'][0]} steps; delete it to begin anew")
        model.load_state_dict(saved["model"])
        for optimizer, theirs in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(theirs)
        average, start = saved["average"], saved["step"]
        say(f"continuing at step {start} of {steps}")
    began, total = time.perf_counter(), 0.0
    for step in range(start, steps):
        torch.manual_seed(step)
        value = loss(step)
        model.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(rest, max_norm)
        hidden.pass_gradients()
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * schedule(step, steps, warmup)
            optimizer.step()
        decay = min((1 + step) / (10 + step), ema)
        with torch.no_grad():
            torch._foreach_lerp_(list(average.values()), [p.detach() for p in named.values()], 1 - decay)
        total += value.item()
        done = step + 1
        if done % every == 0:
            pace = (time.perf_counter() - began) / (done - start)
            say(f"step {done} of {steps}: loss {total / every:.4f}, {pace:.3f} s a step")
            total = 0.0
        if done % (5 * every) == 0 or done == steps:
            saved = {
                "model": model.state_dict(),
                "optimizers": [o.state_dict() for o in optimizers],
                "average": average,
                "step": done,
                "plan": plan,
            }
            state.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(state) as part:
                torch.save(saved, part)
    with torch.no_grad():
        for n, p in named.items():
            p.copy_(average[n])


@contextmanager
def bfloat16() -> Iterator[None]:
    """Autocast to bfloat16 on a CPU, with unfused attention: for short sequences the fused kernel takes two or three
    times as long there, half of a step. From about 250 tokens on it is faster."""
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        yield


def schedule(step: int, steps: int, warmup: int) -> float:
    """The share of the learning rate at `step`: a linear warm-up, then half a cosine down to `FLOOR`."""
    return min(1.0, (step + 1) / warmup) * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * step / steps)))


class Matrices:
    """A model's hidden weights as matrices, for Muon; convolutions are flattened views.

    Embeddings, heads and first layers (fewer than 16 rows or columns, or more than 512 rows) stay with AdamW, as the
    authors of Muon recommend.
    """

    def __init__(self, named: dict[str, nn.Parameter]) -> None:
        self.weights = {
            n: p
            for n, p in named.items()
            if p.ndim in (2, 4) and min(p.shape[:2]) >= 16 and len(p) <= 512 and "embed" not in n
        }
        self._flat = {n: nn.Parameter(_flattened(p.detach())) for n, p in self.weights.items()}
        assert all(f.data_ptr() == self.weights[n].data_ptr() for n, f in self._flat.items())

    def flat(self) -> Iterator[nn.Parameter]:
        yield from self._flat.values()

    def pass_gradients(self) -> None:
        """Gives each matrix the gradient of its weight."""
        for n, p in self.weights.items():
            assert p.grad is not None
            self._flat[n].grad = _flattened(p.grad.contiguous(memory_format=_format(p)))


def _format(p: torch.Tensor) -> torch.memory_format:
    last = p.ndim == 4 and not p.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def _flattened(p: torch.Tensor) -> torch.Tensor:
    """`[out, rest]`, a view in either memory format."""
    if p.ndim == 2:
        return p
    return (p.permute(0, 2, 3, 1) if _format(p) is torch.channels_last else p).reshape(len(p), -1)
