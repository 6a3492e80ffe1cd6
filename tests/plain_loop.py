"""A learner without DeepSpeed, and rollouts without Ray: what the real learner is compared with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from actors.config import LoraConfig, PolicyConfig, Resolution, SamplerConfig
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from actors.recording import Recording
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup
from learners.algorithms.ddpo import DDPOLearner
from learners.config import LearnerConfig
from learners.maths.advantages import PerPromptStatistics, clip_advantages
from learners.maths.objectives import ppo_clipped
from learners.maths.schedule import BatchArithmetic
from learners.settings import TrainingSpec

PROMPTS = ("a photo of a cat", "a red dog", "a giraffe in the snow", "a blue elephant")
SAMPLER = SamplerConfig(steps=4, eta=1.0, guidance=2.0)


def load_policy(folder: Path, seed: int = 0, resolution: tuple[int, int] | None = None, **settings: Any) -> Policy:
    """A fresh policy at version 0; `settings` are more of its section."""
    size = None if resolution is None else Resolution(height=resolution[0], width=resolution[1])
    lora = LoraConfig(rank=4, alpha=4)
    return Policy.load(PolicyConfig(model=str(folder), lora=lora, resolution=size, **settings), seed)


def brightness(images: np.ndarray) -> np.ndarray:
    """The mean pixel of each picture, 0 to 1: a reward that a random policy can learn at once."""
    return (images.mean(axis=(1, 2, 3)) / 255).astype(np.float32)


def roll(
    policy: Policy,
    version: int,
    indices: Sequence[int],
    samples: int,
    sampler: SamplerConfig = SAMPLER,
    reward: Callable[[np.ndarray], np.ndarray] = brightness,
    recording: Recording | None = None,
) -> list[JudgedGroup]:
    """Judged groups of the present policy for `indices`; the seeds are a function of the index.

    `recording`: what the learner wants of them; every step if it is None.
    """
    recorder = Recording.whole if recording is None else lambda _stochastic: recording
    groups = []
    for index in indices:
        seeds = tuple(1000 * index + i for i in range(samples))
        ticket = Ticket(index, index, 0, PROMPTS[index % len(PROMPTS)], seeds, version)
        trajectories = Sampler(policy, sampler, recorder).sample(ticket, version)
        groups.append(JudgedGroup(trajectories, reward(trajectories.images)))
    return groups


def ddpo(
    policy: Policy, config: LearnerConfig, groups: int, samples: int, sampler: SamplerConfig = SAMPLER, **more: Any
) -> DDPOLearner:
    """The real learner of `policy`, in a process of its own; `more` is more of its `TrainingSpec`."""
    return config.algorithm.learner(policy, TrainingSpec(config, sampler, groups, samples, **more))


class PlainLearner:
    """DDPO with `torch.optim.AdamW` and `clip_grad_norm_`, one pass over the batch per update."""

    def __init__(self, policy: Policy, config: LearnerConfig, groups: int, samples: int, seed: int = 0) -> None:
        self.policy, self.config, self.seed, self.version = policy, config, seed, 0
        self.transition = policy.transition(SAMPLER)
        self.algorithm = config.algorithm
        fraction, advantage = self.algorithm.timestep_fraction, self.algorithm.advantage
        self.arithmetic = BatchArithmetic(groups, samples, SAMPLER.steps, config, fraction)
        self.statistics = PerPromptStatistics(advantage.buffer, advantage.min_count)
        self.optimizer = torch.optim.AdamW(
            policy.trainable(), config.lr, config.betas, config.epsilon, config.weight_decay
        )

    def update(self, groups: Sequence[JudgedGroup]) -> float:
        """One update; returns the gradient's norm before clipping."""
        paths = [g.trajectories for g in groups]
        advantages = clip_advantages(
            self.statistics.advantages([p.ticket.prompt for p in paths], np.stack([g.rewards for g in groups])), 5.0
        ).reshape(-1)
        latents = np.concatenate([p.latents for p in paths])
        behaviour = np.concatenate([p.log_probs for p in paths])
        prompts = [p.ticket.prompt for p in paths for _ in range(len(p))]
        uncond = self.policy.encode([""])
        (step,) = self.arithmetic.plan([p.ticket.index for p in paths], self.seed, self.version)
        self.optimizer.zero_grad()
        for micro in step:
            x = torch.from_numpy(latents[micro.sample, micro.step])
            x_prev = torch.from_numpy(latents[micro.sample, micro.step + 1])
            index = torch.from_numpy(micro.step)
            cond = self.policy.encode([prompts[i] for i in micro.sample])
            output = self.policy.predict(x, self.transition.timesteps[index], cond, uncond, SAMPLER.guidance)
            log_prob = self.transition.step(output, index, x, x_prev=x_prev)[1]
            clipped = ppo_clipped(
                log_prob,
                log_prob.detach(),
                torch.from_numpy(behaviour[micro.sample, micro.step]),
                torch.from_numpy(advantages[micro.sample]),
                self.algorithm.clip.range,
                self.algorithm.clip.weight_cap,
            )
            (clipped.loss.sum() / self.arithmetic.pairs).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.policy.trainable(), self.config.max_grad_norm)
        self.optimizer.step()
        self.version += 1
        return float(norm)


def save_as_version_0_1_0(learner: DDPOLearner, folder: Path) -> None:
    """A checkpoint as that release wrote it: DeepSpeed's own shards, and no manifest."""
    engine, described = learner.engine, learner._described(learner.adapter())
    engine._engine.save_checkpoint(str(folder), tag="engine", save_latest=False, exclude_frozen_parameters=True)
    described |= {"workers": engine.world, "zero_stage": learner.settings.zero_stage}
    (folder / "learner.json").write_text(json.dumps(described))
