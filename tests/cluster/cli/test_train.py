"""`salon train` as a user types it: what is refused, and what is said of a run that ends early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import SMALL, Salon, refused


def test_a_config_that_is_not_there_is_named(salon: Salon, tmp_path: Path) -> None:
    assert "absent.yaml" in refused(salon("train", tmp_path / "absent.yaml"))


def test_an_unknown_key_is_refused_with_the_nearest_name(salon: Salon, tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(SMALL.replace("groups_per_update", "groups_per_updat"))
    said = refused(salon("train", config, "--runs", tmp_path / "runs"))
    assert "groups_per_updat" in said
    assert "groups_per_update" in said.replace("groups_per_updat ", "").replace("groups_per_updat'", "")
    assert "small.yaml" in said
    assert not (tmp_path / "runs").exists(), "nothing started"


def test_several_problems_are_said_in_a_line_each(salon: Salon, tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(SMALL.replace("updates: 4", "updates: 0") + "wheels: 4\n")
    code, _, err = salon("train", config, "--runs", tmp_path / "runs")
    assert code == 2
    assert len(err.splitlines()) == 2
    assert all(line.startswith(f"salon: {config}: ") for line in err.splitlines())


def test_an_override_is_checked_like_the_file(salon: Salon, tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(SMALL)
    assert "updates" in refused(salon("train", config, "--set", "updates=many", "--runs", tmp_path / "runs"))


def test_a_run_that_exists_is_not_begun_again(salon: Salon, make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run(updates=3, name="small", pictures=False)
    config = tmp_path / "small.yaml"
    config.write_text(SMALL)
    said = refused(salon("train", config, "--runs", tmp_path))
    assert f"salon train --resume {run}" in said
    assert "3 updates" in said


def test_continue_refuses_a_run_of_another_config_and_names_the_keys(
    salon: Salon, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run(updates=3, name="small", pictures=False)
    (run / "config.yaml").write_text(SMALL)
    config = tmp_path / "small.yaml"
    config.write_text(SMALL + "learner: {lr: 5.0e-4}\n")
    code, _, err = salon("train", config, "--continue", "--runs", tmp_path, "--set", "updates=9")
    assert code == 2
    assert [line.split(": ")[1] for line in err.splitlines()] == ["updates", "learner.lr"]
    assert f"{run} was begun with 4, and {config} says 9" in err
    assert f"salon train --resume {run} --set updates=…" in err
    assert "give one of them" in refused(salon("train", "--continue", "--resume", run))


@pytest.mark.parametrize("begun", [False, True])
def test_continue_starts_a_run_or_goes_on_with_it(
    begun: bool, salon: Salon, make_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cluster.run.train as launch

    started: list[tuple[Path, bool]] = []

    def train(config: object, run_dir: Path, resume: bool, profile: bool) -> None:
        started.append((run_dir, resume))
        run_dir.mkdir(exist_ok=True)
        (run_dir / "config.yaml").write_text(SMALL)

    def passed(config: object) -> None:
        pass

    monkeypatch.setattr(launch, "train", train)
    monkeypatch.setattr("cluster.run.preflight.preflight", passed)
    config = tmp_path / "small.yaml"
    config.write_text(SMALL)
    if begun:
        (make_run(updates=3, name="small", pictures=False) / "config.yaml").write_text(SMALL)
    assert salon("train", config, "--continue", "--runs", tmp_path)[0] == 0
    assert started == [(tmp_path / "small", begun)]


# What ends a run early: preflight passes, and the launcher is replaced by one that waits, for the signal is what is
# tried here; the tests of the whole system end real runs.
WAITING = """
import sys, time, types
launch = types.ModuleType("cluster.run.train")
def train(config, run_dir, resume, profile):
    print("running", flush=True)
    time.sleep(60)
launch.train = train
sys.modules["cluster.run.train"] = launch
checks = types.ModuleType("cluster.run.preflight")
checks.preflight = lambda config: None
sys.modules["cluster.run.preflight"] = checks
from cluster.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_stopped_says_how_to_go_on(
    make_run: Callable[..., Path], number: signal.Signals, code: int
) -> None:
    run = make_run(updates=3, pictures=False)
    (run / "config.yaml").write_text(SMALL)
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, "train", "--resume", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.splitlines()[-1] == f"salon: stopped after update 3; continue with `salon train --resume {run}`"
    assert "Traceback" not in err


def test_what_nobody_foresaw_keeps_its_traceback_and_says_how_to_go_on(make_run: Callable[..., Path]) -> None:
    run = make_run(updates=3, pictures=False)
    (run / "config.yaml").write_text(SMALL)
    broken = WAITING.replace("time.sleep(60)", "raise RuntimeError('the disk is full')")
    result = subprocess.run(
        [sys.executable, "-c", broken, "train", "--resume", str(run)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "salon: failed after update 3; continue with `salon train --resume" in result.stderr
    assert result.stderr.splitlines()[-1] == "RuntimeError: the disk is full"
