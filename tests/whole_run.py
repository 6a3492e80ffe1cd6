# pyright: strict
"""`salon train` as a user runs it, for system tests: a config, a process of its own, and what it leaves on disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml
from plain_loop import SAMPLER

from cluster.tracking.history import RunHistory

SEED, GROUPS, SAMPLES = 3, 2, 4
LEARNER: dict[str, Any] = {"lr": 1e-3, "num_cpus": 0.5, "max_grad_norm": 1e9, "micro_batch": 16}
PROMPTS = "a photo of a cat\na red dog\na giraffe in the snow\na blue elephant\n"
SALON = [sys.executable, "-c", "from cluster.cli.main import main; main()"]


def write_config(folder: Path, policy: Path, **changes: Any) -> Path:
    (folder / "prompts.txt").write_text(PROMPTS)
    config: dict[str, Any] = {
        "name": "run",
        "seed": SEED,
        "updates": 3,
        "groups_per_update": GROUPS,
        "samples_per_prompt": SAMPLES,
        "max_lag": 0,
        # Relative, as users write them: every part of a run must find them from where it was started.
        "policy": {"model": os.path.relpath(policy, folder), "lora": {"rank": 4, "alpha": 4}},
        "sampler": SAMPLER.model_dump(mode="json", exclude_unset=True),
        "prompts": {"file": "prompts.txt"},
        "actors": {"num_cpus": 0.5, "poll_s": 1.0},
        "rewards": {"judges": {"jpeg": {"kind": "jpeg"}}},
        "learner": LEARNER,
        "evaluation": {"prompts": 2, "samples": 2},
        "tracking": {"wandb": "disabled"},
        "checkpoint_every": 1,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config | changes))
    return path


def salon(folder: Path, *arguments: str, log: Path | None = None) -> subprocess.Popen[str]:
    """Starts `salon` in `folder`; what it says is read from the process, or from the file `log` while it goes on."""
    # A session of its own: the test's own Ctrl-C must not reach it, and the test can find what it leaves behind.
    return subprocess.Popen(
        [*SALON, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE if log is None else log.open("w"),
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def finish(process: subprocess.Popen[str], timeout: float = 600) -> str:
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, output
    return output


def processes(process: subprocess.Popen[str], title: str) -> list[psutil.Process]:
    """The run's own processes whose title begins with the regular expression `title`."""
    found: list[psutil.Process] = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if re.match(title, " ".join(child.cmdline())):
                found.append(child)
        except psutil.Error:
            continue
    return found


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, process.communicate()[0] or "it ended"
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.1)


def updates_of(folder: Path) -> list[dict[str, Any]]:
    return [dict(row) for row in RunHistory.read(folder / "runs" / "run").updates]
