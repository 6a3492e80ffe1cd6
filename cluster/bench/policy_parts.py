"""The two parts of a run that have the policy: the sampler, and the learner."""

from __future__ import annotations

from functools import partial

import numpy as np

from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup
from cluster.bench.measurement import Measurement, peak_memory, repeated
from cluster.config.experiment import ExperimentConfig
from cluster.sizing.random_models import random_policy
from cluster.sizing.shapes import Shape
from learners.settings import TrainingSpec

PROMPT = "a cat on a meadow"
UPDATES = 1_000_000
"""so many that no schedule of the learning rate comes to its end"""


def measure_sampler(config: ExperimentConfig, device: str, at_least_s: float) -> Measurement:
    """Groups as a rollout actor draws them: denoised, scored, decoded and moved to the CPU."""
    sampler = _sampler(load(config, device), config, _one_group(config))
    times, seconds = repeated(lambda: sampler.sample(_ticket(config), 0), device, at_least_s)
    pictures = times * config.samples_per_prompt
    return Measurement("sampler", "pictures", pictures, pictures, seconds, peak_memory(device), _steps(config))


def measure_learner(config: ExperimentConfig, device: str, at_least_s: float) -> Measurement:
    """Updates on one group with random rewards: forward, backward and step, and what else the algorithm does."""
    spec, policy = _one_group(config), load(config, device)
    sampler = _sampler(policy, config, spec)
    rewards = np.random.default_rng(0).standard_normal(config.samples_per_prompt).astype(np.float32)
    learner = config.learner.algorithm.learner(policy, spec)
    group = JudgedGroup(sampler.sample(_ticket(config), 0), rewards)
    times, seconds = repeated(lambda: learner.update([group]), device, at_least_s)
    arithmetic = config.learner.algorithm.arithmetic(spec, sampler.transition.stochastic.cpu().numpy())
    pairs = times * arithmetic.pairs * arithmetic.optimizer_steps
    pictures = times * config.samples_per_prompt
    note = f"{spec.learner.micro_batch} a forward, {arithmetic.trained_steps} a picture, {_steps(config)}"
    return Measurement("learner", "pairs", pairs, pictures, seconds, peak_memory(device), note)


def load(config: ExperimentConfig, device: str) -> Policy:
    """The policy: of a folder as it is there, of a hub name that is known with random weights."""
    shape = Shape.of(config.policy.model)
    if shape is None:
        raise ValueError(f"policy.model: {config.policy.model} has no entry in configs/shapes, and is no folder")
    if shape.has_weights:
        return Policy.load(config.policy, config.seed, device)
    return random_policy(config.policy, shape, config.seed, device)


def _sampler(policy: Policy, config: ExperimentConfig, spec: TrainingSpec) -> Sampler:
    return Sampler(policy, config.sampler, partial(config.learner.algorithm.recording, spec))


def _one_group(config: ExperimentConfig) -> TrainingSpec:
    """What one worker trains of a run, cut down to one group an update."""
    learner, samples = config.learner, config.samples_per_prompt
    minibatches = learner.minibatches if samples % learner.minibatches == 0 else 1
    small = {"workers": 1, "minibatches": minibatches, "micro_batch": learner.micro_batch}
    return TrainingSpec(
        learner.model_copy(update=small), config.sampler, 1, samples, config.seed, UPDATES, config.rewards
    )


def _ticket(config: ExperimentConfig) -> Ticket:
    return Ticket(0, 0, 0, PROMPT, tuple(range(config.samples_per_prompt)), 0)


def _steps(config: ExperimentConfig) -> str:
    return f"{config.sampler.steps} steps"
