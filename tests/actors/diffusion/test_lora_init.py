"""A run that starts from a LoRA: files of diffusers, of peft and of kohya's scripts, and those that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import diffusers
import peft
import pytest
import torch
from diffusers.utils import state_dict_utils
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from tiny import disturb

from actors.config import LoraConfig, PolicyConfig
from actors.diffusion.lora_file import FILE
from actors.diffusion.policy import Policy

LIBRARY: Any = diffusers
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


def policy(folder: Path, **lora: Any) -> Policy:
    return Policy.load(PolicyConfig(model=str(folder), lora=LoraConfig(**lora)), seed=3)


def trained(folder: Path, **lora: Any) -> Policy:
    made = policy(folder, **lora)
    disturb(made, 0.1)
    return made


def output(made: Policy) -> torch.Tensor:
    latents = torch.randn((1, *made.latent_shape), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return made.predict(latents, torch.tensor([501.0]), made.encode(["a red cat"]))


@pytest.mark.parametrize("kind", ["tiny_policy_dir", "tiny_flow_dir"])
def test_a_policy_starts_where_an_earlier_run_ended(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    earlier = trained(folder, rank=4, alpha=12)
    earlier.save_lora(tmp_path)
    later = policy(folder, rank=4, alpha=12, init=tmp_path)
    assert later.adapter(0).checksum() == earlier.adapter(0).checksum()
    assert torch.equal(output(later), output(earlier))
    with later.reference():
        assert torch.equal(output(later), output(policy(folder)))


def test_a_higher_rank_another_alpha_and_more_layers_change_nothing_at_the_start(
    tiny_policy_dir: Path, tmp_path: Path
) -> None:
    earlier = trained(tiny_policy_dir, rank=3, alpha=5)
    earlier.save_lora(tmp_path)
    later = policy(tiny_policy_dir, rank=8, alpha=2, targets=(*ATTENTION, "conv1"), init=tmp_path / FILE)
    torch.testing.assert_close(output(later), output(earlier), rtol=1e-5, atol=1e-6)
    assert not torch.equal(output(later), output(policy(tiny_policy_dir)))


def test_a_folder_that_peft_saved_is_read_with_its_alpha(tiny_policy_dir: Path, tmp_path: Path) -> None:
    earlier = trained(tiny_policy_dir, rank=4, alpha=12)
    layers: dict[str, torch.Tensor] = cast(Any, peft).get_peft_model_state_dict(earlier.network)
    save_file(
        {f"base_model.model.{name}": layer for name, layer in layers.items()}, tmp_path / "adapter_model.safetensors"
    )
    earlier.network.peft_config["default"].save_pretrained(tmp_path)
    later = policy(tiny_policy_dir, rank=4, alpha=12, init=tmp_path)
    assert later.adapter(0).checksum() == earlier.adapter(0).checksum()


def test_a_file_with_the_names_of_kohyas_scripts_is_read_with_its_alpha(tiny_policy_dir: Path, tmp_path: Path) -> None:
    earlier = trained(tiny_policy_dir, rank=4, alpha=12)
    earlier.save_lora(tmp_path)
    kohya: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(tmp_path / FILE).items():
        layer, _, factor = name.removesuffix(".weight").rpartition(".")
        layer = "lora_" + layer.replace(".", "_")
        kohya[f"{layer}.{'lora_down' if factor == 'lora_A' else 'lora_up'}.weight"] = tensor
        kohya[f"{layer}.alpha"] = torch.tensor(12.0)
    save_file(kohya, tmp_path / "kohya.safetensors")
    later = policy(tiny_policy_dir, rank=4, alpha=12, init=tmp_path / "kohya.safetensors")
    torch.testing.assert_close(output(later), output(earlier), rtol=1e-5, atol=1e-6)


def test_a_file_of_version_0_1_0_is_read_whole_though_plain_diffusers_reads_a_part(
    tiny_policy_dir: Path, tmp_path: Path
) -> None:
    targets = (*ATTENTION, "proj_in", "proj_out")
    earlier = trained(tiny_policy_dir, rank=4, alpha=16, targets=targets)
    network, file = earlier.network, tmp_path / FILE
    mixture = cast(Any, state_dict_utils).convert_state_dict_to_diffusers(
        cast(Any, peft).get_peft_model_state_dict(network)
    )
    assert {".lora." in name for name in mixture} == {True, False}
    settings = network.peft_config["default"].to_dict()
    earlier.pipe.save_lora_weights(tmp_path, unet_lora_layers=mixture, unet_lora_adapter_metadata=settings)
    assert file.is_file()
    later = policy(tiny_policy_dir, rank=4, alpha=16, targets=targets, init=tmp_path)
    assert later.adapter(0).checksum() == earlier.adapter(0).checksum()


def test_a_lora_that_does_not_fit_is_refused_in_one_line(
    tiny_policy_dir: Path, tiny_flow_dir: Path, tmp_path: Path
) -> None:
    trained(tiny_policy_dir, rank=4, targets=(*ATTENTION, "conv1")).save_lora(tmp_path)
    refused = {
        r"policy\.lora\.rank: 2 is less than the 4 of the LoRA": {"rank": 2, "targets": (*ATTENTION, "conv1")},
        r"policy\.lora\.targets: the LoRA .* adapts 8 more layers than these \(.*conv1 first\)": {"rank": 4},
    }
    for message, lora in refused.items():
        with pytest.raises(ValueError, match=message) as error:
            policy(tiny_policy_dir, **lora, init=tmp_path)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"policy\.lora\.init: .*LoRA for") as error:
        policy(tiny_flow_dir, init=tmp_path)
    assert "\n" not in str(error.value)


def test_what_is_no_lora_at_all_is_refused_in_one_line(tiny_policy_dir: Path, tmp_path: Path) -> None:
    broken, encoder = tmp_path / "broken.safetensors", tmp_path / "encoder.safetensors"
    broken.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    save_file({"text_encoder.layer.lora_A.weight": torch.zeros(2, 2)}, encoder)
    (tmp_path / "empty").mkdir()
    other = tmp_path / "other.safetensors"
    save_file({"unet.conv_in.weight": torch.zeros(2, 2)}, other)
    messages = {
        tmp_path / "nothing": "there is no ",
        tmp_path / "empty": "holds no safetensors file",
        tmp_path: "holds 3 safetensors files",
        broken: "cannot be read .* is the download whole",
        encoder: "adapts a text encoder",
        other: "is no LoRA for this policy",
    }
    for path, message in messages.items():
        with pytest.raises(ValueError, match=rf"policy\.lora\.init: .*{message}") as error:
            policy(tiny_policy_dir, init=path)
        assert "\n" not in str(error.value)


def test_a_lora_of_which_diffusers_reads_a_part_only_is_refused(tiny_policy_dir: Path, tmp_path: Path) -> None:
    trained(tiny_policy_dir, rank=4).save_lora(tmp_path)
    layers = load_file(tmp_path / FILE)
    save_file({**layers, "unet.lora_elsewhere.weight": torch.zeros(1)}, tmp_path / FILE)
    with pytest.raises(ValueError, match=r"of the 65 tensors in .*, diffusers can put only 64 into"):
        policy(tiny_policy_dir, init=tmp_path)


def test_a_variant_of_the_weights_is_loaded_where_there_are_several(tiny_policy_dir: Path, tmp_path: Path) -> None:
    half = LIBRARY.StableDiffusionPipeline.from_pretrained(tiny_policy_dir, safety_checker=None).to(torch.float16)
    half.save_pretrained(tmp_path, variant="fp16")
    with pytest.raises(ValueError, match=r"policy\.model: .* cannot be loaded"):
        policy(tmp_path)
    loaded = Policy.load(PolicyConfig(model=str(tmp_path), variant="fp16"))
    assert torch.equal(loaded.pipe.unet.conv_in.weight, half.unet.conv_in.weight.float())
    with pytest.raises(ValueError, match=r"policy\.variant bf16: .* cannot be loaded"):
        Policy.load(PolicyConfig(model=str(tmp_path), variant="bf16"))
