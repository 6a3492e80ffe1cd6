"""SIGINT, SIGTERM and SIGHUP in the phases of a real run: what it says, what it leaves, and that it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from whole_run import finish, salon, updates_of, wait_for, write_config

from cluster.tracking.history import RunHistory

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
# The signals of the four phases: starting, evaluating, training, saving.
MIXED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGINT)


class Run:
    """A run in `folder` that is started, stopped and continued."""

    def __init__(self, folder: Path, policy: Path) -> None:
        self.folder = folder
        # Enough pictures that an evaluation takes a while, and updates that no phase reaches the last of.
        changes = {"updates": 10_000, "max_lag": 1, "evaluation": {"prompts": 2, "samples": 150}}
        changes["checkpoint_every"] = 1000
        self.config = write_config(folder, policy, **changes)

    def start(self, *settings: str) -> subprocess.Popen[str]:
        how = ["--resume", "runs/run"] if settings else [str(self.config), "--continue"]
        return salon(self.folder, "train", *how, *(f"--set={its}" for its in settings), log=self.folder / "out")

    def said(self, words: str) -> Callable[[], bool]:
        return lambda: words in (self.folder / "out").read_text()

    def checkpoints(self) -> set[str]:
        return {path.name for path in self.folder.glob("runs/run/learner/checkpoint_0*")}

    def stop(self, process: subprocess.Popen[str], number: signal.Signals) -> list[str]:
        """The last lines of a run that is stopped by this signal; nothing is left of it 10 s later."""
        family = psutil.Process(process.pid).children(recursive=True)
        if number == signal.SIGTERM:
            process.terminate()
        else:  # as a terminal does, to all that were started in it
            os.killpg(process.pid, number)
        assert process.wait(90) == CODES[number], (self.folder / "out").read_text()
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive, [its.cmdline() for its in alive]
        lines = (self.folder / "out").read_text().splitlines()
        assert not any("Traceback" in line or "SIGTERM received" in line for line in lines), lines
        return lines


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param(MIXED, id="mixed"),
        *(pytest.param((each,) * 4, id=each.name, marks=pytest.mark.exhaustive) for each in CODES),
    ],
)
def test_a_run_is_stopped_in_every_phase_and_goes_on(
    tiny_policy_dir: Path, tmp_path: Path, signals: tuple[signal.Signals, ...]
):
    run = Run(tmp_path, tiny_policy_dir)

    starting = run.start()
    wait_for(run.said("A checkpoint every"), starting)
    time.sleep(2.0)  # Ray is about to start
    last = run.stop(starting, signals[0])[-1]
    assert last == "salon: stopped before the first update; continue with `salon train --resume runs/run`"

    evaluating = run.start()
    wait_for(run.said("evaluating the policy before training"), evaluating)
    assert run.stop(evaluating, signals[1])[-1] == last

    training = run.start()
    wait_for(lambda: len(updates_of(tmp_path)) >= 2, training)
    lines = run.stop(training, signals[2])
    done = updates_of(tmp_path)[-1]["update"]
    assert lines[-1] == f"salon: stopped after update {done}; continue with `salon train --resume runs/run`"
    assert run.checkpoints() == {f"checkpoint_{done:06d}"}, "what was made is saved, whatever checkpoint_every says"

    saving = run.start("checkpoint_every=1")
    wait_for(lambda: len(run.checkpoints()) >= 2, saving)
    run.stop(saving, signals[3])
    stopped_at = updates_of(tmp_path)[-1]["update"]
    assert stopped_at > done

    finish(salon(tmp_path, "train", "--resume", "runs/run", "--set", f"updates={stopped_at + 1}"))
    history = RunHistory.read(tmp_path / "runs" / "run")
    assert [row["update"] for row in history.updates] == list(range(1, stopped_at + 2))
    assert history.evaluation("after") is not None
