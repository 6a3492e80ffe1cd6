"""The vLLM backend. Where vLLM is installed (docs/judges.md, "vLLM"), its answers are those of transformers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from menagerie.world.picture import sample
from rewards.judges.synartifact.template import artifact_prompt
from rewards.models.vlm.hub_keys import INDEX, has_hub_names, with_hub_names
from rewards.models.vlm.llava import Llava
from rewards.registry import build_judge, judge_config

ARTIFACT = str(Path(__file__).parents[4] / "menagerie" / "models" / "artifact")
INSTALLED = importlib.util.find_spec("vllm") is not None


@pytest.mark.skipif(INSTALLED, reason="vLLM is installed")
def test_without_vllm_the_error_names_the_key_and_the_way_out(random_llava_dir: Path):
    with pytest.raises(
        ValueError, match=r"rewards.judges.eyes.backend: vllm is not installed; pip install 'salon\[vllm"
    ):
        build_judge("eyes", judge_config("artifact", model=str(random_llava_dir), backend="vllm"))


def test_vllm_runs_llava_only_and_no_other_backend_is_known(blip2_opt_dir: Path):
    with pytest.raises(ValueError, match=r"rewards.judges.eyes.backend: vllm runs LLaVA only"):
        build_judge("eyes", judge_config("vqa", model=str(blip2_opt_dir), backend="vllm"))
    with pytest.raises(ValidationError, match="backend"):
        judge_config("vqa", model="m", backend="vlm")


def test_a_models_weights_are_given_the_hubs_names_and_stay_the_same(random_llava_dir: Path, tmp_path: Path):
    assert not has_hub_names(random_llava_dir)
    renamed = with_hub_names(random_llava_dir, tmp_path)
    assert has_hub_names(renamed)
    assert {file.name for file in renamed.iterdir()} == {file.name for file in random_llava_dir.iterdir()}
    ours, theirs = (Llava(str(folder))._model.state_dict() for folder in (random_llava_dir, renamed))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_index_of_a_model_in_parts_is_renamed_too(random_llava_dir: Path, tmp_path: Path):
    parts, renamed = tmp_path / "parts", tmp_path / "renamed"
    Llava(str(random_llava_dir))._model.save_pretrained(parts, max_shard_size="200KB")
    renamed.mkdir()
    assert len(list(parts.glob("*.safetensors"))) > 1
    assert has_hub_names(with_hub_names(parts, renamed))
    listed = json.loads((renamed / INDEX).read_text())["weight_map"]
    for part in renamed.glob("*.safetensors"):
        assert {name for name, where in listed.items() if where == part.name} == load_file(part).keys()


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="vLLM is not installed")
def test_vllm_answers_as_transformers_does():
    from rewards.models.vlm.vllm_llava import VllmLlava

    ours, theirs = Llava(ARTIFACT), VllmLlava(ARTIFACT, "float32")
    images, prompts = np.stack([sample(seed).pixels for seed in range(16)]), [artifact_prompt()] * 16
    answers = ours.answer(images, prompts, 64)
    assert len({answer.text for answer in answers}) > 3
    assert theirs.answer(images, prompts, 64) == answers


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="vLLM is not installed")
def test_vllm_has_the_probabilities_of_transformers(llava_dir: Path, lessons: dict[str, np.ndarray]):
    from rewards.models.vlm.vllm_llava import VllmLlava

    images, prompts = np.stack(list(lessons.values())), [artifact_prompt("short")] * 3
    ours, theirs = Llava(str(llava_dir)), VllmLlava(str(llava_dir), "float32")
    assert theirs.answer(images, prompts, 40) == ours.answer(images, prompts, 40)
    for measured, expected in zip(theirs.yes_no(images, prompts), ours.yes_no(images, prompts), strict=True):
        assert measured == pytest.approx(expected, abs=1e-3)
