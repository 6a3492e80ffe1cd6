# pyright: strict
"""The learner's settings: the `learner:` section of an experiment's YAML."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rewards.settings.section import Section

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class PpoClip(Section):
    """How far one update may move from the policy that it starts from."""

    kind: Literal["proximal", "behaviour"] = "proximal"
    """`proximal` clips around the policy at the start of the update and corrects staleness with a capped weight
    (decoupled PPO); `behaviour` clips around the policy that made the samples, which cuts off most gradients as soon
    as samples are stale."""

    range: Positive = 1e-4
    """ε of the PPO clip. Log-probs are means over latent dimensions, so ratios stay within about 1e-4 of 1."""

    weight_cap: Annotated[float, Field(ge=1)] = 2.0
    """c in the staleness weight min(c, p_proximal / p_behaviour)."""


class AdvantageConfig(Section):
    """What a reward is compared with."""

    kind: Literal["per_prompt", "group"] = "per_prompt"
    """`per_prompt` compares with the latest rewards of the same prompt (DDPO), `group` with the other samples of the
    same group (GRPO)."""

    min_count: Count = 16
    """`per_prompt`: below so many rewards of a prompt, the whole batch's mean and deviation stand in."""

    buffer: Count = 32
    """`per_prompt`: how many of a prompt's latest rewards are remembered."""

    clip: Positive = 5.0
    """Advantages are cut to ± this."""

    @model_validator(mode="after")
    def _buffer_reaches_min_count(self) -> AdvantageConfig:
        if self.buffer < self.min_count:
            raise ValueError(
                f"buffer {self.buffer} can never hold min_count {self.min_count} rewards of a prompt: "
                f"raise `buffer` or lower `min_count`"
            )
        return self


class LearnerConfig(Section):
    """One update of the policy: its step size, its geometry and the machinery that runs it."""

    lr: Positive = 3e-4
    """AdamW's learning rate"""

    lr_schedule: Literal["constant", "linear"] = "constant"
    """`linear` lets the rate fall to nothing over the run's updates: the last policies settle where the reward leads,
    and not where the last batches' noise has carried them."""

    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    epsilon: Positive = 1e-8

    clip: PpoClip = PpoClip()
    advantage: AdvantageConfig = AdvantageConfig()

    timestep_window: Share = 1.0
    """Only the first, noisiest share of a trajectory's steps is trained. What a picture shows is decided there; where
    the reward is about that, the late steps cost as much and add little but noise to the gradient."""

    timestep_fraction: Share = 0.5
    """Share of the steps in the window that is trained, drawn anew per sample and inner epoch."""

    inner_epochs: Count = 1
    """How often an update goes over its batch."""

    minibatches: Count = 1
    """Optimizer steps per inner epoch."""

    micro_batch: Count = 64
    """(sample, timestep) pairs per forward; bounds memory and, up to rounding, changes nothing else."""

    kl: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the KL to the frozen base policy (per latent dimension, as the log-probs are)."""

    max_grad_norm: Positive = 1.0

    ratio_tolerance: Positive = 1e-5
    """|r - 1| that the start-up check allows on fresh samples in float32. Half precision needs about 3e-3."""

    workers: Count = 1
    """Ranks of the data-parallel learner; must divide `groups_per_update`."""

    zero_stage: Literal[0, 1, 2, 3] = 1
    """DeepSpeed's ZeRO stage: 0 none, 1 shards optimizer state, 2 gradients too, 3 weights too."""

    threads: Count = 1
    """Torch threads per worker on CPU."""

    num_cpus: Annotated[float, Field(ge=0)] = 0.5
    """Logical CPUs that Ray reserves per worker."""

    num_gpus: Annotated[float, Field(ge=0)] = 0.0
    """GPUs that Ray reserves per worker."""

    max_failures: Annotated[int, Field(ge=0)] = 3
    """How often the worker group may be restarted from its last checkpoint."""

    batch_deadline_s: Positive = 3600.0
    """How long a worker waits for one batch before it calls the run starved."""

    def rate(self, update: int, updates: int) -> float:
        """The learning rate of the update that follows `update` updates, in a run of `updates`."""
        return self.lr if self.lr_schedule == "constant" else self.lr * max(0.0, 1 - update / updates)
