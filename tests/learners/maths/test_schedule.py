"""Which pairs an update trains, and how they divide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.maths.schedule import BatchArithmetic, MicroBatch
from learners.maths.timesteps import choose_timesteps, trainable_steps, trained_steps
from learners.settings import LearnerSettings


def pairs_of(step: Sequence[MicroBatch]) -> list[tuple[int, int]]:
    return [(int(s), int(t)) for micro in step for s, t in zip(micro.sample, micro.step, strict=True)]


@given(st.integers(1, 9), st.integers(1, 50), st.floats(0.01, 1), st.integers(0, 9))
def test_each_sample_trains_its_share_of_distinct_steps(samples: int, steps: int, fraction: float, seed: int) -> None:
    chosen = choose_timesteps(samples, steps, fraction, np.random.default_rng(seed))
    assert chosen.shape == (samples, trained_steps(steps, fraction))
    assert ((chosen >= 0) & (chosen < steps)).all()
    assert all(len(set(row)) == len(row) for row in chosen.tolist())


def test_late_steps_are_trained_as_often_as_early_ones() -> None:
    chosen = choose_timesteps(4000, 10, 0.5, np.random.default_rng(0))
    share = np.bincount(chosen.reshape(-1), minlength=10) / 4000
    # Each step has probability 1/2; the standard deviation of the share is 0.008.
    assert np.abs(share - 0.5).max() < 0.04


def test_samples_train_different_steps() -> None:
    chosen = choose_timesteps(16, 10, 0.5, np.random.default_rng(0))
    assert len({tuple(sorted(row)) for row in chosen.tolist()}) > 8


def test_at_least_one_step_is_trained() -> None:
    assert trained_steps(4, 0.01) == 1
    assert trained_steps(8, 0.5) == 4
    assert trained_steps(10, 0.7) == 7


@given(
    groups=st.integers(1, 4),
    samples=st.integers(1, 6),
    steps=st.integers(1, 8),
    micro=st.integers(1, 40),
    epochs=st.integers(1, 3),
    minibatches=st.integers(1, 3),
)
def test_every_epoch_trains_every_sample_once_in_equal_optimizer_steps(
    groups: int, samples: int, steps: int, micro: int, epochs: int, minibatches: int
) -> None:
    config = LearnerSettings(micro_batch=micro, inner_epochs=epochs, minibatches=minibatches)
    if groups * samples % minibatches:
        with pytest.raises(ValueError, match=r"learner\.minibatches"):
            BatchArithmetic(groups, samples, steps, config, 0.5)
        return
    arithmetic = BatchArithmetic(groups, samples, steps, config, 0.5)
    plan = arithmetic.plan(list(range(groups)), seed=1, version=2)
    assert len(plan) == arithmetic.optimizer_steps == epochs * minibatches
    assert {len(step) for step in plan} == {arithmetic.accumulation}
    assert {len(pairs_of(step)) for step in plan} == {arithmetic.pairs}
    assert all(0 < len(m) <= micro for step in plan for m in step)
    for epoch in range(epochs):
        parts = plan[epoch * minibatches : (epoch + 1) * minibatches]
        pairs = [pair for step in parts for pair in pairs_of(step)]
        assert len(set(pairs)) == len(pairs) == groups * samples * arithmetic.trained_steps
        assert {s for s, _ in pairs} == set(range(groups * samples))
        # One optimizer step holds all trained timesteps of its samples.
        owners = [{s for s, _ in pairs_of(step)} for step in parts]
        assert sum(map(len, owners)) == groups * samples


def test_a_group_trains_the_same_timesteps_on_any_worker() -> None:
    alone = BatchArithmetic(4, 2, 8, LearnerSettings(), 0.5).plan([4, 5, 6, 7], seed=0, version=1)
    shared = BatchArithmetic(4, 2, 8, LearnerSettings(workers=2), 0.5).plan([5, 7], seed=0, version=1)
    of_alone = {(s - 2, t) for s, t in pairs_of(alone[0]) if s in (2, 3)}
    of_shared = {(s, t) for s, t in pairs_of(shared[0]) if s in (0, 1)}
    assert of_alone == of_shared


def test_micro_batch_size_does_not_change_what_is_trained() -> None:
    big = BatchArithmetic(2, 4, 8, LearnerSettings(micro_batch=64), 0.5).plan([0, 1], 0, 0)
    small = BatchArithmetic(2, 4, 8, LearnerSettings(micro_batch=5), 0.5).plan([0, 1], 0, 0)
    assert [pairs_of(step) for step in big] == [pairs_of(step) for step in small]


def test_versions_and_epochs_draw_new_timesteps() -> None:
    arithmetic = BatchArithmetic(2, 4, 8, LearnerSettings(inner_epochs=2), 0.5)
    first, second = arithmetic.plan([0, 1], 0, 0)
    assert pairs_of(first) != pairs_of(second)
    assert pairs_of(first) != pairs_of(arithmetic.plan([0, 1], 0, 1)[0])
    assert pairs_of(first) == pairs_of(arithmetic.plan([0, 1], 0, 0)[0])


def test_groups_that_workers_cannot_share_equally_are_refused() -> None:
    with pytest.raises(ValueError, match=r"learner\.workers: 3 workers cannot share 8 groups"):
        BatchArithmetic(8, 8, 8, LearnerSettings(workers=3))


def test_only_steps_with_noise_inside_the_window_are_trained() -> None:
    noisy = np.array([True] * 7 + [False])
    assert trainable_steps(noisy, 1.0).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert trainable_steps(noisy, 0.5).tolist() == [0, 1, 2, 3]
    assert trainable_steps(noisy, 0.01).tolist() == [0]
    with pytest.raises(ValueError, match="timestep_window"):
        trainable_steps(np.zeros(8, bool), 0.5)
