# pyright: strict
"""The ledger's events made into the rows of the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]


class UpdateRows:
    """Makes one row of each `update` event, which holds the summaries of the groups that were trained.

    `images` counts from `images` on over the run.
    """

    def __init__(self, images: int = 0) -> None:
        self._images = images
        self._last: tuple[float, int] | None = None
        self._replicas: dict[str, list[int]] = {}

    def count(self, replicas: Mapping[str, int]) -> None:
        """Replicas of each judge at this moment; a row has their mean since the row before, `JUDGE/replicas`."""
        for judge, number in replicas.items():
            self._replicas.setdefault(judge, []).append(number)

    def take(self, event: Mapping[str, Any], crew: Sequence[Mapping[str, Any]] = ()) -> Row | None:
        """The row of an `update` event, None for any other; `crew` are the actors' statistics of the moment."""
        if event["kind"] in ("rollback", "resume"):
            self._last = None  # a rate over the time that the run was down would be none
        if event["kind"] != "update":
            return None
        groups = event["groups"]
        self._images += sum(int(g["images"]) for g in groups)
        row: Row = {k: v for k, v in event.items() if k not in ("number", "time", "kind", "version", "groups")}
        row |= _means(groups)
        row |= {"images": self._images, **self._rate(event["time"]), **_machine(crew), **_answers(crew)}
        row |= {f"{judge}/replicas": float(np.mean(numbers)) for judge, numbers in self._replicas.items()}
        self._replicas = {judge: numbers[-1:] for judge, numbers in self._replicas.items()}
        return row

    def _rate(self, now: float) -> Row:
        before, self._last = self._last, (now, self._images)
        if before is None or now <= before[0]:
            return {}
        return {"images_per_s": (self._images - before[1]) / (now - before[0])}


def _means(groups: Sequence[Mapping[str, Any]]) -> Row:
    """Means over an update's groups by judge and figure; seconds are sums, as the actors' work adds up."""
    row: Row = {}
    columns: dict[str, list[float]] = {}
    for group in groups:
        for judge, value in group["scores"].items():
            columns.setdefault(f"judge/{judge}", []).append(value)
        for key, value in group.get("figures", {}).items():
            columns.setdefault(key, []).append(value)
        for phase, seconds in group["seconds"].items():
            row[f"seconds/{phase}"] = row.get(f"seconds/{phase}", 0.0) + seconds
    return row | {key: float(np.mean(values)) for key, values in columns.items()}


def _machine(crew: Sequence[Mapping[str, Any]]) -> Row:
    idle = [stats["idle_share"] for stats in crew if stats.get("elapsed_s")]
    return {"idle/actors": float(np.mean(idle))} if idle else {}


def _answers(crew: Sequence[Mapping[str, Any]]) -> Row:
    """How the judges answer the actors that there are: of each, the 95th percentile of the seconds a question takes
    (the slowest actor's), and how many questions failed, and were pushed back by full queues, of all."""
    row: Row = {}
    seen = [stats.get("judges", {}) for stats in crew]
    for judge in dict.fromkeys(name for actor in seen for name in actor):
        records = [actor[judge] for actor in seen if judge in actor]
        if calls := sum(record["calls"] for record in records):
            row[f"{judge}/p95_s"] = max(record["p95_s"] for record in records)
            for what in ("failed", "pushed_back"):
                row[f"{judge}/{what}_share"] = sum(record[what] for record in records) / calls
    return row
