"""Judges scale, and die, by themselves, while the learner goes on. `pytest -s` shows the curves."""

from __future__ import annotations

import contextlib
import itertools
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from whole_run import GROUPS, processes, salon, updates_of, wait_for, write_config

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

SAMPLES = 2
REPLICA = r"ray::ServeReplica:jury-run-\w+:slow"
# Enough groups on their way to keep three replicas busy.
ACTORS = {"count": 2, "num_cpus": 0.25, "judging_groups": 4, "poll_s": 1.0}


@contextlib.contextmanager
def run_with(
    folder: Path,
    policy: Path,
    seconds: float,
    serve: dict[str, Any],
    max_lag: int = 3,
    pace: float | None = None,
    **options: Any,
):
    """A run with the judge `slow`, which sleeps for `seconds` in every call, and perhaps one replica of `pace`, which
    sleeps for that long; ended by Ctrl-C when the block ends."""
    one_by_one = {"num_cpus": 0.05, "max_batch_size": 1, "batch_wait_s": 0.0}
    slow = {"kind": "slow_judges:Slow", "options": {"seconds": seconds, **options}, "serve": one_by_one | serve}
    judges = {"slow": slow}
    if pace is not None:
        judges["pace"] = {"kind": "slow_judges:Slow", "options": {"seconds": pace}, "serve": one_by_one}
    changes: dict[str, Any] = {"rewards": {"judges": judges}, "actors": ACTORS, "checkpoint_every": 1000}
    sizes = {
        "updates": 1000,
        "max_lag": max_lag,
        "samples_per_prompt": SAMPLES,
        "evaluation": {"prompts": 1, "samples": 1},
    }
    process = salon(folder, "train", str(write_config(folder, policy, **changes, **sizes)))
    try:
        yield process
    finally:
        show(updates_of(folder))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output


def seconds_of(rows: Sequence[dict[str, Any]]) -> float:
    """How long the updates of `rows` took, by the ledger's clock; rows are written about once a second."""
    return sum(GROUPS * SAMPLES / row["images_per_s"] for row in rows)


def show(rows: Sequence[dict[str, Any]]) -> None:
    """The curves, a line for each replica count and each ten updates at most."""
    print("\nupdates  seconds  replicas  groups/s")
    at = 0.0
    for replicas, same in itertools.groupby(rows[1:], lambda row: row["slow/replicas"]):
        stretch = list(same)
        for part in (stretch[i : i + 10] for i in range(0, len(stretch), 10)):
            seconds = seconds_of(part)
            at += seconds
            rate = GROUPS * len(part) / seconds
            print(f"{part[0]['update']:3}–{part[-1]['update']:3}  {at:7.1f}  {replicas:8.2f}  {rate:8.2f}")


def groups_per_s(rows: Sequence[dict[str, Any]]) -> float:
    return GROUPS * len(rows) / seconds_of(rows)


def test_a_slow_judge_scales_from_one_to_three_replicas_and_back_while_the_learner_goes_on(
    tiny_policy_dir: Path, tmp_path: Path
):
    busy = tmp_path / "busy"
    scaling = {"max_replicas": 3, "target_ongoing_requests": 1.0, "upscale_delay_s": 1.0, "downscale_delay_s": 3.0}

    def replicas(since: int) -> list[float]:
        return [row["slow/replicas"] for row in updates_of(tmp_path)[since:]]

    with run_with(tmp_path, tiny_policy_dir, 1.0, scaling, busy=str(busy)) as process:
        wait_for(lambda: len(updates_of(tmp_path)) >= 3, process)
        calm = len(updates_of(tmp_path))
        busy.touch()
        wait_for(lambda: 3 in replicas(calm), process, 120)
        grown = len(updates_of(tmp_path))
        busy.unlink()
        wait_for(lambda: 1 in replicas(grown), process, 120)
        rows = updates_of(tmp_path)
    assert {row["slow/replicas"] for row in rows[:calm]} == {1}
    # Some updates were trained on the way up, and some on the way down.
    assert calm < grown < len(rows)
    assert [row["update"] for row in rows] == list(range(1, len(rows) + 1))


def test_when_one_of_three_replicas_dies_the_run_goes_on_as_fast_as_before(tiny_policy_dir: Path, tmp_path: Path):
    """The `pace` judge, one group in 2 s, is what bounds the run, whatever else the machine does. Of the `slow` judge's
    replicas, 3 s a group, two are enough for that, and one is not."""
    window, warm = 16, 4  # updates; the first find groups that were judged while models were loaded
    serving = {"min_replicas": 3, "max_replicas": 3}
    with run_with(tmp_path, tiny_policy_dir, 3.0, serving, max_lag=1, pace=2.0) as process:
        wait_for(lambda: len(updates_of(tmp_path)) >= warm + window, process, 600)
        victim = next(iter(processes(process, REPLICA)))
        killed = len(updates_of(tmp_path))
        victim.send_signal(signal.SIGKILL)

        def is_back() -> bool:
            counts = [row["slow/replicas"] for row in updates_of(tmp_path)[killed:]]
            return len(counts) >= window and min(counts) < 3 and counts[-1] == 3

        wait_for(is_back, process, 300)
        rows = updates_of(tmp_path)
        replaced = {replica.pid for replica in processes(process, REPLICA)}
    before, after = groups_per_s(rows[warm:killed]), groups_per_s(rows[killed:])
    short = [row for row in rows[killed:] if row["slow/replicas"] < 3]
    lost = rows[-1].get("dropped/unscored: slow: error", 0)
    print(
        f"groups/s: {before:.2f} before the death, {after:.2f} since ({after / before:.0%}), "
        f"{groups_per_s(short):.2f} in the {seconds_of(short):.0f} s with two replicas; {lost:.0f} lost"
    )
    assert after >= 0.9 * before
    assert len(replaced) == 3
    assert victim.pid not in replaced
    assert lost == 0
    assert np.isfinite([row["reward/mean"] for row in rows]).all()
