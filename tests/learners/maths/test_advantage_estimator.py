"""The estimator: the batch in index order decides, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.maths.advantage_estimator import AdvantageConfig, AdvantageEstimator, Scored
from learners.maths.advantages import decoupled_advantages, group_advantages
from rewards.config import RewardsConfig
from rewards.panel.panel import Panel
from rewards.verdict import Verdict

GROUP = AdvantageConfig(kind="group", clip=100.0)
NAN = float("nan")


def rewards(aggregate: str = "reward", **judges: dict[str, Any]) -> RewardsConfig:
    made = {name: {"kind": "jpeg"} | judge for name, judge in judges.items()}
    return RewardsConfig.model_validate({"judges": made, "aggregate": aggregate, "on_error": "renormalise"})


def scored(config: RewardsConfig, groups: Sequence[dict[str, list[float]]], start: int = 0) -> list[Scored]:
    """Groups as a rollout actor would hand them in; NaN is an abstention."""
    made: list[Scored] = []
    for index, group in enumerate(groups, start=start):
        verdicts = {
            name: [Verdict(name, "abstain") if np.isnan(v) else Verdict(name, "ok", value=v) for v in values]
            for name, values in group.items()
        }
        result = Panel(config).score(verdicts, len(next(iter(group.values()))))
        made.append(Scored(index, f"prompt {index % 2}", result.rewards, result.scores, result.gated))
    return made


def stacked(advantages: dict[int, np.ndarray]) -> np.ndarray:
    return np.stack([advantages[index] for index in sorted(advantages)])


number = st.floats(-100, 100, width=32)
batch = st.lists(st.lists(number, min_size=4, max_size=4), min_size=1, max_size=4)


def test_a_plain_panel_leaves_the_groups_rewards_alone() -> None:
    config = rewards(a={"weight": 2.0}, b={})
    groups = scored(config, [{"a": [1.0, 2.0], "b": [0.0, 5.0]}, {"a": [3.0, 3.0], "b": [1.0, 0.0]}])
    own = np.stack([group.rewards for group in groups])
    assert np.array_equal(stacked(AdvantageEstimator(GROUP, config).advantages(groups)), group_advantages(own))
    assert np.array_equal(stacked(AdvantageEstimator(GROUP).advantages(groups)), group_advantages(own))


def test_without_a_comparison_the_advantage_is_the_reward_itself_cut_to_its_bound() -> None:
    config = rewards(a={"weight": 2.0}, b={})
    groups = scored(config, [{"a": [1.0, 2.0], "b": [0.0, 5.0]}, {"a": [3.0, 3.0], "b": [1.0, 0.0]}])
    own = np.stack([group.rewards for group in groups])
    plain = AdvantageEstimator(AdvantageConfig(kind="none", clip=100.0), config)
    assert np.array_equal(stacked(plain.advantages(groups)), own)
    cut = AdvantageEstimator(AdvantageConfig(kind="none", clip=3.0), config)
    assert np.array_equal(stacked(cut.advantages(groups)), np.clip(own, -3, 3))
    assert cut.state() == AdvantageEstimator(AdvantageConfig(kind="none"), config).state(), "nothing is remembered"


def test_a_judge_on_a_large_scale_no_longer_drowns_the_other() -> None:
    values = [{"small": [0.0, 1.0], "large": [1000.0, 0.0]}]
    drowned = rewards(small={"weight": 2.0}, large={})
    ranked = rewards(small={"weight": 2.0, "normalise": "rank"}, large={"normalise": "rank"})
    assert stacked(AdvantageEstimator(GROUP, drowned).advantages(scored(drowned, values)))[0, 0] > 0
    assert stacked(AdvantageEstimator(GROUP, ranked).advantages(scored(ranked, values)))[0, 0] < 0
    decoupled = rewards("advantage", small={"weight": 2.0}, large={})
    assert stacked(AdvantageEstimator(GROUP, decoupled).advantages(scored(decoupled, values)))[0, 0] < 0


def test_running_z_scores_enter_the_sum() -> None:
    config = rewards(a={"normalise": "running"}, b={})
    estimator = AdvantageEstimator(AdvantageConfig(min_count=2, buffer=4, clip=100.0), config)
    estimator.advantages(scored(config, [{"a": [0.0, 2.0], "b": [0.0, 0.0]}]))
    assert estimator.state()["prompts"]["prompt 0"] == pytest.approx([-1, 1], abs=1e-5)
    estimator.advantages(scored(config, [{"a": [5.0, 5.0], "b": [0.0, 1.0]}], start=1))
    mean, std = np.mean([0, 2, 5, 5]), np.std([0, 2, 5, 5])
    z = (5 - mean) / std
    assert estimator.state()["prompts"]["prompt 1"] == pytest.approx([z, z + 1], abs=1e-5)


RULES = st.sampled_from(
    [
        rewards(a={"normalise": "running", "clip": [-2, 2]}, b={"weight": 0.3, "normalise": "running"}),
        rewards(a={"normalise": "group"}, b={"normalise": "rank"}),
        rewards("advantage", a={"weight": 2.0}, b={"normalise": {"kind": "running", "memory": 3}}),
    ]
)


@given(st.lists(batch, min_size=2, max_size=4), RULES, st.data())
def test_neither_arrival_nor_a_resume_changes_a_bit(batches: Any, config: RewardsConfig, data: st.DataObject):
    straight, other = AdvantageEstimator(AdvantageConfig(), config), AdvantageEstimator(AdvantageConfig(), config)
    cut = data.draw(st.integers(0, len(batches) - 1))
    for update, values in enumerate(batches):
        groups = scored(config, [{"a": row, "b": row[::-1]} for row in values], start=10 * update)
        if update == cut:
            state = json.loads(json.dumps(other.state()))
            other = AdvantageEstimator(AdvantageConfig(), config)
            other.restore(state)
        shuffled = data.draw(st.permutations(groups))
        assert np.array_equal(stacked(straight.advantages(groups)), stacked(other.advantages(shuffled)))
    assert straight.state() == other.state()


@given(batch, RULES)
def test_advantages_are_numbers_whatever_a_judge_left_out(values: Any, config: RewardsConfig):
    rows = [{"a": row, "b": [NAN if i % 2 else v for i, v in enumerate(row)]} for row in values]
    assert np.isfinite(stacked(AdvantageEstimator(AdvantageConfig(), config).advantages(scored(config, rows)))).all()


@given(batch)
def test_with_one_judge_gdpo_is_plain_group_advantages_up_to_the_batchs_scale(values: Any):
    plain = group_advantages(np.array(values)).astype(np.float64)
    made = decoupled_advantages(np.array(values)[None], np.array([3.0]), np.zeros((len(values), 4)))
    # The deviation that groups of equal values leave to the batch; 1 if there are none.
    np.testing.assert_allclose(made * (plain.std() + 1e-6), plain, atol=2e-3)


def test_with_one_judge_and_no_group_of_equal_values_gdpo_is_plain_group_advantages() -> None:
    values = np.array([[1.0, 2.0, 5.0], [100.0, 0.0, 30.0]])
    made = decoupled_advantages(values[None], np.array([3.0]), np.zeros((2, 3)))
    np.testing.assert_allclose(made, group_advantages(values), atol=1e-5)


def test_gdpo_tells_apart_what_a_sum_of_rewards_makes_one() -> None:
    # Two binary judges, the case of the paper's figure 2: one judge won, or both.
    values = np.array([[[0.0, 1.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]])
    summed = group_advantages(values.sum(axis=0))
    np.testing.assert_allclose(summed[0], summed[1], atol=1e-5)
    made = decoupled_advantages(values, np.ones(2), np.zeros((2, 2)))
    np.testing.assert_allclose(made[1], 2 * made[0], atol=1e-5)
    assert made.std() == pytest.approx(1, abs=1e-5)


def test_gdpo_subtracts_a_gates_penalty_from_the_sum_of_advantages() -> None:
    gate = {"role": "gate", "gate": {"op": ">", "threshold": 0.0, "on_fail": "penalty", "amount": 3.0}}
    config = rewards("advantage", a={}, g=gate)
    groups = scored(config, [{"a": [1.0, 1.0, 1.0, 1.0], "g": [1.0, 1.0, 1.0, -1.0]}])
    made = stacked(AdvantageEstimator(GROUP, config).advantages(groups))
    np.testing.assert_allclose(made, [[3**-0.5] * 3 + [-(3**0.5)]], atol=1e-5)


def test_a_fixed_reward_stands_in_for_the_normalised_sum() -> None:
    gate = {"role": "gate", "gate": {"op": ">", "threshold": 0.0, "on_fail": "reward", "amount": -1.0}}
    config = rewards(a={"normalise": "rank"}, g=gate)
    groups = scored(config, [{"a": [1.0, 2.0, 3.0], "g": [1.0, 1.0, -1.0]}])
    expected = group_advantages(np.array([[0.0, 0.5, -1.0]]))
    assert np.array_equal(stacked(AdvantageEstimator(GROUP, config).advantages(groups)), expected)
