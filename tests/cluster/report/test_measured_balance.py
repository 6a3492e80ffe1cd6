# pyright: strict
"""Who waited in a run, and what would be better, from seconds that are known."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.report.measured_balance import MeasuredBalance
from cluster.tracking.history import RunHistory


def measured(wall: float = 3.0, rolling: float = 1.0, training: float = 3.0, cores: int = 2, **config: Any):
    row = {"kind": "update", "seconds/wall": wall, "seconds/rolling": rolling, "seconds/training": training}
    history = RunHistory.of([row | {"update": n} for n in range(1, 9)])
    balance = MeasuredBalance.of(history, {"groups_per_update": 16} | config, cores)
    assert balance is not None
    return balance


def test_the_side_that_waits_is_named_and_a_worker_for_the_idle_core_is_proposed() -> None:
    assert measured().in_words() == (
        "of 3 s an update rollouts waited 67%, the learner 0%; overlapping made it 1.33 times as fast as taking turns, "
        "1.33 at most; learner.workers: 2 (learner.num_cpus: 0.25) would be up to 1.5 times as fast"
    )


def test_what_all_workers_took_is_counted_and_full_cores_have_nothing_better() -> None:
    balance = measured(wall=2.0, rolling=1.0, training=1.5, learner={"workers": 2})
    assert balance.training == 3.0
    assert "would be" not in balance.in_words()


def test_without_lag_both_sides_need_a_process_for_every_core() -> None:
    balance = measured(wall=4.0, max_lag=0)
    assert balance.better() == (2, 2, pytest.approx(2.0))
    assert "overlapping" not in balance.in_words()


def test_workers_divide_the_groups_of_an_update() -> None:
    assert measured(cores=8, rolling=0.5, groups_per_update=9).better()[1] == 3


def test_devices_are_divided_and_not_added() -> None:
    balance = measured(actors={"count": 2, "num_gpus": 1}, learner={"workers": 1, "num_gpus": 1})
    assert balance.better() == (1, 2, pytest.approx(2.0))
    assert measured(cluster={"address": "auto"}).better() == (1, 1, pytest.approx(1.0))


def test_a_run_of_three_updates_is_too_short_to_be_judged() -> None:
    rows: list[dict[str, Any]] = [{"kind": "update", "update": n, "seconds/wall": 1.0} for n in range(9)]
    assert MeasuredBalance.of(RunHistory.of(rows), {}, 2) is None
