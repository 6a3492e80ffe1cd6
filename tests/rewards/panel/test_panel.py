"""The panel: unscored is never zero, NaN never reaches a reward, and each policy does what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.config import RewardsConfig
from rewards.errors import JudgeFailed
from rewards.panel.panel import Panel
from rewards.registry import judge_config
from rewards.verdict import Verdict


def panel(on_error: str = "drop") -> Panel:
    """Two train judges of weights 1 and 3, and an audit judge."""
    judges = {
        "a": judge_config(kind="jpeg", weight=1.0),
        "b": judge_config(kind="jpeg", weight=3.0),
        "watch": judge_config(kind="jpeg", weight=100.0, role="audit"),
    }
    return Panel(RewardsConfig.model_validate({"judges": judges, "on_error": on_error}))


def verdicts(name: str, *values: float | str | None) -> list[Verdict]:
    """A number is a value; None an abstention; a text an error."""
    made: list[Verdict] = []
    for value in values:
        if value is None:
            made.append(Verdict(name, "abstain"))
        elif isinstance(value, str):
            made.append(Verdict(name, "error", text=value))
        else:
            made.append(Verdict(name, "ok", value=value))
    return made


def test_the_reward_is_the_weighted_sum_of_the_train_judges():
    result = panel().score({"a": verdicts("a", 1, 2), "b": verdicts("b", 0.5, -1), "watch": verdicts("watch", 9, 9)}, 2)
    np.testing.assert_array_equal(result.rewards, np.array([2.5, -1], np.float32))
    assert result.rewards.dtype == np.float32
    assert result.scored.all()
    np.testing.assert_array_equal(result.scores["watch"], [9, 9])


def test_drop_leaves_a_picture_unscored_when_any_train_judge_is_silent():
    result = panel("drop").score({"a": verdicts("a", 1, 2, 3), "b": verdicts("b", None, "broken", 1)}, 3)
    np.testing.assert_array_equal(result.scored, [False, False, True])
    assert np.isnan(result.rewards[:2]).all()
    assert result.rewards[2] == 6
    assert result.reasons["b: abstain"] == 1
    assert result.reasons["b: error (broken)"] == 1


def test_renormalise_lets_the_others_carry_the_whole_weight():
    result = panel("renormalise").score({"a": verdicts("a", 2, None, 1), "b": verdicts("b", "x", "y", 1)}, 3)
    np.testing.assert_allclose(result.rewards[[0, 2]], [8, 4])
    assert np.isnan(result.rewards[1])
    assert not result.scored[1]


def test_stop_ends_the_run_on_a_train_judges_error():
    with pytest.raises(JudgeFailed, match=r"judge b failed: no memory .*on_error: stop"):
        panel("stop").score({"a": verdicts("a", 1), "b": verdicts("b", "no memory")}, 1)


def test_stop_drops_an_abstention():
    result = panel("stop").score({"a": verdicts("a", 1), "b": verdicts("b", None)}, 1)
    assert not result.scored[0]
    assert np.isnan(result.rewards[0])


@pytest.mark.parametrize("on_error", ["drop", "renormalise", "stop"])
def test_an_audit_judge_that_fails_changes_no_reward(on_error: str):
    train = {"a": verdicts("a", 1), "b": verdicts("b", 1)}
    for watch in ({}, {"watch": verdicts("watch", "dead")}, {"watch": verdicts("watch", 1, 2)}):
        result = panel(on_error).score({**train, **watch}, 1)
        assert result.rewards[0] == 4
        assert result.scored[0]
        assert np.isnan(result.scores["watch"][0])


@pytest.mark.parametrize("wrong", [[], [1.0], [1.0, 2.0, 3.0]])
def test_a_wrong_number_of_verdicts_scores_no_picture(wrong: list[float]):
    result = panel().score({"a": verdicts("a", 1, 1), "b": verdicts("b", *wrong)}, 2)
    assert not result.scored.any()
    assert np.isnan(result.rewards).all()
    assert result.reasons[f"b: error ({len(wrong)} verdicts for 2 pictures)"] == 2


def test_a_judge_that_is_missing_has_failed():
    assert not panel().score({"a": verdicts("a", 1)}, 1).scored[0]
    with pytest.raises(JudgeFailed, match="judge b failed"):
        panel("stop").score({"a": verdicts("a", 1)}, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300])
def test_a_value_that_is_no_float32_never_reaches_a_reward(value: float):
    smuggled = Verdict("b", "ok", value=1.0)
    # The constructor refuses NaN; a judge's own subclass or an unpickled verdict might not have passed through it.
    object.__setattr__(smuggled, "value", value)
    result = panel().score({"a": verdicts("a", 1), "b": [smuggled]}, 1)
    assert not result.scored[0]
    assert np.isnan(result.rewards[0])


def test_values_whose_sum_is_beyond_float32_are_unscored():
    result = panel().score({"a": verdicts("a", 3e38), "b": verdicts("b", 3e38)}, 1)
    assert not result.scored[0]
    assert np.isnan(result.rewards[0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_verdict_cannot_hold_a_value_that_is_not_finite(value: float):
    with pytest.raises(ValueError, match="not finite"):
        Verdict("b", "ok", value=value)


outcomes = st.one_of(st.none(), st.just("error"), st.floats(-1e6, 1e6, width=32))


@given(st.lists(st.tuples(outcomes, outcomes), max_size=6), st.sampled_from(["drop", "renormalise"]))
def test_a_picture_is_scored_exactly_when_its_reward_is_finite_and_its_judges_spoke(
    pairs: list[tuple[float | str | None, float | str | None]], on_error: str
):
    result = panel(on_error).score(
        {"a": verdicts("a", *(p[0] for p in pairs)), "b": verdicts("b", *(p[1] for p in pairs))}, len(pairs)
    )
    spoke = [[isinstance(value, float) for value in pair] for pair in pairs]
    expected = [all(s) if on_error == "drop" else any(s) for s in spoke]
    assert result.scored.tolist() == expected
    assert np.isfinite(result.rewards).tolist() == expected
