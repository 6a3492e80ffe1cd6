# pyright: strict
"""DDPO: policy gradients over denoising steps, importance-weighted and clipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from actors.recording import Recording
from actors.trajectory import JudgedGroup
from learners.algorithms.algorithm import AlgorithmConfig, StatisticsChart, WorkerShare
from learners.algorithms.credit import Credit
from learners.algorithms.group_learner import GroupLearner
from learners.algorithms.ppo_clip import PpoClip
from learners.algorithms.sde_window import SdeWindow
from learners.maths.advantage_estimator import AdvantageConfig
from learners.maths.schedule import BatchArithmetic, MicroBatch
from learners.maths.timesteps import trainable_steps
from learners.settings import NotNegative, Positive, Share, TrainingSpec
from learners.sources.ledger import LedgerSource
from rewards.arrays import BoolArray, Float32Array, IntArray

if TYPE_CHECKING:  # settings are read without torch
    from torch import Tensor

    from actors.diffusion.policy import Policy
    from learners.algorithms.density import Density
    from learners.algorithms.likelihood import Rollouts
    from learners.maths.statistics import PairLog


class DDPOConfig(AlgorithmConfig):
    """Denoising diffusion policy optimisation (DDPO), with stale samples allowed."""

    charts: ClassVar = (
        StatisticsChart("Clip fraction", ("clip_fraction",), "%", "Ratios outside the clip range."),
        StatisticsChart(
            "KL by lag",
            ("kl/",),
            note="Nats per step from the policy that drew, N updates before.",
        ),
        StatisticsChart("Even credit", ("credit/even",), "%", "Pictures whose heatmap says nothing about where."),
        StatisticsChart("SDE window", ("sde_window/first",), note="Its first step, the mean of the update's pictures."),
    )

    kind: Literal["ddpo"] = "ddpo"
    clip: PpoClip = PpoClip()
    advantage: AdvantageConfig = AdvantageConfig()

    timestep_window: Share = 1.0
    """Only the first, noisiest share of a trajectory's steps is trained. What a picture shows is decided there; where
    the reward is about that, the late steps cost as much and add little but noise to the gradient."""

    timestep_fraction: Share = 0.5
    """Share of the steps in the window that is trained, drawn anew per sample and inner epoch. An `sde_window` is
    trained whole."""

    sde_window: SdeWindow | None = None
    """Noise, and so training, in a few steps of each trajectory only; default: every step has `sampler.eta`."""

    credit: Credit | None = None
    """Rich credit: weighs each latent's part in a log-prob by a judge's heatmap; default: all count alike."""

    kl: NotNegative = 0.0
    """Weight of the KL to the frozen base policy (per latent dimension, as the log-probs are)."""

    ratio_tolerance: Positive = 1e-5
    """|r - 1| that the start-up check allows on fresh samples in float32. Half precision needs about 3e-3."""

    @model_validator(mode="after")
    def _window_is_trained_whole(self) -> Self:
        if self.sde_window is not None and self.timestep_fraction < 1 and "timestep_fraction" in self.model_fields_set:
            raise ValueError(
                f"timestep_fraction {self.timestep_fraction:g} would leave out steps of the sde_window, which is "
                "trained whole; drop the key, or make sde_window.size smaller"
            )
        return self

    @model_validator(mode="after")
    def _credit_is_proximal(self) -> Self:
        if self.credit is not None and self.clip.kind == "behaviour":
            raise ValueError("credit: the log-probs that rollouts record are not weighted; use clip.kind: proximal")
        return self

    def learner(self, policy: Policy, spec: TrainingSpec) -> DDPOLearner:
        return DDPOLearner(policy, spec, self)

    def source(self, share: WorkerShare) -> LedgerSource:
        return LedgerSource(share.ledger, share.rank, share.world, share.spec.learner.batch_deadline_s)

    def steps(self, stochastic: BoolArray) -> IntArray:
        """The indices of the steps that may be trained."""
        if not stochastic.any():
            raise ValueError(
                f"sampler.steps: {len(stochastic)} is too few, as the last step adds no noise and cannot be trained"
            )
        return trainable_steps(stochastic, self.timestep_window)

    def offsets(self, spec: TrainingSpec, stochastic: BoolArray) -> IntArray:
        """The steps that may be trained of one trajectory, counted from its first recorded one."""
        if self.sde_window is not None:
            return np.arange(len(self.recording(spec, stochastic)))
        steps = self.steps(stochastic)
        return steps - steps[0]

    def arithmetic(self, spec: TrainingSpec, stochastic: BoolArray) -> BatchArithmetic:
        fraction = self.timestep_fraction if self.sde_window is None else 1.0
        steps = len(self.offsets(spec, stochastic))
        return BatchArithmetic(spec.groups, spec.samples, steps, spec.learner, fraction)

    def passes(self, spec: TrainingSpec, stochastic: BoolArray) -> float:
        epochs, steps = spec.learner.inner_epochs, self.arithmetic(spec, stochastic).trained_steps
        reference = epochs * steps if self.kl else 0
        # The centre of the clip, for all optimizer steps but the first.
        centre = steps * (epochs - 1 / spec.learner.minibatches) if self.clip.kind == "proximal" else 0.0
        return super().passes(spec, stochastic) + reference + centre

    def recording(self, spec: TrainingSpec, stochastic: BoolArray) -> Recording:
        """The steps from the first to the last that may be trained, or the window among them."""
        steps = self.steps(stochastic)
        if self.sde_window is not None:
            return self.sde_window.recording(spec, steps)
        return Recording(int(steps[0]), int(steps[-1]) + 1)

    def problems(self, spec: TrainingSpec) -> Iterator[str]:
        yield from super().problems(spec)
        yield from self.advantage.problems(spec)
        if self.credit is not None and spec.rewards is not None:
            yield from self.credit.problems(spec.rewards)

    @property
    def heatmap(self) -> tuple[str, str] | None:
        return None if self.credit is None else (self.credit.judge, self.credit.heatmap)

    @property
    def compared_by(self) -> AdvantageConfig | None:
        return self.advantage

    def window_in_words(self, stochastic: BoolArray) -> str:
        if (window := self.sde_window) is not None:
            moves = "drawn for each group" if window.moves == "random" else f"moving on every {window.every} updates"
            among = f"among the first {self.steps(stochastic)[-1] + 1}"
            return f", a window {moves} {among}; the steps outside add no noise"
        chosen = f", chosen among the first {self.steps(stochastic)[-1] + 1}" if self.timestep_window < 1 else ""
        return chosen + ("" if stochastic.all() else " (the last adds no noise and is never trained)")


class DDPOLearner(GroupLearner[DDPOConfig]):
    """Denoising diffusion policy optimisation (DDPO, arXiv 2305.13301; SynArtifact, arXiv 2402.18068, eq. 3), with
    stale samples allowed (decoupled PPO, arXiv 2110.00641).

    A pair is one denoising step x_t → x_{t-1} of one sample with advantage A. With p_θ the policy in training, p_prox
    the policy at the start of the update, p_behaviour the one that drew the sample, an update descends the mean over
    its pairs of

        -min(c, p_prox / p_behaviour) · min(r A, clip(r, 1 - ε, 1 + ε) A) + kl · KL(p_θ ‖ p_base),    r = p_θ / p_prox.

    With `credit`, log p_θ and log p_prox in r are means over latents weighted by M, of mean 1; the staleness weight is
    plain, as the log-probs that rollouts record are.
    """

    def __init__(self, policy: Policy, spec: TrainingSpec, config: DDPOConfig) -> None:
        from learners.algorithms.likelihood import Likelihood
        from learners.algorithms.ratio_check import RatioCheck

        super().__init__(policy, spec, config)
        self.likelihood = Likelihood(policy, spec.sampler)
        self._offsets = config.offsets(spec, self.likelihood.stochastic)
        self._latent_size = int(np.prod(policy.latent_shape))
        self._check_ratio = RatioCheck(self._offsets, config.ratio_tolerance, spec.learner.micro_batch)

    def losses(self, batch: Sequence[JudgedGroup], stats: dict[str, float]) -> Iterator[Iterable[Tensor]]:
        """See `AlgorithmLearner.losses`. Raises RatioError before the first update if learner and rollout actors
        disagree about log-probs."""
        from learners.algorithms.likelihood import Rollouts
        from learners.maths.statistics import PairLog, pair_statistics

        self.check_groups(batch)
        rollouts = Rollouts.of(batch, self.advantages(batch, stats), self.version, self._weights(batch, stats))
        rollouts = rollouts.near(self.policy.device)
        stats.update(self._check_ratio(rollouts, self.likelihood, self.engine))
        if self.config.sde_window is not None:
            stats["sde_window/first"] = 1.0 + float(np.mean(self.engine.gather(rollouts.start)))
        # The plan counts trainable steps; trajectories count all.
        plan = [[rollouts.pairs(m.sample, self._offsets[m.step]) for m in step] for step in self.plan(batch)]
        log = PairLog()
        for step, centres in zip(plan, self._proximal(rollouts, plan), strict=True):
            yield (self._loss(rollouts, m, prox, log) for m, prox in zip(step, centres, strict=True))
        stats.update(pair_statistics(self.engine.gather(log.columns()), self._latent_size))

    def _weights(self, batch: Sequence[JudgedGroup], stats: dict[str, float]) -> Float32Array | None:
        """M of all pictures, `[n, h, w]`; None: 1 everywhere."""
        if self.config.credit is None:
            return None
        heat = [group.heat for group in batch if group.heat is not None]
        if len(heat) < len(batch):
            raise ValueError("learner.algorithm.credit: groups came without the heat of their pictures")
        weights = self.config.credit.weights(np.concatenate(heat))
        peaks = np.concatenate(self.engine.gather(weights.max(axis=(1, 2))))
        stats.update({"credit/even": float((peaks == 1).mean()), "credit/peak": float(peaks.mean())})
        return weights

    def _proximal(self, rollouts: Rollouts, plan: list[list[MicroBatch]]) -> Sequence[Sequence[Density | None]]:
        """The clip's centre per micro-batch: the policy when the batch arrives, in the geometry of the update.

        None stands for the policy in training itself: at the first optimizer step the two are one, exactly, and the
        forward is saved.
        """
        from torch import no_grad

        from learners.algorithms.density import Density

        if self.config.clip.kind == "behaviour":
            recorded = [[rollouts.behaviour(m).to(self.policy.device) for m in step] for step in plan]
            return [[Density(log_probs, log_probs) for log_probs in step] for step in recorded]
        with no_grad():
            later = [[self._density(rollouts, m)[0] for m in step] for step in plan[1:]]
        return [[None] * len(plan[0]), *later]

    def _density(self, rollouts: Rollouts, pairs: MicroBatch) -> tuple[Density, Tensor]:
        """The present policy's, and the network's output for it."""
        from learners.algorithms.density import Density

        log_prob, output = self.likelihood.score(rollouts, pairs, self.engine)
        with_mean = self.config.clip.ratio_norm
        return Density.of(self.likelihood, rollouts, pairs, log_prob, output, with_mean=with_mean), output

    def _loss(self, rollouts: Rollouts, pairs: MicroBatch, prox: Density | None, log: PairLog) -> Tensor:
        """One micro-batch's losses `[b]`."""
        from torch import zeros_like

        from learners.maths.objectives import ppo_clipped

        clip = self.config.clip
        density, output = self._density(rollouts, pairs)
        centre, log_prob = prox or density.frozen(), density.log_prob
        log_ratio = density.log_ratio(centre, self.likelihood, rollouts, pairs)
        behaviour = rollouts.behaviour(pairs).to(log_prob.device)
        advantage = rollouts.advantages[pairs.sample].to(log_prob.device)
        clipped = ppo_clipped(
            log_prob, centre.log_prob, behaviour, advantage, clip.range, clip.weight_cap, log_ratio=log_ratio
        )
        loss, kl = clipped.loss, zeros_like(log_prob)
        if self.config.kl:
            kl = self.likelihood.kl(rollouts, pairs, output, self.engine)
            loss = loss + self.config.kl * kl
        log.add(log_prob, behaviour, rollouts.lag[pairs.sample], clipped, kl)
        return loss
