"""A Stable Diffusion 3 pipeline as the policy: plain diffusers draws what Salon draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import StableDiffusion3Pipeline
from tiny import disturb, save_tiny_flow

from actors.config import LoraConfig, PolicyConfig, SamplerConfig
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler, draw_noise
from actors.ticket import Ticket

Plain: Any = StableDiffusion3Pipeline
PROMPTS = ["a red cat", "a photo of a dog in the snow"]


def load(folder: Path, **config: Any) -> Policy:
    """The policy as after some training: no entry of its adapter is zero."""
    policy = Policy.load(PolicyConfig(model=str(folder), lora=LoraConfig(rank=4, alpha=12), **config), seed=3)
    disturb(policy)
    return policy


def plain(folder: Path, **absent: None) -> Any:
    pipe: Any = Plain.from_pretrained(folder, **absent)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(pipe: Any, latents: torch.Tensor, guidance: float = 3.0, kind: str = "np") -> np.ndarray:
    """Pictures 0..255, or clean latents if `kind` is "latent"."""
    made = pipe(PROMPTS, num_inference_steps=4, guidance_scale=guidance, latents=latents, output_type=kind).images
    return (made * 255).round().astype(int) if kind == "np" else made.numpy()


@pytest.fixture(scope="module")
def policy(tiny_flow_dir: Path) -> Policy:
    return load(tiny_flow_dir)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_sampler_with_next_to_no_noise_draws_what_the_plain_pipeline_draws(tiny_flow_dir: Path, guidance: float):
    policy = Policy.load(PolicyConfig(model=str(tiny_flow_dir)))
    ours = Sampler(policy, SamplerConfig(steps=4, eta=1e-5, guidance=guidance)).images(PROMPTS, (7, 8))
    latents = draw_noise((7, 8), 4, policy.latent_shape)[:, 0]
    theirs = drawn(plain(tiny_flow_dir, text_encoder_3=None, tokenizer_3=None), latents, guidance)
    assert theirs.std() > 1
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_a_pipeline_with_t5_is_drawn_like_the_plain_one_too(tmp_path: Path):
    folder = save_tiny_flow(tmp_path / "with-t5", t5=True)
    policy = Policy.load(PolicyConfig(model=str(folder)))
    tokens, pooled = policy.encode(PROMPTS)
    assert tokens.shape == (2, 24 + 256, 64)
    assert pooled.shape == (2, 32)
    ours = Sampler(policy, SamplerConfig(steps=4, eta=1e-5, guidance=3.0)).images(PROMPTS, (7, 8))
    assert np.abs(ours - drawn(plain(folder), draw_noise((7, 8), 4, policy.latent_shape)[:, 0])).max() <= 1


def test_plain_diffusers_loads_the_saved_lora_and_draws_the_same(policy: Policy, tiny_flow_dir: Path, tmp_path: Path):
    policy.save_lora(tmp_path)
    pipe = plain(tiny_flow_dir, text_encoder_3=None, tokenizer_3=None)
    latents = draw_noise((7, 8), 4, policy.latent_shape)[:, 0]
    base = drawn(pipe, latents, kind="latent")
    pipe.load_lora_weights(tmp_path)
    tuned = drawn(pipe, latents, kind="latent")
    assert np.abs(tuned - base).max() > 0.1
    sampler = Sampler(policy, SamplerConfig(steps=4, eta=1e-5, guidance=3.0))
    for prompt, seed, expected in zip(PROMPTS, (7, 8), tuned, strict=True):
        made = sampler.sample(Ticket(1, 0, 0, prompt, (seed,), 0), version=0)
        np.testing.assert_allclose(made.latents[0, -1], expected, atol=1e-3)
    np.testing.assert_allclose(drawn(policy.pipe, latents, kind="latent"), tuned, atol=1e-4)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_learners_score_of_a_fresh_trajectory_equals_the_actors_exactly(policy: Policy, guidance: float):
    sampler = Sampler(policy, SamplerConfig(steps=4, eta=0.7, guidance=guidance))
    made = sampler.sample(Ticket(1, 0, 0, "a red cat", (11, 2**62 + 1, 5), 0), version=0)
    assert made.timesteps.dtype == np.float32
    cond, uncond, latents = policy.encode(["a red cat"] * 3), policy.encode([""]), torch.as_tensor(made.latents)
    for j in range(4):
        x, x_prev = latents[:, j], latents[:, j + 1]
        output = policy.predict(x, sampler.transition.timesteps[j].expand(3), cond, uncond, guidance)
        _, log_prob = sampler.transition.step(output, j, x, x_prev=x_prev)
        assert torch.equal((log_prob - torch.as_tensor(made.log_probs)[:, j]).exp(), torch.ones(3))


def test_the_reference_is_the_frozen_policy_and_only_the_adapter_is_trained(policy: Policy, tiny_flow_dir: Path):
    base = Policy.load(PolicyConfig(model=str(tiny_flow_dir)))
    x, t = torch.randn(1, *policy.latent_shape), torch.tensor([500.0])
    with torch.no_grad():
        expected = base.predict(x, t, base.encode(["a dog"]))
        assert not torch.equal(policy.predict(x, t, policy.encode(["a dog"])), expected)
        with policy.reference():
            assert torch.equal(policy.predict(x, t, policy.encode(["a dog"])), expected)
    modules = [m for m in policy.pipe.components.values() if isinstance(m, torch.nn.Module)]
    assert len(modules) == 4
    assert {id(p) for m in modules for p in m.parameters() if p.requires_grad} == {id(p) for p in policy.trainable()}


def test_half_precision_keeps_adapter_and_output_in_float32(tiny_flow_dir: Path):
    policy = load(tiny_flow_dir, dtype="bfloat16")
    assert {p.dtype for p in policy.trainable()} == {torch.float32}
    assert policy.network.proj_out.weight.dtype == torch.bfloat16
    made = Sampler(policy, SamplerConfig(steps=2, eta=0.7)).sample(Ticket(1, 0, 0, "a cat", (1,), 0), version=0)
    assert made.latents.dtype == np.float32
    assert np.isfinite(made.log_probs).all()


def test_a_prompt_that_the_text_encoders_cut_is_reported(policy: Policy, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("WARNING", logger="actors.diffusion.pipelines.pipeline"):
        policy.encode(["a red cat in the snow " * 10])
    messages = [r.getMessage() for r in caplog.records if r.name == "actors.diffusion.pipelines.pipeline"]
    assert [m[:41] for m in messages] == ["the text encoder reads 24 of 62 tokens; t"]
