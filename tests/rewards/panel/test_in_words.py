"""A reward in words: the numbers that are shown add up to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rewards.config import RewardsConfig
from rewards.panel.in_words import reward_in_words
from rewards.panel.panel import Panel
from rewards.verdict import Verdict

JUDGES: dict[str, dict[str, Any]] = {
    "a": {"kind": "jpeg", "weight": 1.0},
    "b": {"kind": "jpeg", "weight": 0.5, "normalise": {"kind": "affine", "scale": 0.1}},
    "watch": {"kind": "jpeg", "role": "audit"},
}


def said(values: dict[str, float | None], **more: dict[str, Any]) -> tuple[str, float]:
    """The words, and the reward that they are about."""
    judges = {name: judge | more.get(name, {}) for name, judge in JUDGES.items()}
    config = RewardsConfig.model_validate({"judges": judges, "on_error": "renormalise"})
    verdicts = {
        name: Verdict(name, "abstain") if value is None else Verdict(name, "ok", value=value)
        for name, value in values.items()
    }
    reward = Panel(config).score({name: [one] for name, one in verdicts.items()}, 1).rewards[0]
    return reward_in_words(config, verdicts, {}), float(reward)


def test_weights_and_normalised_values_add_up_to_the_reward():
    words, reward = said({"a": 0.25, "b": 4.0, "watch": 9.0})
    assert words == "1 × 0.2500 (a) + 0.5 × 0.4000 (b)"
    assert reward == pytest.approx(eval(words.replace("×", "*").replace("(a)", "").replace("(b)", "")))


def test_the_weight_of_a_judge_without_value_is_a_factor_before_the_others():
    words, reward = said({"a": 0.25, "b": None, "watch": None})
    assert words == "1.5 × (1 × 0.2500 (a)), as b gave no value"
    assert reward == pytest.approx(0.375)


def test_gates_are_named():
    fails: dict[str, Any] = {"op": ">=", "threshold": 1.0}
    words, reward = said(
        {"a": 0.25, "b": 4.0, "watch": 1.0}, a={"gate": {**fails, "on_fail": "penalty", "amount": 2.0}}
    )
    assert words == "1 × 0.2500 (a) + 0.5 × 0.4000 (b) - 2 (gates)"
    assert reward == pytest.approx(-1.55)
    words, reward = said(
        {"a": 0.25, "b": 4.0, "watch": 1.0}, a={"gate": {**fails, "on_fail": "reward", "amount": -1.0}}
    )
    assert words == "-1, by a gate, in place of 1 × 0.2500 (a) + 0.5 × 0.4000 (b)"
    assert reward == -1


def test_a_picture_without_a_reward_says_why():
    assert said({"a": 0.25, "watch": 1.0}, b={"on_error": "drop"})[0] == "b: not asked"
    words, reward = said({"a": None, "b": 1.0, "watch": 1.0}, a={"on_error": "drop"})
    assert words == "a: abstain"
    assert np.isnan(reward)
