# pyright: strict
"""Where a run goes on, and by which configs it can."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from cluster.config.experiment import dump_config, load_config
from cluster.errors import PreflightError
from cluster.run.resume import Start, check_resumable, damaged_records, resumed_start
from cluster.tracking.history import METRICS_FILE
from cluster.tracking.verdict_table import VerdictTable, verdict_files
from learners.distributed.checkpoints import Checkpoint

MENAGERIE = Path(__file__).parents[3] / "configs" / "menagerie.yaml"


def test_a_run_starts_after_the_updates_of_its_checkpoint() -> None:
    assert Start().done == 0
    assert Start(resumed=True).done == 0, "it ended before its first checkpoint"
    assert Start(resumed=True, ledger={"published": 7}).done == 7


@pytest.mark.parametrize(
    ("overrides", "published", "refused_with"),
    [
        ([], None, []),
        (["learner.lr=1e-5", "updates=60", "policy.model=moved/policy"], 50, []),
        (["learner.workers=2", "learner.zero_stage=3", "learner.ema={decay: 0.99}"], 5, []),
        (["seed=1"], None, ["seed: the run was begun with 0, .* this says 1; begin another run"]),
        (["policy.lora.rank=16"], 5, ["policy.lora: the run was begun with {'rank': 8, .* this says {'rank': 16, "]),
        (["updates=10"], 20, ["updates: the run has made 20 updates already, and this says 10"]),
        (["seed=1", "policy.dtype=float16"], 5, ["seed: ", "policy.dtype: .*float32"]),
    ],
)
def test_what_checkpoints_depend_on_stays(
    tmp_path: Path, overrides: list[str], published: int | None, refused_with: list[str]
) -> None:
    stored, config = load_config(MENAGERIE), load_config(MENAGERIE, overrides)
    saved = None if published is None else Checkpoint(published, tmp_path, {"published": published}, {})
    if not refused_with:
        check_resumable(stored, config, saved)
        return
    with pytest.raises(PreflightError) as error:
        check_resumable(stored, config, saved)
    lines = str(error.value).splitlines()
    assert len(lines) == len(refused_with)
    for line, expected in zip(lines, refused_with, strict=True):
        assert re.match(expected, line)


@pytest.fixture
def run(finished: Any, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return shutil.copytree(finished.folder, tmp_path / "run")


@pytest.mark.parametrize("what", ["learner", "learner/*"])
def test_a_run_whose_checkpoints_are_gone_is_not_begun_again(finished: Any, run: Path, what: str) -> None:
    for path in run.glob(what):
        shutil.rmtree(path)
    with pytest.raises(PreflightError, match=r"learner: the run has made 3 updates, and their checkpoints are gone"):
        resumed_start(run, finished.config)


def test_a_run_that_ended_before_its_first_checkpoint_begins_again_and_says_so(finished: Any, run: Path) -> None:
    for path in run.glob("learner/*"):
        shutil.rmtree(path)
    rows = (run / METRICS_FILE).read_text().splitlines(keepends=True)
    (run / METRICS_FILE).write_text("".join(rows[:3]))
    late = finished.config.model_copy(update={"checkpoint_every": 10})
    (run / "config.yaml").write_text(dump_config(late))
    start = resumed_start(run, late)
    assert (start.resumed, start.done) == (True, 0)
    assert start.notes == ("there is no checkpoint yet, so the run begins again at update 1",)


def test_when_no_checkpoint_is_whole_a_line_names_the_file(finished: Any, run: Path) -> None:
    for path in run.glob("learner/*/ledger.json"):
        path.write_text("{}")
    with pytest.raises(PreflightError) as refused:
        resumed_start(run, finished.config)
    newest = run / "learner" / "checkpoint_000003" / "ledger.json"
    assert str(refused.value).startswith(f"{newest}: is damaged, it has 2 bytes and had ")
    assert "and 1 more are damaged; no checkpoint is whole" in str(refused.value)


@pytest.mark.parametrize(
    ("edited", "key"),
    [
        ("policy.lora.rank=2", "policy.lora"),
        ("seed=9", "seed"),
        ("policy.dtype=float16", "policy.dtype"),
        ("policy.resolution=[96, 64]", "policy.resolution"),
    ],
)
def test_a_config_that_was_edited_is_held_to_what_the_checkpoint_has(run: Path, edited: str, key: str) -> None:
    (run / "config.yaml").write_text(dump_config(load_config(run / "config.yaml", [edited])))
    config = load_config(run / "config.yaml", stored=True)
    with pytest.raises(PreflightError, match=rf"^{key}: the run was begun with .*; begin another run"):
        resumed_start(run, config)


def test_settings_that_are_not_those_of_the_checkpoint_are_said(finished: Any, run: Path) -> None:
    config = load_config(run / "config.yaml", ["learner.lr=0.5", "updates=9"])
    assert set(resumed_start(run, config).notes) == {
        "learner.lr: 0.001 until update 3, 0.5 from now on",
        "updates: 3 until update 3, 9 from now on",
    }


def test_damaged_rows_and_files_of_the_audit_are_named_and_the_files_set_aside(run: Path) -> None:
    table = VerdictTable(run / "audit")
    for update in (1, 2):
        table.append([{"image": "a", "judge": "jpeg", "update": update}])
        table = VerdictTable(run / "audit")
    torn, whole = verdict_files(run / "audit")
    torn.write_bytes(torn.read_bytes()[:100])
    with (run / METRICS_FILE).open("a") as file:
        file.write('{"kind": "update", "update": null}\n7\n')
    said = damaged_records(run)
    assert [line.partition(": ")[0] for line in said] == [
        f"{run / METRICS_FILE} line 6",
        f"{run / METRICS_FILE} line 7",
        str(torn),
    ]
    assert said[-1].endswith("it is verdicts-00001.parquet.damaged from now on, and its verdicts are left out")
    assert verdict_files(run / "audit") == [whole]
    assert torn.with_name("verdicts-00001.parquet.damaged").is_file()
