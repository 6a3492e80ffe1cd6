"""Kinds of judges: found, read without their libraries, and built, a user's own too."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from judge_with_config import Threshold

from rewards.registry import JUDGES, build_judge, judge_config
from rewards.settings.judge import ModelConfig

OWN = "judge_with_config:Threshold"


def test_reading_every_kind_loads_nothing_heavy() -> None:
    entries: dict[str, dict[str, Any]] = {
        kind: {"kind": kind, "model": "m"} if issubclass(cls.Config, ModelConfig) else {"kind": kind}
        for kind, cls in JUDGES.items()
    }
    entries["own"] = {"kind": "no.such.module:Judge", "model": "m"}
    heavy = "{'torch', 'ray', 'diffusers', 'transformers', 'onnxruntime', 'bert_score', 'skimage', 'scipy'}"
    look = (
        "import sys; from rewards.config import RewardsConfig;"
        f"RewardsConfig.model_validate({{'judges': {entries!r}}}); print(sorted({heavy} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_class_with_a_config_has_its_options_read_by_it() -> None:
    judge = build_judge("mine", judge_config(OWN, weight=2.0, options={"above": 7}))
    assert isinstance(judge, Threshold)
    assert (judge.config.above, judge.config.weight, judge.config.kind) == (7.0, 2.0, OWN)
    dark, light = judge.judge(np.stack([np.full((2, 2, 3), pixel, np.uint8) for pixel in (1, 9)]), ["", ""])
    assert (dark.value, light.value) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("settings", "key", "reason"),
    [
        ({"options": {"above": "high"}}, "options.above", "valid number"),
        ({"options": {"abvoe": 1.0}}, "options.abvoe", "not permitted"),
        ({"model": "some/model"}, "model", "not permitted"),
    ],
)
def test_what_its_config_does_not_take_is_refused_by_key(settings: dict[str, Any], key: str, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"^rewards\.judges\.mine\.{key}: .*{reason}"):
        build_judge("mine", judge_config(OWN, **settings))
