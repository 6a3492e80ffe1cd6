"""What `rewards:` accepts, and how it refuses the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rewards.config import JudgeConfig, RewardsConfig, ServingConfig
from rewards.jpeg import JpegJudge
from rewards.registry import build_judge


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "jpeg", "alpha": 1.0}, "alpha is not a setting of kind jpeg; it has: quality, prefer"),
        ({"kind": "clip", "model": "m", "quality": 9}, "quality is not a setting of kind clip"),
        ({"kind": "jpg"}, "no judge is of kind 'jpg'; use artifact, clip, jpeg, heldout or package.module:Class"),
        ({"kind": "clip"}, "kind clip needs `model`"),
        ({"kind": "jpeg", "model": "m"}, "kind jpeg has no model"),
        ({"kind": "jpeg", "options": {"a": 1}}, "options are for a judge of your own"),
        ({"kind": "mine:Judge", "alpha": 1.0}, "alpha: settings of a judge of your own go under options"),
        ({"kind": "jpeg", "weight": 0}, "greater than 0"),
        ({"kind": "jpeg", "wieght": 1}, "wieght"),
        ({"kind": "jpeg", "serve": {"min_replicas": 3}}, "max_replicas 1 is below min_replicas 3"),
    ],
)
def test_a_judge_is_refused_with_a_reason(config: dict, message: str):
    with pytest.raises(ValidationError, match=message.replace("(", r"\(")):
        JudgeConfig.model_validate(config)


def test_a_jury_without_a_train_judge_is_refused():
    with pytest.raises(ValidationError, match="no judge has role: train"):
        RewardsConfig.model_validate({"judges": {"a": {"kind": "jpeg", "role": "audit"}}})
    with pytest.raises(ValidationError):
        RewardsConfig.model_validate({"judges": {}})


def test_the_example_of_the_readme_is_accepted():
    judges = {
        "artifact": {
            "kind": "artifact",
            "model": "m",
            "weight": 1.0,
            "role": "train",
            "alpha": 0.0769,
            "beta": 1.0,
            "text_model": "minilm",
        },
        "clip": {"kind": "clip", "model": "m", "weight": 1.0},
        "heldout": {"kind": "heldout", "model": "m", "role": "audit"},
    }
    config = RewardsConfig.model_validate({"deadline_s": 60, "judges": judges})
    assert config.judges["artifact"].settings()["alpha"] == 0.0769
    assert config.judges["heldout"].settings() == {}
    assert ServingConfig().max_replicas == 1


def test_a_judge_of_your_own_is_imported_and_given_its_options():
    judge = build_judge("mine", JudgeConfig(kind="faulty_judges:Steady", options={"value": 4.0}))
    assert judge.name == "mine"


@pytest.mark.parametrize("kind", ["no_such_package:Judge", "rewards.jpeg:NoSuchJudge"])
def test_a_path_that_leads_nowhere_is_refused(kind: str):
    with pytest.raises(ValueError, match=r"rewards.judges.mine.kind: cannot import"):
        build_judge("mine", JudgeConfig(kind=kind))


def test_a_class_that_is_no_judge_is_refused():
    with pytest.raises(ValueError, match=r"is not a rewards.judge.Judge"):
        build_judge("mine", JudgeConfig(kind="rewards.verdict:Verdict"))


def test_a_missing_model_folder_is_refused_by_name(tmp_path: Path):
    with pytest.raises(ValueError, match=r"rewards.judges.eyes.model: no folder"):
        build_judge("eyes", JudgeConfig(kind="clip", model=str(tmp_path / "nothing")))
    with pytest.raises(ValueError, match=r"rewards.judges.eyes.model: no folder 'menagerie/models/clop'"):
        build_judge("eyes", JudgeConfig(kind="clip", model="menagerie/models/clop"))


def test_jpeg_settings_reach_the_judge():
    judge = build_judge("size", JudgeConfig(kind="jpeg", quality=50, prefer="large"))
    assert isinstance(judge, JpegJudge)
    assert judge.version == JpegJudge("x", quality=50, prefer="large").version
