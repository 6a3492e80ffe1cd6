# pyright: strict
"""Adapters and variants that do not fit the policy's folder, told before anything is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]

from actors.config import LoraConfig, PolicyConfig
from cluster.run.checks.adapters import init_problems, target_problems
from cluster.run.checks.models import policy_problems

MODELS = Path(__file__).parents[4] / "menagerie" / "models"
LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def policy(folder: Path, variant: str | None = None, **lora: Any) -> PolicyConfig:
    return PolicyConfig(model=str(folder), variant=variant, lora=LoraConfig(**lora))


def lora(folder: Path, *names: str, rank: int = 4) -> Path:
    """A file in which the layers of these names have the first factor of a LoRA."""
    save_file({name: torch.zeros(rank, 8) for name in names}, folder / "lora.safetensors")
    return folder / "lora.safetensors"


def test_targets_are_looked_for_among_the_names_of_the_weights() -> None:
    (line,) = target_problems(policy(MODELS / "policy", targets=("to_q", "to_out.0", "to_x", "conv_in")), "unet")
    assert line.startswith(f"policy.lora.targets: no layer of {MODELS / 'policy'}/unet is named 'to_x'; names end in ")
    assert "to_k" in line


@pytest.mark.parametrize(
    "name", [f"unet.{LAYER}.lora_A", f"base_model.model.{LAYER}.lora_A", f"unet.{LAYER}.lora.down"]
)
def test_rank_and_layers_of_a_lora_to_start_from_are_compared_with_those_asked_for(name: str, tmp_path: Path) -> None:
    def problems(**asked: Any) -> list[str]:
        return [*init_problems(policy(MODELS / "policy", **asked), "unet", lora(tmp_path, f"{name}.weight"))]

    assert problems() == []
    (line,) = problems(rank=3)
    assert line.startswith("policy.lora.rank: 3 is less than the 4 of the LoRA ")
    (line,) = problems(targets=("to_k",))
    assert line.startswith("policy.lora.targets: the LoRA ")
    assert f"adapts 1 more layers than these ({LAYER} first)" in line


def test_a_lora_of_layers_that_the_policy_lacks_is_of_another_model(tmp_path: Path) -> None:
    other = lora(tmp_path, "transformer.transformer_blocks.0.attn.to_q.lora_A.weight")
    (line,) = init_problems(policy(MODELS / "policy"), "unet", other)
    assert "1 of the 1 layers" in line
    assert line.endswith("is it a LoRA for another kind of model?")


def test_of_a_lora_of_kohyas_scripts_only_the_rank_is_told_before_it_is_loaded(tmp_path: Path) -> None:
    file = lora(tmp_path, "lora_unet_down_blocks_0_attentions_0_conv1.lora_down.weight")
    assert not [*init_problems(policy(MODELS / "policy"), "unet", file)]
    (line,) = init_problems(policy(MODELS / "policy", rank=2), "unet", file)
    assert line.startswith("policy.lora.rank: ")


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """A policy whose network has whole weights of the variant fp16, and others that are torn."""
    folder = tmp_path / "policy"
    shutil.copytree(MODELS / "policy", folder)
    (whole,) = (folder / "unet").glob("*.safetensors")
    shutil.copy(whole, whole.with_suffix(".fp16.safetensors"))
    whole.write_bytes(whole.read_bytes()[:1000])
    return folder


def test_weights_that_are_not_of_the_variant_are_not_looked_at(half: Path) -> None:
    assert not [*policy_problems(policy(half, "fp16"))]
    assert not [*target_problems(policy(half, "fp16", targets=("to_q",)), "unet")]
    assert [*target_problems(policy(half, "fp16", targets=("to_x",)), "unet")]
    (line,) = policy_problems(policy(half))
    assert "is torn" in line


def test_a_variant_of_which_there_are_no_weights_is_refused(half: Path) -> None:
    (line,) = [p for p in policy_problems(policy(half, "bf16")) if p.startswith("policy.variant")]
    assert line == f"policy.variant: no weights in {half} are of the variant 'bf16'; it has fp16"
