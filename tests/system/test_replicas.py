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
REPLICA = "ray::ServeReplica:jury:slow"
# Enough groups on their way to keep three replicas busy.
ACTORS = {"count": 2, "num_cpus": 0.25, "judging_groups": 4, "poll_s": 1.0}


@contextlib.contextmanager
def run_with(folder: Path, policy: Path, seconds: float, serve: dict[str, Any], **options: Any):
    """A run whose only judge sleeps for `seconds` in every call; ended by Ctrl-C when the block ends."""
    serving = {"num_cpus": 0.05, "max_batch_size": 1, "batch_wait_s": 0.0} | serve
    judge = {"kind": "slow_judges:Slow", "options": {"seconds": seconds, **options}, "serve": serving}
    changes: dict[str, Any] = {"rewards": {"judges": {"slow": judge}}, "actors": ACTORS, "checkpoint_every": 1000}
    sizes = {"updates": 1000, "max_lag": 3, "samples_per_prompt": SAMPLES, "evaluation": {"prompts": 1, "samples": 1}}
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


def best_rate(rows: Sequence[dict[str, Any]], window: int) -> float:
    """Groups a second in the best `window` updates on end: what the run can do when the machine lets it.

    The judges bound it: three that sleep for as long as here can't do more, and two at most two thirds of it."""
    return max(groups_per_s(rows[i : i + window]) for i in range(len(rows) - window + 1))


def test_when_one_of_three_replicas_dies_the_run_is_soon_as_fast_as_before(tiny_policy_dir: Path, tmp_path: Path):
    window, warm = 12, 4  # the first updates wait for models to load
    slow = 3.0  # seconds a call, so that a busy machine, too, draws pictures faster than they are judged

    def recovered() -> int | None:
        """The first update with three replicas after the one that noticed the death."""
        counts = [row["slow/replicas"] for row in updates_of(tmp_path)[killed:]]
        fewer = [i for i, count in enumerate(counts) if count < 3]
        return killed + fewer[-1] + 1 if fewer and fewer[-1] + 1 < len(counts) else None

    with run_with(tmp_path, tiny_policy_dir, slow, {"min_replicas": 3, "max_replicas": 3}) as process:
        wait_for(lambda: len(updates_of(tmp_path)) >= warm + window, process, 600)
        victim = next(iter(processes(process, REPLICA)))
        killed = len(updates_of(tmp_path))
        victim.send_signal(signal.SIGKILL)
        wait_for(lambda: recovered() is not None, process, 300)
        back = recovered() or 0
        before = best_rate(updates_of(tmp_path)[warm:killed], window)

        def after() -> float:
            rows = updates_of(tmp_path)[back:]
            return best_rate(rows, window) if len(rows) >= window else 0.0

        wait_for(lambda: after() >= 0.9 * before, process, 200)
        rows = updates_of(tmp_path)
        replaced = {replica.pid for replica in processes(process, REPLICA)}
    lost = rows[-1].get("dropped/unscored: slow: error", 0)
    outage = rows[killed:back]
    print(
        f"groups/s: {before:.2f} before, {groups_per_s(outage):.2f} for the {seconds_of(outage):.0f} s with two "
        f"replicas, {after():.2f} after ({after() / before:.0%}) in updates {back + 1}–{len(rows)}; {lost:.0f} lost"
    )
    assert 0.9 * before > 2 / slow, "more than two replicas can do"
    assert len(replaced) == 3
    assert victim.pid not in replaced
    assert lost == 0
    assert np.isfinite([row["reward/mean"] for row in rows]).all()
