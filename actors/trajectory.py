# pyright: strict
"""Trajectories: the denoising paths of one prompt group, with the log-probs of the policy that made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Num, UInt8

from actors.ticket import Ticket
from rewards.arrays import Array, Float32Array, ImageArray
from rewards.panel.gate import Gated


@dataclass(frozen=True, slots=True)
class Trajectories:
    """The `n` denoising paths of one ticket, all made by one policy version; contiguous numpy, zero-copy in Ray.

    Of the T steps of a path, S are recorded: steps `start` to `start + S - 1` (see `actors.recording.Recording`).

    latents    `[n, S+1, C, h, w]` float32; step `start + j` goes from `latents[:, j]` to `latents[:, j+1]`. Where the
               last step is recorded, or none after an empty span at the end, `latents[:, -1]` is clean
    timesteps  `[T]` int64 or float32, descending, of all steps
    log_probs  `[n, S]` float32, behaviour log-prob of each recorded step, mean over latent dimensions
    images     `[n, H, W, 3]` uint8, the decoded clean latents
    version    the policy version that made every step
    start      the first recorded step
    """

    ticket: Ticket
    version: int
    latents: Float[Float32Array, "n states C h w"]
    timesteps: Num[Array, " T"]
    log_probs: Float[Float32Array, "n S"]
    images: UInt8[ImageArray, "n H W 3"]
    start: int = 0

    def __post_init__(self) -> None:
        n, steps = self.log_probs.shape
        inside = 0 <= self.start <= self.start + steps <= len(self.timesteps)
        if self.latents.shape[:2] != (n, steps + 1) or not inside or len(self.images) != n:
            raise ValueError(
                f"ticket {self.ticket.id}: latents {self.latents.shape}, log-probs {self.log_probs.shape} from step "
                f"{self.start} on, timesteps {self.timesteps.shape} and images {self.images.shape} are not one group "
                "of trajectories"
            )

    def __len__(self) -> int:
        return len(self.log_probs)

    @property
    def span(self) -> range:
        """The recorded steps."""
        return range(self.start, self.start + self.log_probs.shape[1])


@dataclass(frozen=True, slots=True)
class JudgedGroup:
    """A group of trajectories with its reward: what the learner trains on.

    rewards    `[n]` float32, finite; a group that could not be scored never becomes a JudgedGroup
    scores     judge name → `[n]` float32, NaN where that judge gave no number or does not apply to the prompt
    seconds    wall time spent by phase: `rolling`, `judging`
    gated      what the panel's gates decided; None: there are none. `rewards` has it in already
    heat       `[n, h, w]` float32, a judge's heatmap at the size of the latents; None: the algorithm asks for none
    """

    trajectories: Trajectories
    rewards: Float[Float32Array, " n"]
    scores: Mapping[str, Float[Float32Array, " n"]] = field(default_factory=dict[str, Float32Array])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    gated: Gated | None = None
    heat: Float[Float32Array, "n h w"] | None = None

    def __post_init__(self) -> None:
        if self.rewards.shape != (len(self.trajectories),) or not np.isfinite(self.rewards).all():
            raise ValueError(
                f"ticket {self.trajectories.ticket.id}: rewards {self.rewards} are not one number a sample"
            )
        if self.heat is not None and self.heat.shape != (len(self.rewards), *self.trajectories.latents.shape[-2:]):
            raise ValueError(f"ticket {self.trajectories.ticket.id}: heat {self.heat.shape} is not that of its latents")

    def summary(self) -> dict[str, Any]:
        """What the ledger's log keeps of a group: plain numbers, means over its samples."""
        known = {judge: values[np.isfinite(values)] for judge, values in self.scores.items()}
        return {
            "images": len(self.rewards),
            "reward": float(self.rewards.mean()),
            "reward_std": float(self.rewards.std()),
            "scores": {judge: float(values.mean()) for judge, values in known.items() if len(values)},
            "seconds": dict(self.seconds),
        }
