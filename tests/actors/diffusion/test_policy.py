"""The policy: version 0 is the base model, adapters travel, and plain diffusers loads what is saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from tiny import disturb

from actors.adapter import Adapter
from actors.config import LoraConfig, PolicyConfig, SamplerConfig
from actors.diffusion.pipelines.registry import kind_of
from actors.diffusion.policy import Policy

Plain: Any = StableDiffusionPipeline


@pytest.fixture(scope="module")
def config(tiny_policy_dir: Path) -> PolicyConfig:
    return PolicyConfig(model=str(tiny_policy_dir), lora=LoraConfig(rank=4, alpha=12))


@pytest.fixture
def policy(config: PolicyConfig) -> Policy:
    return Policy.load(config, seed=3)


def output(policy: Policy, guidance: float = 3.0) -> torch.Tensor:
    latents = torch.randn((2, *policy.latent_shape), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cond, uncond = policy.encode(["a red cat", "a dog in the snow"]), policy.encode([""])
        return policy.predict(latents, torch.tensor([751, 1]), cond, uncond, guidance)


def test_version_0_is_the_base_policy_bit_for_bit(policy: Policy, tiny_policy_dir: Path) -> None:
    base = Plain.from_pretrained(tiny_policy_dir)
    latents = torch.randn((1, *policy.latent_shape), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cond = policy.encode(["a red cat"])
        assert torch.equal(cond[0], base.encode_prompt(["a red cat"], "cpu", 1, False)[0])
        expected = base.unet(latents, torch.tensor([501]), cond[0]).sample
        assert torch.equal(policy.predict(latents, torch.tensor([501]), cond), expected)
        pixels = base.vae.decode(latents / base.vae.config.scaling_factor).sample
    expected = (base.image_processor.postprocess(pixels, output_type="np") * 255).round().astype(np.uint8)
    assert np.array_equal(policy.decode(latents), expected)


def test_reference_is_the_base_policy_and_leaves_the_adapter_as_it_was(policy: Policy) -> None:
    base = output(policy)
    disturb(policy)
    trained = output(policy)
    assert not torch.equal(trained, base)
    with policy.reference():
        assert torch.equal(output(policy), base)
    assert torch.equal(output(policy), trained)
    assert all(p.requires_grad for p in policy.trainable())


def test_only_the_adapter_is_trained_and_its_seed_is_the_runs(config: PolicyConfig, policy: Policy) -> None:
    trained = {name for name, p in policy.network.named_parameters() if p.requires_grad}
    assert trained == set(policy.named_trainable())
    assert trained
    assert not any(p.requires_grad for m in (policy.pipe.vae, policy.pipe.text_encoder) for p in m.parameters())
    assert not any(m.training for m in policy.network.modules())
    same, other = Policy.load(config, seed=3), Policy.load(config, seed=4)
    assert same.adapter(0).checksum() == policy.adapter(0).checksum() != other.adapter(0).checksum()


def test_making_a_policy_leaves_the_global_random_state_alone(config: PolicyConfig) -> None:
    torch.manual_seed(1)  # pyright: ignore[reportUnknownMemberType]
    expected = torch.rand(3)
    torch.manual_seed(1)  # pyright: ignore[reportUnknownMemberType]
    Policy.load(config, seed=3)
    assert torch.equal(torch.rand(3), expected)


def test_an_adapter_survives_packing_and_loading_bit_for_bit(config: PolicyConfig, policy: Policy) -> None:
    disturb(policy)
    adapter = policy.adapter(7)
    adapter.values.setflags(write=False)  # as it comes out of Ray's object store
    other = Policy.load(config, seed=9)
    other.load_adapter(adapter)
    assert other.adapter(7).checksum() == adapter.checksum()
    assert torch.equal(output(other), output(policy))
    before = adapter.checksum()
    disturb(other)
    assert adapter.checksum() == before


def test_an_adapter_of_another_rank_is_refused(tiny_policy_dir: Path, policy: Policy) -> None:
    other = Policy.load(PolicyConfig(model=str(tiny_policy_dir), lora=LoraConfig(rank=2)))
    with pytest.raises(ValueError, match=r"adapter version 4 .* policy\.lora"):
        policy.load_adapter(other.adapter(4))
    with pytest.raises(ValueError, match=r"policy\.lora"):
        policy.load_adapter(Adapter.pack(1, {"nothing": np.zeros(3, np.float32)}))


def test_plain_diffusers_loads_the_saved_lora_and_draws_the_same(
    policy: Policy, tiny_policy_dir: Path, tmp_path: Path
) -> None:
    disturb(policy)
    policy.save_lora(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["pytorch_lora_weights.safetensors"]
    plain = Plain.from_pretrained(tiny_policy_dir)

    def draw(pipe: Any) -> np.ndarray:
        pipe.set_progress_bar_config(disable=True)
        return pipe(
            "a red cat",
            num_inference_steps=4,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        ).images

    base = draw(plain)
    plain.load_lora_weights(tmp_path)
    assert not np.array_equal(draw(plain), base)
    assert np.array_equal(draw(plain), draw(policy.pipe))


def test_guidance_1_skips_the_unconditional_half_and_means_the_same(policy: Policy) -> None:
    sizes: list[int] = []

    def note(_module: Any, args: Any, _out: Any) -> None:
        sizes.append(len(args[0]))

    policy.network.register_forward_hook(note)
    alone = output(policy, guidance=1.0)
    nearly = output(policy, guidance=1.0 + 1e-6)
    assert sizes == [2, 4]
    torch.testing.assert_close(alone, nearly, rtol=1e-4, atol=1e-4)


def test_guidance_leads_away_from_the_negative_prompt(policy: Policy) -> None:
    latents = torch.randn((1, *policy.latent_shape), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cond, uncond = policy.encode(["a red cat"]), policy.encode([""])
        t = torch.tensor([501])
        positive, negative = policy.predict(latents, t, cond), policy.predict(latents, t, uncond)
        guided = policy.predict(latents, t, cond, uncond, 4.0)
    torch.testing.assert_close(guided, negative + 4 * (positive - negative), rtol=1e-4, atol=1e-4)


def test_guidance_without_an_unconditional_condition_is_refused(policy: Policy) -> None:
    with pytest.raises(ValueError, match="unconditional"):
        policy.predict(torch.zeros(1, *policy.latent_shape), torch.tensor([1]), policy.encode(["a"]), None, 2.0)


def test_a_prompt_is_encoded_once_and_its_neighbours_do_not_change_it(policy: Policy) -> None:
    calls: list[int] = []

    def note(*_: Any) -> None:
        calls.append(1)

    policy.pipe.text_encoder.register_forward_hook(note)
    alone = policy.encode(["a red cat"])
    among = policy.encode(["a dog in the snow at night", "a red cat", "a red cat"])
    assert len(calls) == 2
    assert torch.equal(among[0][1:2], alone[0])


def test_a_prompt_that_is_too_long_is_reported_once(policy: Policy, caplog: pytest.LogCaptureFixture) -> None:
    long = "a red cat in the snow " * 10
    with caplog.at_level("WARNING", logger="actors.diffusion.pipelines.pipeline"):
        assert policy.encode([long, "a red cat", long])[0].shape == (3, 24, 32)
    assert [r.getMessage()[:42] for r in caplog.records if r.name == "actors.diffusion.pipelines.pipeline"] == [
        "the text encoder reads 24 of 62 tokens; th"
    ]


def test_half_precision_keeps_the_adapter_in_float32(tiny_policy_dir: Path) -> None:
    policy = Policy.load(PolicyConfig(model=str(tiny_policy_dir), dtype="bfloat16"))
    assert {p.dtype for p in policy.trainable()} == {torch.float32}
    assert policy.pipe.unet.conv_in.weight.dtype == torch.bfloat16
    assert output(policy).dtype == torch.float32
    assert policy.decode(torch.zeros(1, *policy.latent_shape)).shape == (1, 64, 64, 3)


def test_the_transition_is_the_pipelines_own_schedule(policy: Policy) -> None:
    transition = policy.transition(SamplerConfig(steps=4))
    assert transition.timesteps.numpy().tolist() == [751, 501, 251, 1]


def test_a_model_that_is_no_pipeline_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"policy\.model: there is no folder menagerie/models/nothing"):
        kind_of("menagerie/models/nothing")
    with pytest.raises(ValueError, match=r"policy\.model: .* no model_index\.json"):
        kind_of(str(tmp_path))
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "KandinskyPipeline"}))
    with pytest.raises(
        ValueError, match="is a KandinskyPipeline; Salon trains a StableDiffusionPipeline, StableDiffusionXLPipeline, "
    ):
        kind_of(str(tmp_path))


def test_the_kind_of_pipeline_is_read_from_its_index(tiny_policy_dir: Path, tiny_flow_dir: Path) -> None:
    assert kind_of(str(tiny_policy_dir)).part == "unet"
    assert kind_of(str(tiny_flow_dir)).part == "transformer"


def test_a_hub_name_that_cannot_be_loaded_is_one_clear_error() -> None:
    with pytest.raises(ValueError, match=r"policy\.model: nobody/nothing cannot be loaded"):
        Policy.load(PolicyConfig(model="nobody/nothing"))


def test_lora_targets_that_no_layer_has_are_refused(tiny_policy_dir: Path) -> None:
    config = PolicyConfig(model=str(tiny_policy_dir), lora=LoraConfig(targets=("to_q", "to_z")))
    with pytest.raises(ValueError, match=r"policy\.lora\.targets: .*'to_z'"):
        Policy.load(config)


def test_tiny_policy_loads_from_its_folder_and_draws_64_pixel_pictures(tiny_policy_dir: Path) -> None:
    pipe = Plain.from_pretrained(tiny_policy_dir)
    pipe.set_progress_bar_config(disable=True)
    images = pipe(
        ["a red cat in the snow", "a dog"],
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).images
    assert images.shape == (2, 64, 64, 3)
    assert images.std() > 0
    assert pipe.tokenizer("red cat").input_ids != pipe.tokenizer("red dog").input_ids


def test_a_prompt_that_the_text_encoder_cuts_is_remembered(tiny_policy_dir: Path) -> None:
    policy = Policy.load(PolicyConfig(model=str(tiny_policy_dir)))
    long = "a red cat " * 20
    policy.encode(["a red cat", long])
    assert policy.pipeline.cut == {long}
