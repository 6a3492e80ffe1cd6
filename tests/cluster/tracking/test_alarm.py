# pyright: strict
from __future__ import annotations

import numpy as np
import pytest

from cluster.tracking.alarm import Alarm, AlarmConfig, WatchConfig, find_alarms
from cluster.tracking.judges import RunJudges

HELDOUT = RunJudges.from_yaml(
    {"rewards": {"judges": {"heldout": {"kind": "menagerie.heldout_judge:HeldoutJudge", "role": "audit"}}}}
)
WATCHED = [watch.key for watch in AlarmConfig().watched(HELDOUT)]
PICTURES = 64


def rows(updates: int, *, learn: float, lose: float, seed: int, only: str = "") -> list[dict[str, float]]:
    """A run whose reward rises by `learn` while the watched metrics (or `only` that one) fall by `lose`."""
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
    rung = sum(bool(find_alarms(rows(60, learn=0.4, lose=0.0, seed=seed), HELDOUT)) for seed in range(100))
    assert rung <= 4


@pytest.mark.parametrize(
    ("reward", "rose", "said"),
    [
        ((1.4, 1.6), True, "reward hacking. Between updates 1–6 and 7–12 the train reward rose from 1.4 to 1.6 while"),
        ((1.4, 1.42), False, "a collapse. Between updates 1–6 and 7–12 the train reward hardly rose from 1.4 to 1.42"),
        ((1.6, 1.1), False, "a collapse. Between updates 1–6 and 7–12 the train reward fell from 1.6 to 1.1 while"),
    ],
)
def test_a_warning_says_what_the_reward_did(reward: tuple[float, float], rose: bool, said: str) -> None:
    alarm = Alarm("heldout/animal", 12, (1, 6), (7, 12), reward, metric=(0.8, 0.5), rose=rose)
    assert alarm.warning.startswith(f"This may be {said}")
    assert alarm.warning.endswith(" while heldout/animal fell from 0.8 to 0.5.")


def test_a_collapse_within_twenty_updates_always_rings() -> None:
    for seed in range(30):
        alarms = find_alarms(rows(20, learn=0.45, lose=0.5, seed=seed), HELDOUT)
        assert alarms
        assert alarms[0].update <= 16


@pytest.mark.parametrize("key", WATCHED)
def test_each_metric_is_watched_by_itself(key: str) -> None:
    alarms = find_alarms(rows(60, learn=0.4, lose=0.45, seed=3, only=key), HELDOUT)
    assert [alarm.key for alarm in alarms] == [key]


@pytest.mark.parametrize("learn", [0.0, -0.2])
def test_a_fall_without_a_rising_reward_rings_when_it_is_a_collapse(learn: float) -> None:
    for seed in range(20):
        slight, deep = (rows(60, learn=learn, lose=lose, seed=seed, only="animal") for lose in (0.12, 0.5))
        assert not find_alarms(slight, HELDOUT)
        (alarm,) = find_alarms(deep, HELDOUT)
        assert alarm.metric[0] - alarm.metric[1] >= 0.2
        assert alarm.warning.startswith("This may be a collapse. Between updates ")
        assert not find_alarms(deep, HELDOUT, AlarmConfig(collapse=10))


def test_a_late_fall_is_measured_from_the_best_time_and_not_from_the_start() -> None:
    def at(update: int) -> dict[str, float]:
        up, down = min(update, 30) / 30, max(0, update - 30) / 30
        noise = 0.004 * (-1) ** update
        return {
            "update": update,
            "reward/mean": update / 60 + noise,
            "heldout/animal": 0.5 + 0.4 * up - 0.3 * down + noise,
        }

    (alarm,) = find_alarms([at(update) for update in range(1, 61)], HELDOUT)
    assert alarm.metric[0] > 0.8, "at the end it stands higher than at the start, and yet it fell"
    assert 25 <= alarm.earlier[0] <= 32


def test_an_alarm_keeps_its_update_while_the_run_goes_on() -> None:
    # So the run may ring when an alarm's update is the one just written, and rings once.
    run = rows(40, learn=0.5, lose=0.5, seed=1)
    rung: list[Alarm] = []
    for end in range(1, len(run) + 1):
        rung += [alarm for alarm in find_alarms(run[:end], HELDOUT) if alarm.update == end]
    assert rung == find_alarms(run, HELDOUT)
    assert rung


def test_a_run_too_short_for_two_windows_is_silent() -> None:
    assert not find_alarms(rows(11, learn=0.5, lose=0.6, seed=0), HELDOUT)


def test_updates_without_a_number_are_left_out() -> None:
    run = rows(24, learn=0.5, lose=0.5, seed=0)
    holes = [row | ({"heldout/animal": None} if row["update"] % 3 == 0 else {}) for row in run]
    assert "heldout/animal" in [alarm.key for alarm in find_alarms(holes, HELDOUT)]


def test_the_alarm_says_what_it_saw() -> None:
    alarm = Alarm("heldout/animal", 15, (1, 6), (10, 15), reward=(0.15, 0.6), metric=(0.41, 0.12), rose=True)
    assert alarm.text == (
        "Between updates 1–6 and 10–15 the train reward rose from 0.15 to 0.6 "
        "while heldout/animal fell from 0.41 to 0.12."
    )


def statistics(updates: int, rise: float, seed: int = 0) -> list[dict[str, float]]:
    """The dark share of pictures goes from 0.4 by `rise`, while the reward rises."""
    rng = np.random.default_rng(seed)
    return [
        {
            "update": update,
            "reward/mean": 0.3 + 0.4 * update / updates + rng.normal(0, 0.01),
            "statistics/dark_share": 0.4 + rise * update / updates + rng.normal(0, 0.005),
        }
        for update in range(1, updates + 1)
    ]


@pytest.mark.parametrize(
    ("rise", "direction", "by", "verb"),
    [
        (0.3, "rise", 0.1, "rose"),
        (0.3, "either", 0.1, "rose"),
        (0.3, "rise", "25%", "rose"),
        (-0.3, "either", "25%", "fell"),
        (0.3, "fall", 0.1, ""),
        (0.3, "rise", 0.5, ""),
        (0.3, "rise", "100%", ""),
    ],
)
def test_any_metric_can_be_watched_for_its_way_and_amount(rise: float, direction: str, by: float | str, verb: str):
    watch = WatchConfig.model_validate({"key": "statistics/dark_share", "direction": direction, "by": by})
    alarms = find_alarms(statistics(30, rise), RunJudges(), AlarmConfig(watch=(watch,)))
    assert [alarm.key for alarm in alarms] == (["statistics/dark_share"] if verb else [])
    assert all(f"while statistics/dark_share {verb} from 0." in alarm.text for alarm in alarms)


@pytest.mark.parametrize("by", ["a lot", "20", "-5%", 0, -0.1, float("nan"), "1.2.3%"])
def test_an_amount_that_is_none_is_refused(by: object):
    with pytest.raises(ValueError, match="by"):
        WatchConfig.model_validate({"key": "x", "by": by})


def test_the_limits_of_the_config_count():
    run = rows(40, learn=0.5, lose=0.5, seed=1)
    assert find_alarms(run, HELDOUT)[0].update < find_alarms(run, HELDOUT, AlarmConfig(window=12))[0].update
    assert not find_alarms(run, HELDOUT, AlarmConfig(share_fall=0.9, diversity_fall=0.9))
