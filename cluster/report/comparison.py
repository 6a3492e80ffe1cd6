# pyright: strict
"""Runs compared: a table of what each one changed, and their curves and pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from cluster.config.stored import stored_config
from cluster.report.change_table import change_rows, ends, not_compared, run_changes
from cluster.report.curve import running_mean
from cluster.report.grid import SampleGrid
from cluster.tracking.conditions import Conditions, differences
from cluster.tracking.history import RunHistory
from cluster.tracking.judges import RunJudges
from cluster.tracking.progress import duration
from rewards.pictures.captions import drawable

PICTURES = "pictures"


MARKS = {True: " ✓", False: " ✗", None: ""}


@dataclass(frozen=True)
class ComparedRun:
    """A run's name, its config as read from YAML, its metrics, and its judges."""

    name: str
    config: dict[str, Any]
    history: RunHistory
    judges: RunJudges

    @classmethod
    def read(cls, run_dir: Path) -> ComparedRun:
        """Raises FileNotFoundError when `run_dir` is not a run, ConfigError when its `config.yaml` is damaged."""
        _, config = stored_config(run_dir)
        return cls(run_dir.name, config, RunHistory.read(run_dir), RunJudges.from_yaml(config))

    @property
    def minutes(self) -> str:
        """The time from the first evaluation to the last; empty while there is one at most."""
        times = [row["time"] for row in self.history.evaluations]
        return duration(max(times) - min(times)) if len(times) > 1 else ""

    def cells(self) -> dict[str, str]:
        """Metric → how this run changed it: "63.7 % → 84.4 % (+20.7 points)", ✓ or ✗ where there is a limit."""
        rows = change_rows(run_changes(self.history, self.judges), self.history, self.judges)
        cells = {"seed": str(self.config.get("seed", 0)), "updates": str(len(self.history.updates))}
        cells |= {f"{row['judge']}: {row['label']}": _cell(row) for row in rows}
        for row in change_rows(run_changes(self.history, self.judges, plain=True), self.history, self.judges):
            if row["watches"]:
                cells[f"{row['judge']}: {row['label']}, by plain diffusers"] = _cell(row)
        if self.not_compared:
            cells["not compared"] = " ".join(self.not_compared)
        return cells | {"time, first to last evaluation": self.minutes}

    @property
    def not_compared(self) -> list[str]:
        """What of this run's evaluations before and after training is not comparable, and why."""
        return not_compared(self.history)

    @property
    def conditions(self) -> Conditions | None:
        """How the run was evaluated in the end; None where it is not on record."""
        pair = ends(self.history)
        return Conditions.from_row(pair[1]) if pair else None


def _cell(row: dict[str, Any]) -> str:
    return f"{row['before'][0]} → {row['after'][0]}, {row['change']}{MARKS[row['kept']]}"


def compare_runs(runs: Sequence[ComparedRun]) -> Table:
    """A column for each run; ✓ and ✗ say whether a metric stayed within the limit that the report states.

    Where runs were not evaluated alike, the title says so, and a row how each one was.
    """
    columns = [run.cells() for run in runs]
    alike = not any(differences(runs[0].conditions, run.conditions) for run in runs)
    if not alike:
        columns = [
            {"evaluated on": str(run.conditions or "not on record")} | cells
            for run, cells in zip(runs, columns, strict=True)
        ]
    how = "on the same prompts and seeds" if alike else "not comparable between runs that were evaluated in other ways"
    table = Table(title=f"Before and after training, {how}")
    table.add_column("")
    for run in runs:
        table.add_column(run.name)
    for metric in dict.fromkeys(key for column in columns for key in column):
        table.add_row(metric, *(column.get(metric, "") for column in columns))
    return table


def draw_pictures(run_dirs: Sequence[Path], path: Path, prompts: int = 6, samples: int = 6) -> None:
    """Writes a sheet of pictures: a column before training and one after it for each run, on the same seeds.

    Raises ValueError when a run has no such pictures, or others than the first run's: of other prompts or seeds, or
    drawn with other settings.
    """
    first = ends(RunHistory.read(run_dirs[0]))
    for run in run_dirs:
        pair = ends(RunHistory.read(run))
        if first and pair and (found := differences(*(Conditions.from_row(row) for row in (first[0], pair[1])))):
            raise ValueError(f"{run}: its pictures are not comparable with {run_dirs[0]}'s first: {', '.join(found)}")
    shown = [("before training", run_dirs[0], "before"), *((f"after {run.name}", run, "after") for run in run_dirs)]
    grids: list[tuple[str, SampleGrid]] = []
    for title, run, when in shown:
        grid = SampleGrid.load(run / PICTURES, when)
        if grid is None or (grids and (grid.prompts, grid.seeds) != (grids[0][1].prompts, grids[0][1].seeds)):
            raise ValueError(f"{run}: has no pictures {when} training, or not of the first run's prompts and seeds")
        grids.append((title, grid))
    SampleGrid.abreast(grids, prompts, samples).draw(columns=len(grids)).save(path)


def draw_curves(runs: Sequence[ComparedRun], path: Path) -> None:
    """Draws the train reward and the audit judges' shares of flawless pictures, a colour for each run, as an image of
    the kind that the ending of `path` names. Points are updates, lines their running means.

    Raises ValueError for an ending that is no kind of image, or when no run has trained yet.
    """
    from matplotlib.figure import Figure

    flawless = {key for run in runs for key in run.judges.audit_flawless()}
    keys = ["reward/mean", *sorted(flawless)]
    shown = [key for key in keys if any(run.history.series(key)[0] for run in runs)]
    if not shown:
        raise ValueError(f"{', '.join(run.name for run in runs)}: no update has been measured yet")
    figure: Any = Figure(figsize=(4.6 * len(shown), 3.2), layout="constrained")
    for axes, key in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for number, run in enumerate(runs):
            updates, values = run.history.series(key)
            axes.plot(updates, values, ".", markersize=3, alpha=0.35, color=f"C{number}")
            axes.plot(updates, running_mean(values), color=f"C{number}", label=drawable(run.name))
        axes.set_xlabel("update")
        axes.set_title("train reward" if key == "reward/mean" else f"{key}, training pictures", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)
