"""What `rewards:` accepts, and how it refuses the rest."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from pydantic import ValidationError

from rewards.config import RewardsConfig
from rewards.jpeg import JpegJudge
from rewards.judge import Judge
from rewards.judge_config import ModelConfig
from rewards.kinds import KINDS, judge_config
from rewards.registry import build_judge
from rewards.serving import ServingConfig

MODELS = {kind: {"model": "m"} for kind, config in KINDS.items() if issubclass(config, ModelConfig)}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "jpeg", "alpha": 1.0}, "alpha"),
        ({"kind": "jpg"}, "no judge is of kind 'jpg'; did you mean jpeg[?] There are artifact, .*clip, .*heldout, "),
        ({"kind": "xyz"}, "no judge is of kind 'xyz'; there are artifact, .*clip, .*heldout, "),
        ({"kind": "clip"}, "model"),
        ({"kind": "jpeg", "model": "m"}, "model"),
        ({"kind": "jpeg", "options": {"a": 1}}, "options"),
        ({"kind": "mine:Judge", "alpha": 1.0}, "alpha"),
        ({"kind": "jpeg", "weight": 0}, "greater than 0"),
        ({"kind": "jpeg", "wieght": 1}, "wieght"),
        ({"kind": "jpeg", "serve": {"min_replicas": 3}}, "max_replicas 1 is below min_replicas 3"),
    ],
)
def test_a_judge_is_refused_with_a_reason(config: dict, message: str):
    with pytest.raises(ValidationError, match=message.replace("(", r"\(")):
        judge_config(**config)


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
    judge = build_judge("mine", judge_config(kind="faulty_judges:Steady", options={"value": 4.0}))
    assert judge.name == "mine"


@pytest.mark.parametrize("kind", ["no_such_package:Judge", "rewards.jpeg:NoSuchJudge"])
def test_a_path_that_leads_nowhere_is_refused(kind: str):
    with pytest.raises(ValueError, match=r"rewards.judges.mine.kind: cannot import"):
        build_judge("mine", judge_config(kind=kind))


def test_a_class_that_is_no_judge_is_refused():
    with pytest.raises(ValueError, match=r"is not a rewards.judge.Judge"):
        build_judge("mine", judge_config(kind="rewards.verdict:Verdict"))


def test_a_missing_model_folder_is_refused_by_name(tmp_path: Path):
    with pytest.raises(ValueError, match=r"rewards.judges.eyes.model: no folder"):
        build_judge("eyes", judge_config(kind="clip", model=str(tmp_path / "nothing")))
    with pytest.raises(ValueError, match=r"rewards.judges.eyes.model: no folder 'menagerie/models/clop'"):
        build_judge("eyes", judge_config(kind="clip", model="menagerie/models/clop"))


def test_jpeg_settings_reach_the_judge():
    judge = build_judge("size", judge_config(kind="jpeg", quality=50, prefer="large"))
    assert isinstance(judge, JpegJudge)
    assert judge.version == JpegJudge("x", quality=50, prefer="large").version


def test_every_kind_of_salons_own_names_its_class():
    for kind, config in KINDS.items():
        assert type(judge_config(kind, **MODELS.get(kind, {}))) is config
        module, _, name = config.implementation.partition(":")
        assert issubclass(getattr(importlib.import_module(module), name), Judge), kind
