"""What the learner says of its time adds up."""

from __future__ import annotations

import pytest

from learners.distributed.update_timer import UpdateTimer


class Clock:
    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


def test_phases_add_up_and_a_reading_starts_afresh() -> None:
    clock = Clock()
    watch = UpdateTimer(clock)
    for phase, seconds in (("waiting", 3.0), ("training", 4.0), ("waiting", 1.0)):
        with watch(phase):
            clock.now += seconds
    clock.now += 2.0  # between the phases
    assert watch.read() == {"seconds/waiting": 4.0, "seconds/training": 4.0, "idle/learner": 0.4}
    clock.now += 1.0
    assert watch.read() == {"idle/learner": 0.0}


def test_a_phase_that_fails_took_its_time_all_the_same() -> None:
    clock = Clock()
    watch = UpdateTimer(clock)

    def fails() -> None:
        with watch("training"):
            clock.now += 2.0
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails()
    assert watch.read()["seconds/training"] == 2.0
