"""DDPO: the learner that turns judged groups into policy updates."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from actors.adapter import Adapter
from actors.config import SamplerConfig
from actors.diffusion.policy import Policy
from actors.trajectory import JudgedGroup
from learners.algorithms.likelihood import Likelihood, Rollouts
from learners.algorithms.ratio_check import check_ratio
from learners.config import LearnerConfig
from learners.distributed.engine import Engine
from learners.maths.advantage_estimator import AdvantageEstimator, Scored
from learners.maths.advantages import FloatArray
from learners.maths.objectives import ppo_clipped
from learners.maths.schedule import BatchArithmetic, MicroBatch
from learners.maths.statistics import PairLog, pair_statistics, reward_statistics
from learners.maths.timesteps import trainable_steps
from rewards.settings.rewards import RewardsConfig

# Samples of each worker's first batch on which the start-up check runs over all timesteps.
RATIO_SAMPLES = 8


class DDPOLearner:
    """Denoising diffusion policy optimisation (DDPO, arXiv 2305.13301) with stale samples allowed (decoupled PPO).

    One object per worker; all workers make the same calls in the same order, each with its own groups. Nothing here
    draws from a generator that lives on: what is random in an update is a function of (seed, version, index), so
    optimizer state, the estimator's statistics and `version` are the whole state of a learner.

    version  updates done, and the version of the policy that `adapter()` gives
    """

    def __init__(
        self,
        policy: Policy,
        config: LearnerConfig,
        sampler: SamplerConfig,
        *,
        groups: int,
        samples: int,
        seed: int = 0,
        updates: int | None = None,
        rewards: RewardsConfig | None = None,
    ) -> None:
        """A learner for `updates` updates of `groups` groups of `samples` samples, scored by the panel of `rewards`
        (None: groups come with their rewards); raises ValueError if workers cannot share, or if the learning rate
        depends on `updates` and there are none."""
        if updates is None and config.lr_schedule != "constant":
            raise ValueError(f"learner.lr_schedule: {config.lr_schedule} needs to know how many updates there will be")
        self.config = config
        self._updates = updates or 1
        self.seed = seed
        self.version = 0
        self.likelihood = Likelihood(policy, sampler)
        self.trainable_steps = trainable_steps(self.likelihood.stochastic, config.timestep_window)
        self.arithmetic = BatchArithmetic(groups, samples, len(self.trainable_steps), config)
        self.engine = Engine(policy, config, self.arithmetic.accumulation)
        if self.engine.world != config.workers:
            raise ValueError(
                f"learner.workers is {config.workers}, but the worker group has {self.engine.world} workers"
            )
        self._estimator = AdvantageEstimator(config.advantage, rewards)
        self._latent_size = int(np.prod(policy.latent_shape))
        self._ratio_checked = False

    def update(self, groups: Sequence[JudgedGroup]) -> dict[str, float]:
        """One update on this worker's `groups` (indices `rank::world` of the batch, in index order); its statistics.

        Raises RatioError before the first update if learner and rollout actors disagree about log-probs, and
        FloatingPointError if a gradient is not finite.
        """
        groups = list(groups)
        self._check_shape(groups)
        advantages, stats = self._advantages(groups)
        rollouts = Rollouts.of(groups, advantages, self.version)
        stats |= self._check_ratio(rollouts, groups)
        lr = self.config.rate(self.version, self._updates)
        self.engine.set_rate(lr)
        indices = [g.trajectories.ticket.index for g in groups]
        plan = [[self._stochastic(m) for m in step] for step in self.arithmetic.plan(indices, self.seed, self.version)]
        proximal = self._proximal(rollouts, plan)
        log, norms = PairLog(), list[float]()
        for step, centres in zip(plan, proximal, strict=True):
            for pairs, prox in zip(step, centres, strict=True):
                self.engine.accumulate(self._loss(rollouts, pairs, prox, log))
            norms.append(self.engine.grad_norm)
        self.version += 1
        stats |= pair_statistics(self.engine.gather(log.columns()), self._latent_size)
        return stats | {"lr": lr, "grad_norm": float(np.mean(norms)), "optimizer_steps": float(len(norms))}

    def adapter(self) -> Adapter:
        """The weights to publish, stamped with `version`; every worker calls it."""
        return self.engine.adapter(self.version)

    def save(self, folder: Path | str) -> None:
        """Writes a checkpoint beside `folder`, then renames it, so that a folder by that name is always whole.

        Every worker calls it, with one shared folder or, on nodes without a shared disk, each with its own.
        """
        folder = Path(folder)
        part = folder.with_name(f"{folder.name}.part")
        self.engine.barrier()
        shutil.rmtree(part, ignore_errors=True)
        self.engine.barrier()
        self.engine.save(part)
        adapter = self.adapter()
        if self.engine.rank == 0:
            (part / "learner.json").write_text(
                json.dumps(
                    {
                        "version": self.version,
                        "checksum": adapter.checksum(),
                        "workers": self.engine.world,
                        "zero_stage": self.config.zero_stage,
                        "statistics": self._estimator.state(),
                    }
                )
            )
        self.engine.barrier()
        for rank in range(self.engine.world):
            if rank == self.engine.rank and part.exists():
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(part, folder)
            self.engine.barrier()

    def restore(self, folder: Path | str) -> None:
        """Continues from a checkpoint, bit for bit; raises ValueError if it is for another geometry or damaged."""
        folder = Path(folder)
        path = folder / "learner.json"
        if not path.is_file():
            raise ValueError(f"{folder} is no learner checkpoint: it holds no learner.json")
        state = json.loads(path.read_text())
        for key, mine in (("workers", self.engine.world), ("zero_stage", self.config.zero_stage)):
            # Checked first: DeepSpeed notices half-way through loading, and leaves the engine unusable.
            if state[key] != mine:
                raise ValueError(f"{folder} was saved with learner.{key} {state[key]}; this run has {mine}")
        self.engine.load(folder)
        self.version = state["version"]
        self._estimator.restore(state["statistics"])
        checksum = self.adapter().checksum()
        if checksum != state["checksum"]:
            raise ValueError(
                f"{folder} is damaged: the adapter loads with checksum {checksum}, saved was {state['checksum']}"
            )

    def _check_shape(self, groups: list[JudgedGroup]) -> None:
        wanted, samples = self.arithmetic.groups // self.engine.world, self.arithmetic.samples
        sizes = [len(g.rewards) for g in groups]
        if sizes != [samples] * wanted:
            raise ValueError(
                f"an update takes {wanted} groups of {samples} samples a worker, and got groups of {sizes}"
            )
        for group in groups:
            self.likelihood.check_same_steps(group.trajectories.timesteps)
            assert group.trajectories.version <= self.version, "a group from the future"

    def _advantages(self, groups: list[JudgedGroup]) -> tuple[FloatArray, dict[str, float]]:
        """This worker's advantages `[P/world, k]`; every worker sees all rewards to compare them with."""
        mine = [
            Scored(g.trajectories.ticket.index, g.trajectories.ticket.prompt, g.rewards, g.scores, g.gated)
            for g in groups
        ]
        everyone = [group for theirs in self.engine.gather(mine) for group in theirs]
        advantages = self._estimator.advantages(everyone)
        indices = sorted(advantages)
        rewards = {group.index: group.rewards for group in everyone}
        stats = reward_statistics(np.stack([rewards[p] for p in indices]), np.stack([advantages[p] for p in indices]))
        return np.stack([advantages[group.index] for group in mine]), stats

    def _check_ratio(self, rollouts: Rollouts, groups: list[JudgedGroup]) -> dict[str, float]:
        """The start-up check, once, on the first batch that is wholly on-policy; the same verdict on every worker."""
        fresh = all(self.engine.gather(bool((rollouts.lag == 0).all())))
        if self._ratio_checked or not fresh:
            return {}
        rows = np.linspace(0, len(rollouts) - 1, min(RATIO_SAMPLES, len(rollouts))).astype(np.int64)
        steps = self.trainable_steps
        pairs = MicroBatch(np.repeat(rows, len(steps)), np.tile(steps, len(rows)))
        with torch.no_grad():
            scores = [self.likelihood.score(rollouts, p, self.engine)[0] for p in self._micro_batches(pairs)]
        learner = torch.cat(scores).view(len(rows), -1).cpu().numpy()
        behaviour = rollouts.log_probs[rows][:, steps].numpy()
        every = self.engine.gather((learner, behaviour))
        worst = check_ratio(
            np.concatenate([pair[0] for pair in every]),
            np.concatenate([pair[1] for pair in every]),
            groups[0].trajectories.timesteps[steps],
            self.config.ratio_tolerance,
        )
        self._ratio_checked = True
        return {"startup_ratio_off": float(worst.max())}

    def _proximal(self, rollouts: Rollouts, plan: list[list[MicroBatch]]) -> Sequence[Sequence[Tensor | None]]:
        """The clip's centre per micro-batch: log-probs when the batch arrives, in the geometry of the update.

        None stands for the policy in training itself: at the first optimizer step the two are one, exactly, and the
        forward is saved.
        """
        if self.config.clip.kind == "behaviour":
            return [[rollouts.log_probs[m.sample, m.step] for m in step] for step in plan]
        with torch.no_grad():
            later = [[self.likelihood.score(rollouts, m, self.engine)[0] for m in step] for step in plan[1:]]
        return [[None] * len(plan[0]), *later]

    def _loss(self, rollouts: Rollouts, pairs: MicroBatch, prox: Tensor | None, log: PairLog) -> Tensor:
        """One micro-batch's share of the mean loss over the optimizer step's pairs."""
        clip = self.config.clip
        log_prob, output = self.likelihood.score(rollouts, pairs, self.engine)
        behaviour = rollouts.log_probs[pairs.sample, pairs.step].to(log_prob.device)
        centre = log_prob.detach() if prox is None else prox.to(log_prob.device)
        advantage = rollouts.advantages[pairs.sample].to(log_prob.device)
        clipped = ppo_clipped(log_prob, centre, behaviour, advantage, clip.range, clip.weight_cap)
        loss, kl = clipped.loss, torch.zeros_like(log_prob)
        if self.config.kl:
            kl = self.likelihood.kl(rollouts, pairs, output, self.engine)
            loss = loss + self.config.kl * kl
        log.add(log_prob, behaviour, rollouts.lag[pairs.sample], clipped, kl)
        return loss.sum() / self.arithmetic.pairs

    def _stochastic(self, pairs: MicroBatch) -> MicroBatch:
        """The plan counts trainable steps; this names them by their index in the trajectory."""
        return MicroBatch(pairs.sample, self.trainable_steps[pairs.step])

    def _micro_batches(self, pairs: MicroBatch) -> list[MicroBatch]:
        size = self.config.micro_batch
        return [MicroBatch(pairs.sample[i : i + size], pairs.step[i : i + size]) for i in range(0, len(pairs), size)]
