"""Asking again: bounded in time and in number, with pauses that grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.serving.judge_stats import JudgeStats
from rewards.serving.retry import LONGEST_PAUSE_S, Attempts


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_judge_is_asked_once_more_than_its_retries(clock: Clock):
    attempts = Attempts(60.0, 2, clock)
    for _ in range(3):
        assert attempts.going
        attempts.failed("its replica died")
    assert not attempts.going
    assert attempts.reason == "its replica died, 3 times"
    assert attempts.pause() == 0


def test_without_retries_the_first_failure_is_the_last(clock: Clock):
    attempts = Attempts(60.0, 0, clock)
    attempts.failed("it raised")
    assert not attempts.going


def test_a_full_queue_costs_time_but_no_retry(clock: Clock):
    attempts = Attempts(10.0, 0, clock)
    asked = 0
    while attempts.going:
        asked += 1
        attempts.pushed_back("every replica's queue was full")
        clock.now += attempts.pause()
    assert asked > 5
    assert attempts.seconds == pytest.approx(10.0)
    assert attempts.reason == "no verdict in 10 s: every replica's queue was full"


def test_a_call_that_runs_out_of_time_is_not_blamed_on_what_went_before(clock: Clock):
    attempts = Attempts(10.0, 5, clock)
    attempts.failed("its replica died")
    clock.now += 10.0
    attempts.timed_out()
    assert not attempts.going
    assert attempts.left == 0
    assert attempts.reason == "no verdict in 10 s"


def test_pauses_double_up_to_a_bound_and_end_at_the_deadline(clock: Clock):
    attempts = Attempts(5.0, 100, clock)
    pauses = []
    while attempts.going:
        attempts.failed("it raised")
        pauses.append(attempts.pause())
        clock.now += pauses[-1]
    assert pauses[:6] == [0.05, 0.1, 0.2, 0.4, 0.8, LONGEST_PAUSE_S]
    assert sum(pauses) == pytest.approx(5.0)


@given(
    st.lists(st.tuples(st.sampled_from(["failed", "pushed_back"]), st.floats(0, 3)), max_size=60),
    st.floats(0.1, 20),
    st.integers(0, 5),
)
def test_whatever_happens_it_ends_in_time(calls: list[tuple[str, float]], timeout_s: float, retries: int):
    clock = Clock()
    attempts, failures = Attempts(timeout_s, retries, clock), 0
    for outcome, seconds in calls:
        if not attempts.going:
            break
        assert failures <= retries
        assert 0 < attempts.left <= timeout_s
        # A caller waits for an answer until the deadline, and not longer.
        clock.now += min(seconds, attempts.left)
        getattr(attempts, outcome)("why")
        failures += outcome == "failed"
        pause = attempts.pause()
        assert 0 <= pause <= attempts.left
        clock.now += pause
    assert attempts.seconds <= timeout_s + 1e-6
    assert attempts.reason


def test_a_judge_is_silent_while_it_is_asked_and_not_while_nobody_asks(clock: Clock):
    calls = JudgeStats(clock)
    with calls.asking():
        clock.now += 4
        assert calls.unanswered() == 4
    clock.now += 1000
    assert calls.stats()["silent_s"] == 4
    with calls.asking():
        clock.now += 3
        assert calls.unanswered() == 7
    with calls.asking() as answered:
        clock.now += 0.5
        answered(0.5)
        clock.now += 0.1
        assert calls.stats()["silent_s"] == 0
    clock.now += 1000
    with calls.asking():
        clock.now += 2
        assert calls.unanswered() == 2
    assert calls.stats() == {
        "calls": 4,
        "failed": 3,
        "died": 0,
        "pushed_back": 0,
        "p95_s": 0.5,
        "silent_s": 2,
    }


def test_questions_at_the_same_time_are_one_silence(clock: Clock):
    calls = JudgeStats(clock)
    with calls.asking():
        clock.now += 10
        for _ in range(3):
            with calls.asking():
                clock.now += 5
                calls.unanswered()
        clock.now += 10
        assert calls.unanswered() == 35
