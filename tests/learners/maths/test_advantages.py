"""Advantages against hand-computed values, and the life of the per-prompt statistics."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.maths.advantages import PerPromptStatistics, clip_advantages, group_advantages


def test_group_advantage_is_the_z_score_within_the_group() -> None:
    advantages = group_advantages(np.array([[1.0, 3.0], [0.0, 10.0]]))
    assert advantages == pytest.approx(np.array([[-1, 1], [-1, 1]]), abs=1e-5)
    assert advantages.dtype == np.float32
    # mean 2, deviation sqrt(2): hand-computed
    assert group_advantages(np.array([[0.0, 2.0, 2.0, 4.0]])) == pytest.approx(
        np.array([[-(2**0.5), 0, 0, 2**0.5]]), abs=1e-5
    )


def test_equal_rewards_have_no_advantage() -> None:
    rewards = np.full((2, 8), 0.1, np.float32)
    assert np.abs(group_advantages(rewards)).max() < 1e-6
    assert np.abs(PerPromptStatistics(32, 4).advantages(["a", "b"], rewards)).max() < 1e-6


def test_below_min_count_rewards_are_compared_with_the_batch() -> None:
    statistics = PerPromptStatistics(buffer=32, min_count=3)
    advantages = statistics.advantages(["easy", "hard"], np.array([[10.0, 10.0], [0.0, 0.0]]))
    # Batch mean 5, deviation 5: the prompt's difficulty counts as merit, which is why the buffer matters.
    assert advantages == pytest.approx(np.array([[1, 1], [-1, -1]]), abs=1e-5)


def test_from_min_count_on_rewards_are_compared_with_their_prompt() -> None:
    statistics = PerPromptStatistics(buffer=32, min_count=3)
    statistics.advantages(["easy", "hard"], np.array([[10.0, 14.0], [0.0, 2.0]]))
    advantages = statistics.advantages(["easy", "hard"], np.array([[12.0, 16.0], [1.0, 1.0]]))
    easy, hard = np.array([10, 14, 12, 16]), np.array([0, 2, 1, 1])
    assert advantages[0] == pytest.approx((easy[2:] - easy.mean()) / easy.std(), abs=1e-5)
    assert advantages[1] == pytest.approx((hard[2:] - hard.mean()) / hard.std(), abs=1e-5)


def test_the_buffer_forgets_the_oldest_rewards() -> None:
    statistics = PerPromptStatistics(buffer=4, min_count=2)
    statistics.advantages(["p"], np.array([[100.0, 200.0, 300.0, 400.0]]))
    advantages = statistics.advantages(["p"], np.array([[1.0, 2.0, 3.0, 4.0]]))
    assert statistics.state() == {"p": [1.0, 2.0, 3.0, 4.0]}
    assert advantages.mean() == pytest.approx(0, abs=1e-6)


def test_two_groups_of_one_prompt_are_compared_with_the_same_statistics() -> None:
    statistics = PerPromptStatistics(buffer=32, min_count=4)
    advantages = statistics.advantages(["p", "p"], np.array([[1.0, 1.0], [3.0, 3.0]]))
    assert advantages == pytest.approx(np.array([[-1, -1], [1, 1]]), abs=1e-5)


def test_prompts_that_agree_in_their_first_77_tokens_are_kept_apart() -> None:
    long = "a cat " * 60
    statistics = PerPromptStatistics(buffer=8, min_count=2)
    statistics.advantages([long + "red", long + "blue"], np.array([[1.0, 1.0], [9.0, 9.0]]))
    assert len(statistics.state()) == 2


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.floats(-50, 50, width=32)), min_size=1, max_size=4),
        min_size=2,
        max_size=6,
    ),
    st.data(),
)
def test_restored_statistics_continue_bit_for_bit(batches: list[list[tuple[str, float]]], data: st.DataObject) -> None:
    straight = PerPromptStatistics(buffer=6, min_count=3)
    resumed = PerPromptStatistics(buffer=6, min_count=3)
    cut = data.draw(st.integers(0, len(batches) - 1))
    for i, batch in enumerate(batches):
        prompts = [prompt for prompt, _ in batch]
        rewards = np.array([[reward, -reward / 3] for _, reward in batch], np.float32)
        if i == cut:
            state = json.loads(json.dumps(resumed.state()))
            resumed = PerPromptStatistics(buffer=6, min_count=3)
            resumed.restore(state)
        assert np.array_equal(straight.advantages(prompts, rewards), resumed.advantages(prompts, rewards))
    assert straight.state() == resumed.state()


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=4, max_size=4), st.floats(0.5, 20), st.floats(-100, 100))
def test_group_advantage_ignores_the_scale_and_offset_of_rewards(
    rewards: list[float], scale: float, offset: float
) -> None:
    base = np.array([rewards], np.float64)
    if base.std() < 0.1:
        return
    assert group_advantages(base * scale + offset) == pytest.approx(group_advantages(base), abs=1e-3)


def test_advantages_are_cut_to_the_limit() -> None:
    assert clip_advantages(np.array([[-9, -5, 0.5, 7]], np.float32), 5.0).tolist() == [[-5, -5, 0.5, 5]]
