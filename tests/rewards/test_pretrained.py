"""Judges run on the weights in their checkpoint, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewards.registry import build_judge, judge_config

MODELS = Path(__file__).parents[2] / "menagerie" / "models"


@pytest.mark.parametrize(
    ("kind", "model", "reason"),
    [
        ("clip", "detector", r"detector is no CLIPModel: it has no weights for \S+ and \d+ others; give a model of"),
        ("rich_feedback", "vqa", "vqa is no RahfModel"),
        ("menagerie.heldout_judge:HeldoutJudge", "clip", "clip is no HeldoutModel"),
        ("detector", "clip", "clip is no Owlv2ForObjectDetection"),
    ],
)
def test_a_checkpoint_of_another_class_is_refused(kind: str, model: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build_judge(kind, judge_config(kind=kind, model=str(MODELS / model)))


@pytest.mark.parametrize("kind", ["artifact", "clip", "vqa", "detector", "rich_feedback"])
def test_the_shipped_models_have_all_their_weights(kind: str) -> None:
    build_judge(kind, judge_config(kind=kind, model=str(MODELS / {"rich_feedback": "rich"}.get(kind, kind))))


def test_the_shipped_held_out_judge_has_all_its_weights() -> None:
    build_judge("h", judge_config(kind="menagerie.heldout_judge:HeldoutJudge", model=str(MODELS / "heldout")))
