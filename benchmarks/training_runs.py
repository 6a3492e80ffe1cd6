# pyright: strict
"""Whole runs of one config in several variants and seeds, and what each one gained: for studies of training."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.config.stored import stored_config
from cluster.report.change_table import run_changes
from cluster.tracking.evaluation import Change
from cluster.tracking.history import METRICS_FILE, RunHistory, is_number
from cluster.tracking.judges import RunJudges
from cluster.tracking.metrics_file import read_rows

ROOT = Path(__file__).parents[1]
WATCHED = "heldout"
"""The judge that is in no reward, and by whose verdicts runs are compared."""


@dataclass(frozen=True)
class Variant:
    """A way to train: a name, and the overrides (`KEY=VALUE`) that make it of the config."""

    name: str
    overrides: tuple[str, ...]

    def command(self, config: Path, runs: Path, seed: int, common: Sequence[str]) -> list[str]:
        """`salon train`, which goes on with the run if it was begun before."""
        settings = (*common, *self.overrides, f"seed={seed}", f"name={self.name}-{seed}")
        given = [word for setting in settings for word in ("--set", setting)]
        program = "from cluster.cli.main import main; main()"
        return [sys.executable, "-c", program, "train", str(config), "--continue", "--runs", str(runs), *given]


@dataclass(frozen=True)
class TrainedRun:
    """What a run that has ended did; `plain` is as the pipeline draws by its own defaults, the rest as in training."""

    folder: Path
    history: RunHistory
    changes: Mapping[str, Change]
    plain: Mapping[str, Change]

    @classmethod
    def read(cls, folder: Path) -> TrainedRun:
        """Raises ValueError if the run has not been evaluated after its last update."""
        history = RunHistory.read(folder)
        if history.evaluation("after") is None:
            raise ValueError(f"{folder}: the run has not come to its end")
        judges = RunJudges.from_yaml(stored_config(folder)[1])
        drawn = {plain: {c.key: c for c in run_changes(history, judges, plain=plain)} for plain in (False, True)}
        return cls(folder, history, drawn[False], drawn[True])

    @property
    def pictures(self) -> float:
        """Pictures that were drawn to be trained on."""
        return float(self.history.updates[-1]["images"])

    @property
    def seconds(self) -> float:
        """Wall time of the updates; that from the start to the first one is not on record, and is taken as the mean."""
        times = [float(row["time"]) for row in self.history.updates]
        return (times[-1] - times[0]) * len(times) / (len(times) - 1)

    @property
    def first_alarm(self) -> int | None:
        """The update after which an alarm rang first."""
        rows, _ = read_rows(self.folder / METRICS_FILE)
        return min((int(row["update"]) for row in rows if row["kind"] == "alarm"), default=None)

    def points(self, score: str, *, plain: bool = False) -> float:
        """The change of a share of the watched judge, in points of per cent; NaN where it was not measured."""
        change = (self.plain if plain else self.changes).get(f"{WATCHED}/{score}")
        return float("nan") if change is None else 100 * change.change

    def after(self, score: str, *, plain: bool = False) -> float:
        """A share of the watched judge after training, in per cent."""
        change = (self.plain if plain else self.changes).get(f"{WATCHED}/{score}")
        return float("nan") if change is None else 100 * change.after.value

    @property
    def diversity(self) -> float:
        """The relative change of the diversity within a prompt, in per cent."""
        change = self.changes.get(f"{WATCHED}/diversity")
        return float("nan") if change is None else 100 * change.change / change.before.value

    def mean(self, key: str) -> float:
        """The mean of an update's statistic over the run; NaN where no update has it."""
        values = [float(row[key]) for row in self.history.updates if is_number(row.get(key))]
        return statistics.fmean(values) if values else float("nan")


def trained_runs(
    config: Path, variants: Sequence[Variant], seeds: Sequence[int], runs: Path, common: Sequence[str] = ()
) -> Iterator[tuple[Variant, list[TrainedRun]]]:
    """Trains every variant with every seed, one after another, and reads what came of it; runs that have ended already
    are only read, and those that were interrupted go on. The seeds turn fastest over the variants, so that whatever the
    machine does meanwhile falls on all of them."""
    runs.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for variant in variants:
            folder = runs / f"{variant.name}-{seed}"
            if not _ended(folder):
                print(f"{folder.name} …", file=sys.stderr, flush=True)
                with (runs / f"{folder.name}.log").open("ab") as log:
                    # One run's failure must not lose the others; it is missing in the table.
                    subprocess.run(
                        variant.command(config, runs, seed, common),
                        stdout=log,
                        stderr=log,
                        check=False,
                        cwd=ROOT,
                        env={**os.environ, "PYTHONPATH": str(ROOT)},
                    )
    for variant in variants:
        yield variant, [TrainedRun.read(folder) for s in seeds if _ended(folder := runs / f"{variant.name}-{s}")]


def spread(values: Sequence[float], form: str = "+.1f") -> str:
    """`mean (lowest … highest)` over the seeds; a dash where there is nothing."""
    known = [value for value in values if value == value]
    if not known:
        return "–"
    ends = f" ({min(known):{form}} … {max(known):{form}})" if len(known) > 1 else ""
    return f"{statistics.fmean(known):{form}}{ends}"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of the rows, whose keys are its columns."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, ["---"] * len(columns), *([str(row.get(c, "–")) for c in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ended(folder: Path) -> bool:
    return (folder / METRICS_FILE).is_file() and RunHistory.read(folder).evaluation("after") is not None
