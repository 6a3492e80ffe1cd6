"""PickScore and HPSv2 on a small CLIP."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from rewards.judges.clip import ClipConfig, ClipJudge
from rewards.judges.preference import HpsConfig, HpsJudge, PickScoreConfig, PickScoreJudge
from rewards.registry import build_judge, judge_config


@pytest.fixture(scope="module")
def pickscore(clip_dir: Path) -> PickScoreJudge:
    return PickScoreJudge("pick", PickScoreConfig(model=str(clip_dir)))


@pytest.mark.parametrize("kind", ["pickscore", "hps"])
def test_the_value_is_the_models_own_scaled_logit(kind: str, clip_dir: Path, noise: np.ndarray):
    import torch
    from PIL import Image
    from transformers import AutoProcessor, CLIPModel

    prompts = ["a cat", "a tall dog"]
    model = CLIPModel.from_pretrained(clip_dir).eval()
    inputs = AutoProcessor.from_pretrained(clip_dir)(
        images=[Image.fromarray(image) for image in noise[:2]], text=prompts, return_tensors="pt", padding=True
    )
    with torch.no_grad():
        logits = model(**inputs).logits_per_image.diagonal().tolist()
    verdicts = build_judge("j", judge_config(kind, model=str(clip_dir))).judge(noise[:2], prompts)
    assert [v.value for v in verdicts] == pytest.approx(logits, abs=1e-4)
    cosines = [v.value for v in ClipJudge("c", ClipConfig(model=str(clip_dir))).judge(noise[:2], prompts)]
    assert [v.scores["cosine"] for v in verdicts] == cosines


def test_a_prompt_that_is_too_long_is_reported(pickscore: PickScoreJudge, noise: np.ndarray):
    fits, cut = pickscore.judge(noise[[0, 0]], ["a" * 14, "a" * 14 + "b"])
    assert (fits.truncated, cut.truncated) == (False, True)


def test_a_model_without_a_processor_takes_another_folders(clip_dir: Path, tmp_path: Path, noise: np.ndarray):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(clip_dir / name, tmp_path)
    judge = build_judge("j", judge_config("pickscore", model=str(tmp_path), processor=str(clip_dir)))
    (verdict,) = judge.judge(noise[:1], ["a cat"])
    (expected,) = PickScoreJudge("j", PickScoreConfig(model=str(clip_dir))).judge(noise[:1], ["a cat"])
    assert verdict.value == expected.value
    assert verdict.version != expected.version


def test_kinds_of_the_same_weights_have_their_own_versions(pickscore: PickScoreJudge, clip_dir: Path):
    versions = {
        pickscore.version,
        HpsJudge("h", HpsConfig(model=str(clip_dir))).version,
        ClipJudge("c", ClipConfig(model=str(clip_dir))).version,
    }
    assert len(versions) == 3
