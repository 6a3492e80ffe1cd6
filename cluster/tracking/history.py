# pyright: strict
"""A run's metrics read back from its directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cluster.tracking.metrics_file import Row, read_rows

METRICS_FILE, CONFIG_FILE, TRACKING_FILE = "metrics.jsonl", "config.yaml", "tracking.json"
SAMPLING, PLAIN = "sampling", "plain"
"""key of an evaluation row, and its value where plain diffusers drew the pictures"""


@dataclass(frozen=True)
class RunHistory:
    """The metrics of a run, each update once.

    The file is append-only: a run that went back to a checkpoint wrote a `resume` row, which supersedes the earlier
    rows past the restored update. Of several rows for one update the last one counts. `updates` are in order of
    `update`, `evaluations` in the order they were made. `plain_evaluations` are those of pictures that plain diffusers
    drew, with the pipeline's own settings. `damaged` says which rows could not be read, in a line each.
    """

    updates: list[Row] = field(default_factory=list[Row])
    evaluations: list[Row] = field(default_factory=list[Row])
    plain_evaluations: list[Row] = field(default_factory=list[Row])
    resumes: list[Row] = field(default_factory=list[Row])
    damaged: list[str] = field(default_factory=list[str])

    @classmethod
    def read(cls, run_dir: Path) -> RunHistory:
        """The history of the run in `run_dir`; empty while nothing has been measured."""
        rows, damaged = read_rows(run_dir / METRICS_FILE)
        return cls.of(rows, damaged)

    @classmethod
    def of(cls, rows: list[Row], damaged: list[str] | None = None) -> RunHistory:
        """The history in `rows`, which are in the order they were written, and what is said of `damaged` ones."""
        updates: dict[int, Row] = {}
        evaluations: dict[tuple[str, int, bool], Row] = {}
        resumes: list[Row] = []
        for row in rows:
            update = int(row["update"])
            match row["kind"]:
                case "update":
                    updates[update] = row
                case "evaluation":
                    evaluations[str(row["when"]), update, row.get(SAMPLING) == PLAIN] = row
                case "resume":
                    resumes.append(row)
                    updates = {n: kept for n, kept in updates.items() if n <= update}
                    evaluations = {key: kept for key, kept in evaluations.items() if key[1] <= update}
                case _:
                    pass
        ours, plain = ([row for key, row in evaluations.items() if key[2] is which] for which in (False, True))
        return cls([updates[n] for n in sorted(updates)], ours, plain, resumes, damaged or [])

    def series(self, key: str) -> tuple[list[int], list[float]]:
        """The updates and values of `key`, leaving out the updates that have no number for it."""
        points = [(int(row["update"]), float(row[key])) for row in self.updates if is_number(row.get(key))]
        return [x for x, _ in points], [y for _, y in points]

    def keys(self, prefix: str) -> list[str]:
        """Every key of an update row that begins with `prefix`, in the order first seen."""
        seen: dict[str, None] = {}
        for row in self.updates:
            seen.update({key: None for key in row if key.startswith(prefix)})
        return list(seen)

    def evaluation(self, when: str, *, plain: bool = False) -> Row | None:
        """The last evaluation made at `when` (`before`, `after` or the number of an update)."""
        made = self.plain_evaluations if plain else self.evaluations
        return next((row for row in reversed(made) if row["when"] == when), None)


def is_number(value: object) -> bool:
    """Whether `value` is a number, and not the null that stands for NaN in the file."""
    return isinstance(value, int | float) and not isinstance(value, bool)
