"""A run's directory belongs to one process, and is continued only with what its checkpoints fit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.config.experiment import dump_config, load_config
from cluster.run.preflight import PreflightError
from cluster.run.run_lock import LOCK_FILE, RunBusyError, check_resumable, run_lock
from cluster.tracking.history import CONFIG_FILE

MENAGERIE = Path(__file__).parents[3] / "configs" / "menagerie.yaml"


def test_a_second_process_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    busy = pytest.raises(RunBusyError, match="another process is writing")
    with run_lock(tmp_path / "run"), busy, run_lock(tmp_path / "run"):
        pass
    with run_lock(tmp_path / "run"):
        pass


def test_a_claim_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    dies = (
        "import os, signal, sys; from pathlib import Path; from cluster.run.run_lock import run_lock\n"
        "with run_lock(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", dies, str(tmp_path)], check=False).returncode == -9
    with run_lock(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    (tmp_path / "run" / LOCK_FILE).mkdir(parents=True)
    for run_dir, why in (
        (tmp_path / "README.md" / "run", "Not a directory"),
        (tmp_path / "README.md", "File exists"),
        (tmp_path / "run", "Is a directory"),
    ):
        told = re.escape(f"{run_dir}: the run cannot be written there ({why}); choose another folder with --runs")
        with pytest.raises(PreflightError, match=f"^{told}$"), run_lock(run_dir):
            pass


@pytest.mark.parametrize(
    ("overrides", "published", "told"),
    [
        ([], None, []),
        (["learner.lr=1e-5", "updates=60", "policy.model=moved/policy"], 50, []),
        (["seed=1"], None, ["seed: the run was begun with 0, .* this says 1; begin another run"]),
        (["policy.lora.rank=16"], 5, ["policy.lora: the run was begun with {'rank': 8, .* this says {'rank': 16, "]),
        (["updates=10"], 20, ["updates: the run has made 20 updates already, and this says 10"]),
        (["learner.workers=2", "policy.dtype=float16"], 5, ["policy.dtype: .*float32", "learner.workers: "]),
    ],
)
def test_what_checkpoints_depend_on_stays(
    tmp_path: Path, overrides: list[str], published: int | None, told: list[str]
) -> None:
    (tmp_path / CONFIG_FILE).write_text(dump_config(load_config(MENAGERIE)))
    config = load_config(MENAGERIE, overrides)
    saved = None if published is None else {"published": published}
    if not told:
        check_resumable(tmp_path, config, saved)
        return
    with pytest.raises(PreflightError) as refused:
        check_resumable(tmp_path, config, saved)
    lines = str(refused.value).splitlines()
    assert len(lines) == len(told)
    for line, expected in zip(lines, told, strict=True):
        assert re.match(expected, line)
