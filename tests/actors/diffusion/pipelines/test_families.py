"""What holds for every family of pipelines: plain diffusers draws what Salon draws, at any resolution."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import load_policy
from tiny import disturb
from tiny_families import FAMILIES, OTHER, OWN, draw_plainly

from actors.config import PolicyConfig, SamplerConfig
from actors.diffusion.pipelines.registry import kind_of, stored_shape, stored_transition
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler, draw_noise
from actors.ticket import Ticket

PROMPTS, SEEDS, STEPS = ["a red cat", "a photo of a dog in the snow"], (7, 8), 4
LONG = "a cat " * 300


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[family].save(tmp_path_factory.mktemp(family.replace(" ", "-")) / "model")


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    """The policy as after some training: no entry of its adapter is zero."""
    policy = load_policy(folder, resolution=OWN)
    disturb(policy)
    return policy


def settings(guidance: float = 3.0, eta: float = 1e-5) -> SamplerConfig:
    return SamplerConfig(steps=STEPS, eta=eta, guidance=guidance)


def theirs(pipe: Any, policy: Policy, guidance: float = 3.0) -> np.ndarray:
    """Pictures 0..255 of the plain pipeline."""
    latents = draw_noise(SEEDS, STEPS, policy.latent_shape)[:, 0]
    drawn = draw_plainly(pipe, PROMPTS, latents, policy.pipeline.shape.pixels, STEPS, guidance)
    return (drawn * 255).round().astype(int)


def ours(policy: Policy, guidance: float = 3.0) -> np.ndarray:
    """Pictures 0..255 of the policy, drawn with next to no noise."""
    return Sampler(policy, settings(guidance)).images(PROMPTS, SEEDS).astype(int)


@pytest.mark.parametrize("size", [OWN, OTHER])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_with_next_to_no_noise_it_draws_what_its_plain_pipeline_draws(
    family: str, folder: Path, size: tuple[int, int], guidance: float
) -> None:
    policy = load_policy(folder, resolution=size)
    drawn, plain = ours(policy, guidance), theirs(FAMILIES[family].plain(folder), policy, guidance)
    assert drawn.shape == (2, *size, 3)
    assert plain.std() > 5
    assert np.abs(drawn - plain).max() <= 1


def test_plain_diffusers_loads_its_lora_and_draws_the_same(
    family: str, folder: Path, policy: Policy, tmp_path: Path
) -> None:
    policy.save_lora(tmp_path)
    pipe = FAMILIES[family].plain(folder)
    base = theirs(pipe, policy)
    pipe.load_lora_weights(tmp_path)
    tuned = theirs(pipe, policy)
    assert np.abs(tuned - base).max() > 1
    assert np.abs(ours(policy) - tuned).max() <= 1


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_learners_score_of_a_fresh_trajectory_equals_the_actors_exactly(policy: Policy, guidance: float) -> None:
    sampler = Sampler(policy, settings(guidance, eta=0.7))
    made = sampler.sample(Ticket(1, 0, 0, "a red cat", (11, 2**62 + 1, 5), 0), version=0)
    cond, uncond, latents = policy.encode(["a red cat"] * 3), policy.encode([""]), torch.as_tensor(made.latents)
    assert np.isfinite(made.log_probs).all()
    for j in range(STEPS):
        x, x_prev = latents[:, j], latents[:, j + 1]
        output = policy.predict(x, sampler.transition.timesteps[j].expand(3), cond, uncond, guidance)
        _, log_prob = sampler.transition.step(output, j, x, x_prev=x_prev)
        assert torch.equal((log_prob - torch.as_tensor(made.log_probs)[:, j]).exp(), torch.ones(3))


def test_the_reference_is_the_frozen_policy_and_only_the_adapter_is_trained(folder: Path, policy: Policy) -> None:
    base = load_policy(folder, resolution=OWN)
    x, t = torch.randn(1, *policy.latent_shape), torch.tensor([500])
    with torch.no_grad():
        expected = base.predict(x, t, base.encode(["a dog"]))
        assert not torch.equal(policy.predict(x, t, policy.encode(["a dog"])), expected)
        with policy.reference():
            assert torch.equal(policy.predict(x, t, policy.encode(["a dog"])), expected)
    modules = [m for m in policy.pipe.components.values() if isinstance(m, torch.nn.Module)]
    assert {id(p) for m in modules for p in m.parameters() if p.requires_grad} == {id(p) for p in policy.trainable()}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_keeps_adapter_and_latents_in_float32(folder: Path, dtype: Any) -> None:
    policy = load_policy(folder, dtype=dtype, resolution=OWN)
    assert {p.dtype for p in policy.trainable()} == {torch.float32}
    made = Sampler(policy, settings(eta=0.7)).sample(Ticket(1, 0, 0, "a cat", (1,), 0), version=0)
    assert made.latents.dtype == np.float32
    assert np.isfinite(made.log_probs).all()
    assert made.images.shape == (1, *OWN, 3)


def test_a_prompt_that_the_text_encoder_cuts_is_noticed_as_it_is_foreseen(folder: Path, policy: Policy) -> None:
    policy.encode([LONG, "a cat"])
    assert policy.pipeline.cut == {LONG}
    reader = kind_of(str(folder)).stored_reader(str(folder))
    assert reader is not None
    tokenizer, limit = reader
    assert [len(tokenizer(prompt).input_ids) > limit for prompt in (LONG, "a cat")] == [True, False]


@pytest.mark.parametrize("size", [OWN, OTHER])
def test_shape_and_times_are_known_before_it_is_loaded(folder: Path, size: tuple[int, int]) -> None:
    loaded = load_policy(folder, resolution=size)
    assert stored_shape(str(folder), size) == loaded.pipeline.shape
    planned, made = stored_transition(loaded.config, settings(eta=0.7)), loaded.transition(settings(eta=0.7))
    assert torch.equal(planned.timesteps, made.timesteps)
    assert torch.equal(planned.std, made.std)


def test_its_own_resolution_is_what_the_plain_pipeline_draws_when_it_is_told_nothing(family: str, folder: Path) -> None:
    pipe = FAMILIES[family].plain(folder)
    plain = getattr(pipe, "default_sample_size", pipe.components.get("unet", pipe.components.get("transformer")))
    side = plain if isinstance(plain, int) else plain.config.sample_size
    assert stored_shape(str(folder)).pixels == (side * pipe.vae_scale_factor,) * 2


def test_a_resolution_that_does_not_fit_is_refused_with_those_that_do(folder: Path) -> None:
    unit = 8 * kind_of(str(folder)).patch({"patch_size": 1})
    with pytest.raises(ValueError, match=rf"^policy\.resolution\.width: 100 is no multiple of {unit}: .* 96 or 1"):
        stored_shape(str(folder), (64, 100))
    with pytest.raises(ValueError, match=rf"^policy\.resolution\.height: 7 is no multiple of {unit}: .*; take {unit}$"):
        load_policy(folder, resolution=(7, 64))


def test_a_folder_without_the_networks_config_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    lacking = Path(shutil.copytree(folder, tmp_path / "lacking"))
    part = kind_of(str(folder)).part
    (lacking / part / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=rf"^policy\.model: neither {part}/config\.json nor vae/config\.json in "):
        stored_transition(PolicyConfig(model=str(lacking)), settings())
    (lacking / part / "config.json").unlink()
    with pytest.raises(ValueError, match=rf"^policy\.model: .*{part}/config\.json"):
        stored_transition(PolicyConfig(model=str(lacking)), settings())
