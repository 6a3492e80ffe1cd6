"""Sampling: noise from seeds alone, the learner's score equals the actor's, and trajectories that hold together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import disturb

from actors.config import PolicyConfig, SamplerConfig
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler, draw_noise
from actors.ticket import Ticket

SEEDS = (11, 2**62 + 1, 5, 7)


@pytest.fixture(scope="module")
def policy(tiny_policy_dir: Path) -> Policy:
    policy = Policy.load(PolicyConfig(model=str(tiny_policy_dir)), seed=0)
    disturb(policy, 0.1)
    return policy


def ticket(seeds: tuple[int, ...] = SEEDS, prompt: str = "a red cat") -> Ticket:
    return Ticket(id=1, index=0, attempt=0, prompt=prompt, seeds=seeds, admitted_at=0)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_learners_score_of_a_fresh_trajectory_equals_the_actors_exactly(policy: Policy, guidance: float) -> None:
    sampler = Sampler(policy, SamplerConfig(steps=4, guidance=guidance))
    made = sampler.sample(ticket(), version=0)
    cond, uncond = policy.encode(["a red cat"] * 4), policy.encode([""])
    latents = torch.as_tensor(made.latents)
    for j in range(4):
        x, x_prev = latents[:, j], latents[:, j + 1]
        output = policy.predict(x, sampler.transition.timesteps[j].expand(4), cond, uncond, guidance)
        _, log_prob = sampler.transition.step(output, j, x, x_prev=x_prev)
        assert log_prob.requires_grad
        ratio = (log_prob - torch.as_tensor(made.log_probs)[:, j]).exp()
        assert torch.equal(ratio, torch.ones(4))


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_micro_batch_of_mixed_samples_and_steps_keeps_the_ratio_within_the_start_up_tolerance(
    policy: Policy, guidance: float
) -> None:
    sampler = Sampler(policy, SamplerConfig(steps=4, guidance=guidance))
    made = sampler.sample(ticket(), version=0)
    samples, steps = torch.tensor([3, 0, 0, 2, 1, 3, 2]), torch.tensor([0, 3, 1, 2, 2, 1, 3])
    latents = torch.as_tensor(made.latents)
    x, x_prev = latents[samples, steps], latents[samples, steps + 1]
    cond, uncond = policy.encode(["a red cat"] * 7), policy.encode([""])
    output = policy.predict(x, sampler.transition.timesteps[steps], cond, uncond, guidance)
    _, log_prob = sampler.transition.step(output, steps, x, x_prev=x_prev)
    behaviour = torch.as_tensor(made.log_probs)[samples, steps]
    assert float(((log_prob - behaviour).exp() - 1).abs().max().detach()) <= 1e-5


@pytest.mark.parametrize("parts", [(1, 1, 1, 1), (3, 1), (2, 2)])
def test_a_sample_does_not_depend_on_who_is_denoised_with_it(policy: Policy, parts: tuple[int, ...]) -> None:
    sampler = Sampler(policy, SamplerConfig(steps=4, guidance=3.0))
    together = sampler.sample(ticket(), version=0)
    start = 0
    for size in parts:
        alone = sampler.sample(ticket(SEEDS[start : start + size]), version=0)
        here = slice(start, start + size)
        assert np.array_equal(alone.latents[:, 0], together.latents[here, 0])
        np.testing.assert_allclose(alone.latents, together.latents[here], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(alone.log_probs, together.log_probs[here], rtol=1e-5, atol=1e-5)
        assert np.abs(alone.images.astype(int) - together.images[here]).max() <= 1
        start += size


def test_max_batch_cuts_the_work_and_not_the_noise(policy: Policy) -> None:
    sizes: list[int] = []

    def note(_module: Any, args: Any, _out: Any) -> None:
        sizes.append(len(args[0]))

    hook = policy.network.register_forward_hook(note)
    whole = Sampler(policy, SamplerConfig(steps=2, guidance=1.0)).sample(ticket(), version=0)
    cut = Sampler(policy, SamplerConfig(steps=2, guidance=1.0, max_batch=3)).sample(ticket(), version=0)
    hook.remove()
    assert sizes == [4, 4, 3, 3, 1, 1]
    np.testing.assert_allclose(cut.latents, whole.latents, rtol=1e-4, atol=1e-4)


def test_the_same_ticket_and_version_give_the_same_trajectory_bit_for_bit(policy: Policy) -> None:
    first = Sampler(policy, SamplerConfig(steps=3, guidance=2.0)).sample(ticket(), version=0)
    torch.rand(17)
    again = Sampler(policy, SamplerConfig(steps=3, guidance=2.0)).sample(ticket(), version=0)
    assert np.array_equal(first.latents, again.latents)
    assert np.array_equal(first.log_probs, again.log_probs)
    assert np.array_equal(first.images, again.images)


def test_a_trajectory_is_contiguous_float32_and_its_pictures_are_its_last_latents(policy: Policy) -> None:
    made = Sampler(policy, SamplerConfig(steps=3, guidance=2.0)).sample(ticket(), version=6)
    assert made.version == 6
    assert made.latents.shape == (4, 4, 12, 8, 8)
    assert made.log_probs.shape == (4, 3)
    assert made.latents.dtype == made.log_probs.dtype == np.float32
    assert made.images.dtype == np.uint8
    assert made.images.shape == (4, 64, 64, 3)
    assert made.timesteps.tolist() == [667, 334, 1]
    assert all(a.flags.c_contiguous for a in (made.latents, made.log_probs, made.images))
    assert np.isfinite(made.log_probs).all()
    assert np.array_equal(policy.decode(torch.as_tensor(made.latents[:, -1])), made.images)


def test_evaluation_pictures_follow_the_same_noise_rule(policy: Policy) -> None:
    sampler = Sampler(policy, SamplerConfig(steps=3, guidance=2.0))
    made = sampler.sample(ticket(), version=0)
    drawn = sampler.images(["a red cat"] * 4, SEEDS)
    assert np.array_equal(drawn, made.images)
    mixed = sampler.images(["a dog", "a red cat"], (1, SEEDS[2]))
    assert np.abs(mixed[1].astype(int) - made.images[2]).max() <= 1


def test_pictures_need_one_seed_for_each_prompt(policy: Policy) -> None:
    with pytest.raises(ValueError, match="3 prompts and 2 seeds"):
        Sampler(policy, SamplerConfig(steps=2)).images(["a"] * 3, (1, 2))


def test_noise_is_standard_normal_and_no_two_steps_or_seeds_share_it() -> None:
    noise = draw_noise(range(8), 7, (4, 16, 16))
    assert noise.shape == (8, 8, 4, 16, 16)
    assert abs(float(noise.mean())) < 0.02
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    correlations = torch.corrcoef(noise.flatten(2).flatten(0, 1)) - torch.eye(64)
    assert float(correlations.abs().max()) < 0.15
