# pyright: strict
"""Update rows: the ledger's events and the actors' statistics as the numbers of one update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]

PICTURES = "pictures"
"""how many an update has trained that came from no group, in its event"""


class UpdateRows:
    """Makes a row of each `update` event, which holds the summaries of the groups that were trained.

    `images` is the number of pictures that the run has trained before.
    """

    def __init__(self, images: int = 0) -> None:
        self._images = images
        self._last: tuple[float, int] | None = None
        self._replicas: dict[str, list[int]] = {}

    def count(self, replicas: Mapping[str, int]) -> None:
        """Counts each judge's replicas of the moment; a row has their mean since the row before, `JUDGE/replicas`."""
        for judge, number in replicas.items():
            self._replicas.setdefault(judge, []).append(number)

    def take(self, event: Mapping[str, Any], crew: Sequence[Mapping[str, Any]] = ()) -> Row | None:
        """The row of an `update` event, None for any other event; `crew` has the actors' statistics of the moment."""
        if event["kind"] in ("rollback", "resume"):
            self._last = None  # no rate can be taken over a time in which the run was down
        if event["kind"] != "update":
            return None
        groups = event["groups"]
        self._images += sum(int(g["images"]) for g in groups) + int(event.get(PICTURES, 0))
        row: Row = {
            k: v for k, v in event.items() if k not in ("number", "time", "kind", "version", "groups", PICTURES)
        }
        row |= _means(groups)
        row |= {"images": self._images, **self._rate(event["time"]), **_idle(crew), **_answers(crew)}
        row |= {f"{judge}/replicas": float(np.mean(numbers)) for judge, numbers in self._replicas.items()}
        self._replicas = {judge: numbers[-1:] for judge, numbers in self._replicas.items()}
        return row

    def _rate(self, now: float) -> Row:
        """By the ledger's clock: rows are written when the driver comes to it, several at once or late."""
        before, self._last = self._last, (now, self._images)
        if before is None or now <= before[0]:
            return {}
        seconds = now - before[0]
        return {"images_per_s": (self._images - before[1]) / seconds, "seconds/wall": seconds}


def _means(groups: Sequence[Mapping[str, Any]]) -> Row:
    """Means over an update's groups by judge and metric; seconds are sums, as the actors' work adds up."""
    row: Row = {}
    columns: dict[str, list[float]] = {}
    for group in groups:
        for judge, value in group["scores"].items():
            columns.setdefault(f"judge/{judge}", []).append(value)
        # A ledger of an earlier release, from which a run goes on, has them under `figures`.
        for key, value in group.get("metrics", group.get("figures", {})).items():
            columns.setdefault(key, []).append(value)
        for phase, seconds in group["seconds"].items():
            row[f"seconds/{phase}"] = row.get(f"seconds/{phase}", 0.0) + seconds
    return row | {key: float(np.mean(values)) for key, values in columns.items()}


def _idle(crew: Sequence[Mapping[str, Any]]) -> Row:
    idle = [stats["idle_share"] for stats in crew if stats.get("elapsed_s")]
    return {"idle/actors": float(np.mean(idle))} if idle else {}


def _answers(crew: Sequence[Mapping[str, Any]]) -> Row:
    """How each judge answers the actors: the 95th percentile of a call's seconds (the slowest actor's), and the shares
    of calls that failed and that full queues pushed back."""
    row: Row = {}
    by_actor = [stats.get("judges", {}) for stats in crew]
    for judge in dict.fromkeys(name for actor in by_actor for name in actor):
        stats = [actor[judge] for actor in by_actor if judge in actor]
        if calls := sum(its["calls"] for its in stats):
            row[f"{judge}/p95_s"] = max(its["p95_s"] for its in stats)
            for what in ("failed", "pushed_back"):
                row[f"{judge}/{what}_share"] = sum(its[what] for its in stats) / calls
    return row
