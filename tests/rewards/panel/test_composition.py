"""Composition, gates and `applies_if`, through the panel: each does what the order of operations says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.config import RewardsConfig
from rewards.errors import JudgeFailed
from rewards.panel.composition import weighted_sum
from rewards.panel.panel import Panel, PanelResult
from rewards.verdict import Verdict

NAN = float("nan")
number = st.floats(-1e6, 1e6, width=32)
columns = st.integers(1, 4).flatmap(
    lambda k: st.lists(
        st.tuples(st.floats(0.1, 10), st.lists(st.one_of(st.just(NAN), number), min_size=k, max_size=k)),
        min_size=1,
        max_size=4,
    )
)


def score(judges: dict[str, dict[str, Any]], results: dict[str, list[Any]], **settings: Any) -> PanelResult:
    """The panel's result on verdicts written as numbers; None abstains, a text is an error, a pair has a sub-score."""
    metadata = settings.pop("metadata", None)
    config = RewardsConfig.model_validate({"judges": {n: {"kind": "jpeg"} | j for n, j in judges.items()}} | settings)
    n = len(next(iter(results.values())))
    return Panel(config).score(
        {name: [verdict(name, x) for x in values] for name, values in results.items()}, n, metadata
    )


def verdict(name: str, x: float | str | tuple[float, float] | None) -> Verdict:
    if x is None:
        return Verdict(name, "abstain")
    if isinstance(x, str):
        return Verdict(name, "error", text=x)
    value, sub = x if isinstance(x, tuple) else (x, None)
    return Verdict(name, "ok", value=value, scores={} if sub is None else {"safe": sub})


@given(columns, st.floats(0.1, 10))
def test_weights_scale_the_sum_and_the_order_of_judges_does_not_matter(judges: list[Any], factor: float):
    weights, values = np.array([w for w, _ in judges]), np.array([v for _, v in judges])
    total = weighted_sum(values, weights)
    np.testing.assert_allclose(weighted_sum(values, factor * weights), factor * total, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(weighted_sum(values[::-1], weights[::-1]), total, rtol=1e-6, atol=1e-3)


@given(columns)
def test_a_sum_is_a_number_exactly_where_a_judge_gave_one(judges: list[Any]):
    values = np.array([v for _, v in judges])
    total = weighted_sum(values, np.array([w for w, _ in judges]))
    assert np.array_equal(np.isfinite(total), np.isfinite(values).any(axis=0))


def test_values_are_normalised_then_clipped_then_weighted():
    judges = {
        "a": {"weight": 2.0, "normalise": {"kind": "affine", "scale": 0.1, "offset": -1.0}, "clip": [0.0, 1.0]},
        "b": {},
    }
    result = score(judges, {"a": [15.0, 0.0, 100.0], "b": [1.0, 2.0, 3.0]})
    np.testing.assert_allclose(result.rewards, [2.0, 2.0, 5.0])
    # The curves of single judges show their own values.
    np.testing.assert_array_equal(result.scores["a"], [15, 0, 100])


def test_what_is_compared_with_others_keeps_its_level_in_the_groups_own_reward():
    result = score({"a": {"normalise": "rank"}, "b": {}}, {"a": [5.0, 9.0], "b": [1.0, 1.0]})
    np.testing.assert_array_equal(result.rewards, [6, 10])


@pytest.mark.parametrize(
    ("op", "passed"),
    [(">=", [0, 1, 1]), (">", [0, 0, 1]), ("<=", [1, 1, 0]), ("<", [1, 0, 0]), ("==", [0, 1, 0])],
)
def test_a_failed_gate_drops_replaces_or_costs(op: str, passed: list[int]):
    ok = np.array(passed, bool)
    results = {"a": [1.0, 2.0, 3.0], "g": [0.4, 0.5, 0.6]}

    def gated(**on_fail: Any) -> PanelResult:
        gate = {"op": op, "threshold": 0.5, **on_fail}
        return score({"a": {}, "g": {"role": "gate", "gate": gate, "weight": 100.0}}, results)

    plain = np.array([1.0, 2.0, 3.0])
    dropped = gated()
    np.testing.assert_array_equal(dropped.rewards, np.where(ok, plain, NAN))
    assert dropped.reasons == {"g: gate": int((~ok).sum())}
    assert dropped.metrics == {"g/gate_share": pytest.approx(ok.mean())}
    np.testing.assert_array_equal(gated(on_fail="reward", amount=-7.0).rewards, np.where(ok, plain, -7))
    np.testing.assert_array_equal(gated(on_fail="penalty", amount=0.5).rewards, np.where(ok, plain, plain - 0.5))


def test_a_gate_reads_the_sub_score_that_it_names_and_the_value_before_normalising():
    gate = {"op": ">=", "threshold": 0.5, "on_fail": "penalty", "amount": 10.0}
    by_score = {"a": {"gate": gate | {"score": "safe"}}}
    np.testing.assert_array_equal(score(by_score, {"a": [(1.0, 0.2), (0.0, 0.9)]}).rewards, [-9, 0])
    by_value = {"a": {"gate": gate, "normalise": {"kind": "affine", "scale": -1.0}}}
    np.testing.assert_array_equal(score(by_value, {"a": [1.0, 0.0]}).rewards, [-1, -10])


@pytest.mark.parametrize("on_error", ["drop", "renormalise"])
@pytest.mark.parametrize("role", ["gate", "train"])
@pytest.mark.parametrize("blind", [None, "broken", (1.0, None), (1.0, NAN)])
def test_a_gate_with_no_number_to_look_at_stays_shut(on_error: str, role: str, blind: Any):
    gate = {"op": ">=", "threshold": 0.5, "score": "safe", "on_fail": "reward", "amount": 3.0}
    judges = {"a": {}, "g": {"role": role, "gate": gate, "on_error": on_error}}
    result = score(judges, {"a": [1.0, 1.0], "g": [(1.0, 0.9), blind]})
    assert result.scored.tolist() == [True, False]
    assert np.isnan(result.rewards[1])
    assert list(result.reasons.values()) == [1]


def test_of_several_failed_gates_penalties_add_up_and_the_least_fixed_reward_wins():
    def gate(on_fail: str, amount: float) -> dict[str, Any]:
        return {"role": "gate", "gate": {"op": ">", "threshold": 0.0, "on_fail": on_fail, "amount": amount}}

    costly = {"a": {}, "p": gate("penalty", 1.0), "q": gate("penalty", 2.0)}
    assert score(costly, {"a": [9.0], "p": [-1.0], "q": [-1.0]}).rewards == [6]
    fixed = costly | {"r": gate("reward", -4.0), "s": gate("reward", -5.0)}
    results = {"a": [9.0], "p": [-1.0], "q": [-1.0], "r": [-1.0], "s": [-1.0]}
    assert score(fixed, results).rewards == [-5]


def test_a_judge_that_does_not_apply_has_no_say_and_the_others_carry_its_weight():
    judges = {"a": {"weight": 1.0}, "count": {"weight": 3.0, "applies_if": {"key": "count"}}}
    results = {"a": [1.0, 2.0], "count": [5.0, 6.0]}
    np.testing.assert_allclose(score(judges, results, metadata={"count": 3}).rewards, [16, 20])
    elsewhere = score(judges, results, metadata={"animal": "cat"})
    np.testing.assert_allclose(elsewhere.rewards, [4, 8])
    assert np.isnan(elsewhere.scores["count"]).all()
    assert elsewhere.reasons == {}
    abstaining = score(judges, {"a": [1.0], "count": [None]}, metadata={})
    assert abstaining.scored.all(), "an abstention where it does not apply is no failure"


def test_a_gate_is_open_where_its_judge_does_not_apply():
    gate = {"role": "gate", "gate": {"op": ">", "threshold": 0.0}, "applies_if": {"key": "text"}}
    assert score({"a": {}, "g": gate}, {"a": [1.0], "g": [-1.0]}, metadata={}).scored.all()
    assert not score({"a": {}, "g": gate}, {"a": [1.0], "g": [-1.0]}, metadata={"text": "STOP"}).scored.any()


def test_a_prompt_that_no_judge_applies_to_is_unscored_for_that_reason():
    result = score({"a": {"applies_if": {"key": "count"}}}, {"a": [1.0]}, metadata={})
    assert not result.scored.any()
    assert result.reasons == {"no train judge applies to the prompt": 1}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"key": "animal"}, True),
        ({"key": "colour"}, False),
        ({"key": "animal", "op": "equals", "value": "cat"}, True),
        ({"key": "animal", "op": "equals", "value": "dog"}, False),
        ({"key": "animal", "op": "in", "value": ["dog", "cat"]}, True),
        ({"key": "animal", "op": "in", "value": ["dog"]}, False),
        ({"key": "nothing", "op": "equals", "value": None}, True),
        ({"key": "colour", "op": "equals", "value": None}, False),
    ],
)
def test_applies_if_looks_at_the_prompts_metadata(rule: dict[str, Any], holds: bool):
    judges = {"a": {}, "b": {"applies_if": rule}}
    result = score(judges, {"a": [1.0], "b": [1.0]}, metadata={"animal": "cat", "nothing": None})
    assert bool(np.isfinite(result.scores["b"]).all()) is holds


def test_each_judge_may_have_a_policy_of_its_own():
    judges = {"a": {}, "b": {"on_error": "renormalise"}, "c": {"on_error": "stop"}}
    result = score(judges, {"a": [1.0, 1.0, None], "b": [4.0, "broken", 4.0], "c": [1.0, 1.0, 1.0]})
    np.testing.assert_allclose(result.rewards, [6, 3, NAN])
    assert result.scored.tolist() == [True, True, False]
    with pytest.raises(JudgeFailed, match="judge c failed: broken"):
        score(judges, {"a": [1.0], "b": [1.0], "c": ["broken"]})


answer = st.one_of(st.none(), st.just("broken"), st.floats(-10, 10, width=32))


@given(
    st.lists(st.tuples(answer, answer, answer), min_size=1, max_size=4),
    st.permutations(["a", "b", "g"]),
    st.sampled_from(["drop", "renormalise"]),
    st.sampled_from([("drop", None), ("reward", -1.0), ("penalty", 2.0)]),
)
def test_only_ok_verdicts_are_in_a_reward(rows: Any, order: list[str], on_error: str, on_fail: tuple[str, Any]):
    gate = {"op": ">=", "threshold": 0.0, "on_fail": on_fail[0], "amount": on_fail[1]}
    judges = {"a": {}, "b": {"weight": 2.0, "clip": [-5, 5]}, "g": {"role": "gate", "gate": gate}}
    results = {name: [row[i] for row in rows] for i, name in enumerate("abg")}
    result = score(judges, results, on_error=on_error)
    for reward, (a, b, g) in zip(result.rewards, rows, strict=True):
        spoke = [isinstance(a, float), isinstance(b, float)]
        enough = all(spoke) if on_error == "drop" else any(spoke)
        passed = isinstance(g, float) and (g >= 0 or on_fail[0] != "drop")
        assert np.isfinite(reward) == (enough and passed)
    turned = score({name: judges[name] for name in order}, {name: results[name] for name in order}, on_error=on_error)
    np.testing.assert_allclose(turned.rewards, result.rewards, rtol=1e-5, atol=1e-5)
