"""What `rewards:` accepts, and how it refuses the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from rewards.config import RewardsConfig
from rewards.judge import Judge
from rewards.judges.jpeg import JpegConfig, JpegJudge
from rewards.judges.synartifact.artifact import ArtifactConfig
from rewards.panel.panel import Panel
from rewards.registry import JUDGES, OwnConfig, build_judge, judge_config
from rewards.settings.judge import ModelConfig
from rewards.settings.serve import ServingConfig
from rewards.verdict import Verdict

ROOT = Path(__file__).parents[3]

MODELS = {kind: {"model": "m"} for kind, cls in JUDGES.items() if issubclass(cls.Config, ModelConfig)}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "jpeg", "alpha": 1.0}, "alpha"),
        ({"kind": "jpg"}, "no judge is of kind 'jpg'; did you mean jpeg[?] There are .*artifact, .*clip, "),
        ({"kind": "xyz"}, "no judge is of kind 'xyz'; there are .*artifact, .*clip, "),
        ({"kind": "clip"}, "model"),
        ({"kind": "jpeg", "model": "m"}, "model"),
        ({"kind": "jpeg", "options": {"a": 1}}, "options"),
        ({"kind": "mine:Judge", "alpha": 1.0}, "alpha"),
        ({"kind": "jpeg", "weight": 0}, "greater than 0"),
        ({"kind": "jpeg", "wieght": 1}, "wieght"),
        ({"kind": "jpeg", "role": "gate"}, "role: gate needs a gate"),
        ({"kind": "jpeg", "role": "audit", "gate": {"op": ">", "threshold": 0}}, "role: audit never counts"),
        ({"kind": "jpeg", "gate": {"op": ">", "threshold": 0, "on_fail": "reward"}}, "reward needs an amount"),
        ({"kind": "jpeg", "gate": {"op": ">", "threshold": 0, "amount": 1}}, "drop has no amount"),
        (
            {"kind": "jpeg", "gate": {"op": ">", "threshold": 0, "on_fail": "penalty", "amount": -1}},
            "must be above 0, not -1",
        ),
        ({"kind": "jpeg", "clip": [1, 0]}, "the first number must be below the second"),
        ({"kind": "jpeg", "normalise": "z"}, "'none', 'affine', 'running', 'group' or 'rank'"),
        ({"kind": "jpeg", "normalise": {"kind": "group", "memory": 9}}, "memory belongs to kind: running"),
        ({"kind": "jpeg", "applies_if": {"key": "a", "value": 3}}, "exists takes no value; did you mean op: equals?"),
        ({"kind": "jpeg", "applies_if": {"key": "a", "op": "in", "value": "b"}}, "op: in needs a list"),
        ({"kind": "jpeg", "applies_if": {"key": "a", "op": "equals"}}, "op: equals needs a value"),
        ({"kind": "jpeg", "serve": {"min_replicas": 3}}, "max_replicas 1 is below min_replicas 3"),
    ],
)
def test_a_judge_is_refused_with_a_reason(config: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message.replace("(", r"\(").replace("equals?", "equals[?]")):
        judge_config(**config)


def test_a_jury_without_a_train_judge_is_refused():
    with pytest.raises(ValidationError, match="no judge has role: train"):
        RewardsConfig.model_validate({"judges": {"a": {"kind": "jpeg", "role": "audit"}}})
    with pytest.raises(ValidationError):
        RewardsConfig.model_validate({"judges": {}})


def test_a_fixed_reward_needs_a_sum_of_rewards_to_replace():
    gate = {"op": ">", "threshold": 0.0, "on_fail": "reward", "amount": -1.0}
    with pytest.raises(ValidationError, match=r"judges\.a\.gate\.on_fail: under aggregate: advantage there is no sum"):
        RewardsConfig.model_validate({"judges": {"a": {"kind": "jpeg", "gate": gate}}, "aggregate": "advantage"})


def test_the_panel_of_the_docs_is_accepted_and_scores():
    written = re.search(r"```yaml\n(.*?)```", (ROOT / "docs" / "panel.md").read_text("utf-8"), re.DOTALL)
    assert written is not None
    config = RewardsConfig.model_validate(yaml.safe_load(written[1])["rewards"])
    assert {judge.role for judge in config.judges.values()} == {"train", "gate", "audit"}
    verdicts = {name: [Verdict(name, "ok", value=0.3, scores={"animal": 0.0})] * 2 for name in config.judges}
    result = Panel(config).score(verdicts, 2, {"colours": ["red"]})
    assert result.scored.all()
    assert result.metrics == {"heldout/gate_share": 0}


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
        "heldout": {"kind": "menagerie.heldout_judge:HeldoutJudge", "model": "m", "role": "audit"},
    }
    config = RewardsConfig.model_validate({"deadline_s": 60, "judges": judges})
    artifact, heldout = config.judges["artifact"], config.judges["heldout"]
    assert isinstance(artifact, ArtifactConfig)
    assert artifact.alpha == 0.0769
    assert isinstance(heldout, OwnConfig)
    assert heldout.options == {}
    assert ServingConfig().max_replicas == 1


def test_a_judge_of_your_own_is_imported_and_given_its_options():
    judge = build_judge("mine", judge_config(kind="faulty_judges:Steady", options={"value": 4.0}))
    assert judge.name == "mine"


@pytest.mark.parametrize("kind", ["no_such_package:Judge", "rewards.judges.jpeg:NoSuchJudge"])
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
    assert judge.version == JpegJudge("x", JpegConfig(quality=50, prefer="large")).version


def test_every_kind_of_salons_own_names_its_class():
    assert {"artifact", "clip", "jpeg", "rubric"} < set(JUDGES)
    for kind, cls in JUDGES.items():
        assert type(judge_config(kind, **MODELS.get(kind, {}))) is cls.Config
        assert issubclass(cls, Judge), kind
