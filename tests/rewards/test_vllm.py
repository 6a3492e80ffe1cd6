"""The vLLM backend. Where vLLM is installed (README, "vLLM"), its answers are those of transformers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from rewards.kinds import judge_config
from rewards.llava import Llava
from rewards.registry import build_judge
from rewards.template import artifact_prompt

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


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="vLLM is not installed")
def test_vllm_answers_as_transformers_does(llava_dir: Path, lessons: dict[str, np.ndarray]):
    from rewards.vllm_llava import VllmLlava

    images, prompts = np.stack(list(lessons.values())), [artifact_prompt("short")] * 3
    ours, theirs = Llava(str(llava_dir)), VllmLlava(str(llava_dir), "float32")
    assert theirs.answer(images, prompts, 40) == ours.answer(images, prompts, 40)
    assert [
        pair == pytest.approx(other, abs=1e-3)
        for pair, other in zip(theirs.yes_no(images, prompts), ours.yes_no(images, prompts), strict=True)
    ] == [True] * 3
