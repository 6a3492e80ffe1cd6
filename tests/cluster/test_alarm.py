from __future__ import annotations

import numpy as np
import pytest

from cluster.alarm import Alarm, hacking_alarms, watched_keys

WATCHED = watched_keys(["heldout"])
PICTURES = 64


def rows(updates: int, *, learn: float, lose: float, seed: int, only: str = "") -> list[dict[str, float]]:
    """A run whose reward rises by `learn` while the watched figures (or `only` that one) fall by `lose`."""
    rng = np.random.default_rng(seed)
    made: list[dict[str, float]] = []
    for update in range(1, updates + 1):
        t = update / updates
        row: dict[str, float] = {"update": update, "reward/mean": 0.3 + learn * t + rng.normal(0, 0.03)}
        for key in WATCHED:
            fall = lose * t if only in key else 0.0
            if key.endswith("diversity"):
                row[key] = 0.6 * (1 - fall) + rng.normal(0, 0.02)
            else:
                row[key] = rng.binomial(PICTURES, 0.7 - fall) / PICTURES
        made.append(row)
    return made


def test_honest_learning_hardly_ever_rings() -> None:
    rung = sum(bool(hacking_alarms(rows(60, learn=0.4, lose=0.0, seed=seed), WATCHED)) for seed in range(100))
    assert rung <= 4


def test_a_collapse_within_twenty_updates_always_rings() -> None:
    for seed in range(30):
        alarms = hacking_alarms(rows(20, learn=0.45, lose=0.5, seed=seed), WATCHED)
        assert alarms
        assert alarms[0].update <= 16


@pytest.mark.parametrize("key", WATCHED)
def test_each_figure_is_watched_by_itself(key: str) -> None:
    alarms = hacking_alarms(rows(60, learn=0.4, lose=0.45, seed=3, only=key), WATCHED)
    assert [alarm.key for alarm in alarms] == [key]


def test_a_fall_without_a_rising_reward_is_another_matter() -> None:
    assert not hacking_alarms(rows(60, learn=-0.2, lose=0.5, seed=0), WATCHED)


def test_a_late_fall_is_measured_from_the_best_time_and_not_from_the_start() -> None:
    def at(update: int) -> dict[str, float]:
        up, down = min(update, 30) / 30, max(0, update - 30) / 30
        noise = 0.004 * (-1) ** update
        return {
            "update": update,
            "reward/mean": update / 60 + noise,
            "heldout/animal": 0.5 + 0.4 * up - 0.3 * down + noise,
        }

    (alarm,) = hacking_alarms([at(update) for update in range(1, 61)], WATCHED)
    assert alarm.figure[0] > 0.8, "at the end it stands higher than at the start, and yet it fell"
    assert 25 <= alarm.earlier[0] <= 32


def test_an_alarm_keeps_its_update_while_the_run_goes_on() -> None:
    # So the run may ring when an alarm's update is the one just written, and rings once.
    run = rows(40, learn=0.5, lose=0.5, seed=1)
    rung: list[Alarm] = []
    for end in range(1, len(run) + 1):
        rung += [alarm for alarm in hacking_alarms(run[:end], WATCHED) if alarm.update == end]
    assert rung == hacking_alarms(run, WATCHED)
    assert rung


def test_a_run_too_short_for_two_windows_is_silent() -> None:
    assert not hacking_alarms(rows(11, learn=0.5, lose=0.6, seed=0), WATCHED)


def test_updates_without_a_number_are_left_out() -> None:
    run = rows(24, learn=0.5, lose=0.5, seed=0)
    holes = [row | ({"heldout/animal": None} if row["update"] % 3 == 0 else {}) for row in run]
    assert "heldout/animal" in [alarm.key for alarm in hacking_alarms(holes, WATCHED)]


def test_the_alarm_says_what_it_saw() -> None:
    alarm = Alarm("heldout/animal", 15, (1, 6), (10, 15), reward=(0.15, 0.6), figure=(0.41, 0.12))
    assert alarm.text == (
        "Between updates 1–6 and 10–15 the train reward rose from 0.15 to 0.6 "
        "while heldout/animal fell from 0.41 to 0.12."
    )
