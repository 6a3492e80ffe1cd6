"""The geometry of one update: which (sample, timestep) pairs go into which forward and which optimizer step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from learners.maths.timesteps import choose_timesteps, trained_steps
from learners.settings import LearnerSettings
from rewards.arrays import IntArray


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """The pairs of one forward: sample (row in the worker's batch) and step (column of its trajectory)."""

    sample: Int[IntArray, " b"]
    step: Int[IntArray, " b"]

    def __len__(self) -> int:
        return len(self.sample)

    def cut(self, size: int) -> list[MicroBatch]:
        """The same pairs in parts of `size` at most."""
        return [MicroBatch(self.sample[i : i + size], self.step[i : i + size]) for i in range(0, len(self), size)]


@dataclass(frozen=True)
class BatchArithmetic:
    """How one update's batch divides into optimizer steps and micro-batches, the same on every worker.

    groups    prompt groups per update, over all workers
    samples   samples per group
    steps     denoising steps per trajectory that may be trained
    fraction  share of them that is trained, drawn anew per sample and inner epoch
    rows      pictures that go through the network for one pair: 2 where a sample is two pictures to compare
    drawn     samples per group as it comes, where only some are trained; 0: `samples`
    """

    groups: int
    samples: int
    steps: int
    config: LearnerSettings
    fraction: float = 1.0
    rows: int = 1
    drawn: int = 0

    def __post_init__(self) -> None:
        workers, minibatches = self.config.workers, self.config.minibatches
        if self.groups % workers:
            raise ValueError(
                f"learner.workers: {workers} workers cannot share {self.groups} groups equally; "
                f"choose a divisor of groups_per_update"
            )
        if self.samples_per_worker % minibatches:
            raise ValueError(
                f"learner.minibatches: a worker's {self.samples_per_worker} samples do not split into {minibatches} "
                f"equal minibatches; choose a divisor"
            )

    def check_share(self, sizes: Sequence[int]) -> None:
        """Raises ValueError if groups of `sizes` samples are not what one worker trains in an update."""
        wanted, drawn = self.groups // self.config.workers, self.drawn or self.samples
        if [*sizes] != [drawn] * wanted:
            raise ValueError(
                f"an update takes {wanted} groups of {drawn} samples a worker, and got groups of {[*sizes]}"
            )

    @property
    def samples_per_worker(self) -> int:
        return self.groups // self.config.workers * self.samples

    @property
    def trained_steps(self) -> int:
        """Timesteps trained per sample and inner epoch."""
        return trained_steps(self.steps, self.fraction)

    @property
    def pairs(self) -> int:
        """(sample, timestep) pairs behind one optimizer step, per worker."""
        return self.samples_per_worker // self.config.minibatches * self.trained_steps

    @property
    def accumulation(self) -> int:
        """Micro-batches per optimizer step: DeepSpeed's gradient_accumulation_steps."""
        return min(self.pairs, -(-self.pairs * self.rows // self.config.micro_batch))

    @property
    def optimizer_steps(self) -> int:
        """Optimizer steps per update."""
        return self.config.inner_epochs * self.config.minibatches

    def plan(self, indices: Sequence[int], seed: int, version: int) -> list[list[MicroBatch]]:
        """Optimizer steps of micro-batches for the worker's groups at `indices`.

        One optimizer step covers all trained timesteps of its samples. Every random choice is a function of
        (seed, version, epoch, index) alone, so there is no generator to save in a checkpoint, and a group trains the
        same timesteps on whichever worker it lands.
        """
        return [
            step for epoch in range(self.config.inner_epochs) for step in self._epoch(indices, seed, version, epoch)
        ]

    def _epoch(self, indices: Sequence[int], seed: int, version: int, epoch: int) -> list[list[MicroBatch]]:
        rngs = [np.random.default_rng((seed, version, epoch, index)) for index in indices]
        chosen = np.concatenate([choose_timesteps(self.samples, self.steps, self.fraction, rng) for rng in rngs])
        order = np.arange(len(chosen))
        if self.config.minibatches > 1:
            order = np.random.default_rng((seed, version, epoch, *indices)).permutation(order)
        return [self._optimizer_step(part, chosen) for part in np.split(order, self.config.minibatches)]

    def _optimizer_step(self, samples: Int[IntArray, " n"], chosen: Int[IntArray, "all m"]) -> list[MicroBatch]:
        sample = np.repeat(samples, chosen.shape[1])
        step = chosen[samples].reshape(-1)
        cut = self.accumulation
        return [MicroBatch(s, t) for s, t in zip(np.array_split(sample, cut), np.array_split(step, cut), strict=True)]
