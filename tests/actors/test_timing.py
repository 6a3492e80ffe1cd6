"""What actors and learners report of their time adds up, on any clock."""

from __future__ import annotations

import pytest

from actors.timing import Meter, UpdateTimer


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def spend(meter: Meter, clock: Clock, name: str, seconds: float) -> None:
    with meter.span(name):
        clock.now += seconds


def test_a_meter_that_has_not_begun_divides_by_nothing() -> None:
    snapshot = Meter(Clock()).snapshot()
    assert (snapshot["elapsed_s"], snapshot["idle_share"], snapshot["images_per_s"]) == (0, 0, 0)


def test_idle_is_waiting_and_what_no_span_explains_is_unaccounted() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.begin()
    spend(meter, clock, "rolling", 4)
    spend(meter, clock, "rolling", 1)
    spend(meter, clock, "waiting_ticket", 2)
    spend(meter, clock, "waiting_judges", 1)
    clock.now += 2
    meter.begin()
    meter.count("images", 20)
    meter.dropped("unscored")
    meter.dropped("unscored")
    snapshot = meter.snapshot()
    assert snapshot["elapsed_s"] == 10
    assert snapshot["seconds"] == {"rolling": 5, "waiting_ticket": 2, "waiting_judges": 1, "unaccounted": 2}
    assert snapshot["idle_share"] == pytest.approx(0.3)
    assert snapshot["images_per_s"] == 2
    assert snapshot["dropped"] == {"unscored": 2}


def test_judging_runs_beside_the_loop_and_explains_none_of_its_time() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.begin()
    spend(meter, clock, "judging", 5)
    assert meter.snapshot()["seconds"] == {"judging": 5, "unaccounted": 5}


def test_a_span_that_an_error_leaves_is_counted() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.begin()

    def broken() -> None:
        with meter.span("rolling"):
            clock.now += 3
            raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        broken()
    assert meter.snapshot()["seconds"]["rolling"] == 3


def test_phases_add_up_and_a_reading_starts_afresh() -> None:
    clock = Clock()
    timer = UpdateTimer(clock)
    for phase, seconds in (("waiting", 3.0), ("training", 4.0), ("waiting", 1.0)):
        with timer(phase):
            clock.now += seconds
    clock.now += 2.0  # between the phases
    assert timer.read() == {"seconds/waiting": 4.0, "seconds/training": 4.0, "idle/learner": 0.4}
    clock.now += 1.0
    assert timer.read() == {"idle/learner": 0.0}


def test_a_phase_that_fails_took_its_time_all_the_same() -> None:
    clock = Clock()
    timer = UpdateTimer(clock)

    def fails() -> None:
        with timer("training"):
            clock.now += 2.0
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails()
    assert timer.read()["seconds/training"] == 2.0
