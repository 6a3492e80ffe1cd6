# pyright: strict
"""Runs compared: a table of what each one changed, and their curves and pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from cluster.config.stored import stored_config
from cluster.report.change_table import change_rows, run_changes
from cluster.report.curve import running_mean
from cluster.report.grid import SampleGrid
from cluster.tracking.history import RunHistory
from cluster.tracking.judges import RunJudges
from cluster.tracking.progress import duration

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
        for row in rows:
            change = f"{row['before'][0]} → {row['after'][0]}, {row['change']}"
            cells[f"{row['judge']}: {row['label']}"] = change + MARKS[row["kept"]]
        return cells | {"time, first to last evaluation": self.minutes}


def compare_runs(runs: Sequence[ComparedRun]) -> Table:
    """A column for each run; ✓ and ✗ say whether a metric stayed within the limit that the report states."""
    columns = [run.cells() for run in runs]
    table = Table(title="Before and after training, on the same prompts and seeds")
    table.add_column("")
    for run in runs:
        table.add_column(run.name)
    for metric in dict.fromkeys(key for column in columns for key in column):
        table.add_row(metric, *(column.get(metric, "") for column in columns))
    return table


def draw_pictures(run_dirs: Sequence[Path], path: Path, prompts: int = 6, samples: int = 6) -> None:
    """Writes a sheet of pictures: a column before training and one after it for each run, on the same seeds.

    Raises ValueError when a run has no such pictures, or others than the first run's.
    """
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
            axes.plot(updates, running_mean(values), color=f"C{number}", label=run.name)
        axes.set_xlabel("update")
        axes.set_title("train reward" if key == "reward/mean" else f"{key}, training pictures", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)
