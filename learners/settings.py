# pyright: strict
"""What every algorithm's learner is built from: the settings that all share, and the run's numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from actors.config import SamplerConfig
from rewards.config import RewardsConfig
from rewards.settings.section import Processes, Section, Threads

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class EmaConfig(Section):
    """An exponential moving average of the trained weights, by diffusers' `EMAModel`, whose names these are.

    After step s it is d · average + (1 - d) · weights, with d = (1 + s) / (10 + s), or with `use_ema_warmup`
    1 - (1 + s) ** -power, but never above `decay` nor below `min_decay`.
    """

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.9999
    """what the average keeps of itself at an optimizer step, in the end"""

    min_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """what it keeps at least"""

    update_after_step: Annotated[int, Field(ge=0)] = 0
    """optimizer steps during which it is the weights themselves"""

    use_ema_warmup: bool = False
    """whether `power` says how it comes to `decay`"""

    power: Positive = 2 / 3
    """how fast: 2/3 is for millions of steps, 3/4 reaches 0.999 at 10,000"""

    evaluate: Literal["ema", "raw"] = "ema"
    """the weights that evaluations and the run's LoRA take; checkpoints have both, and rollouts are drawn by the raw
    ones, which are trained"""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_decay > self.decay:
            raise ValueError(f"min_decay {self.min_decay:g} must not be above decay {self.decay:g}")
        return self


class LearnerSettings(Section):
    """The optimizer, the geometry of a batch and the machinery that runs it, whatever the algorithm."""

    lr: Positive = 3e-4
    """AdamW's learning rate"""

    lr_schedule: Literal["constant", "linear", "cosine"] = "constant"
    """`linear` lets the rate fall to zero over the run's updates: the last policies settle where the reward leads,
    and not where the last batches' noise has carried them. `cosine` falls likewise, late and then fast."""

    warmup: Annotated[int, Field(ge=0)] = 0
    """Updates before the rate is whole: it rises in equal steps, of which the first update has one; then the schedule
    begins. AdamW's first steps are as large as the rate whatever the gradient, and would be taken on the least data."""

    betas: tuple[Share, Share] = (0.9, 0.999)
    """AdamW's decay of the means of gradients and of their squares."""

    weight_decay: NotNegative = 1e-4
    """AdamW's weight decay, of the trained weights."""

    epsilon: Positive = 1e-8
    """AdamW's ε, which keeps its division from zero."""

    inner_epochs: Count = 1
    """How often an update goes over its batch."""

    minibatches: Count = 1
    """Optimizer steps per inner epoch."""

    micro_batch: Count = 64
    """(sample, timestep) pairs per forward; bounds memory and, up to rounding, changes nothing else."""

    activation_checkpointing: bool = False
    """Whether backward passes compute activations anew instead of keeping them: much less memory for a third more
    time. The numbers stay the same."""

    ema: EmaConfig | None = None
    """An average of the weights beside them, which follows the reward and not the noise of the last batches; default:
    none."""

    max_grad_norm: Positive = 1.0
    """Norm to which the gradient of an optimizer step is cut."""

    workers: Processes = 1
    """Ranks of the data-parallel learner; must divide `groups_per_update`."""

    zero_stage: Annotated[int, Field(ge=0, le=3)] = 1
    """DeepSpeed's ZeRO stage: 0 none, 1 shards optimizer state, 2 gradients too, 3 weights too."""

    threads: Threads = 1
    """Torch threads per worker on CPU."""

    num_cpus: NotNegative = 0.5
    """Logical CPUs that Ray reserves per worker."""

    num_gpus: NotNegative = 0.0
    """GPUs that Ray reserves per worker."""

    resources: dict[str, float] = Field(default_factory=dict[str, float])
    """Custom Ray resources per worker, to place the learner on chosen nodes."""

    placement: Literal["pack", "strict_pack", "spread", "strict_spread"] = "pack"
    """How Ray lays the workers on nodes: `pack` on as few as it can, as they exchange gradients; `strict_pack` on one,
    or the run does not start; `spread` on many, `strict_spread` on one each, or it does not start."""

    max_failures: Annotated[int, Field(ge=0)] = 3
    """How often the worker group may be restarted from its last checkpoint."""

    batch_deadline_s: Positive = 3600.0
    """How long a worker waits for one batch before it calls the run starved."""

    def rate(self, update: int, updates: int) -> float:
        """The learning rate of the update that follows `update` updates, in a run of `updates`.

        The schedules are those of `diffusers.optimization`, from the second step of one with a warm-up of one more: the
        first has a rate of zero, for which no batch should be drawn and judged."""
        if update < self.warmup:
            return self.lr * (update + 1) / (self.warmup + 1)
        if self.lr_schedule == "constant":
            return self.lr
        done = (update - self.warmup) / max(1, updates - self.warmup)
        falling = 1 - done if self.lr_schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
        return self.lr * max(0.0, falling)


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """What a learner is built from besides the policy and its algorithm's settings; the same on every worker.

    groups   prompt groups per update, over all workers
    samples  samples per group
    updates  how many there will be; None: unknown, which only a constant learning rate allows
    rewards  the panel's settings; None: groups come with their rewards
    """

    learner: LearnerSettings
    sampler: SamplerConfig
    groups: int
    samples: int
    seed: int = 0
    updates: int | None = None
    rewards: RewardsConfig | None = None
