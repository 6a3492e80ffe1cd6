# pyright: strict
"""The ledger's log of events: what the driver reads to draw curves and to write the audit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from actors.ticket import Ticket
from cluster.ledger.live_ticket import State, Trained

# What a row gets anew when it is logged again; its time stays that of the first one.
STAMP = ("number", "kind")

Row = dict[str, Any]


class EventLog:
    """Rows `{"number", "time", "kind", ...}`, numbered from 1; those that were taken are forgotten.

    Kinds are `group` (accepted), `update` (settled, with the summaries of its groups), `drop` (a ticket came to
    nothing), `rollback`, and `resume` (what follows was not measured in one go with what stands before).
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._rows: list[Row] = []
        self._logged = 0

    def add(self, kind: str, row: Mapping[str, Any], **more: Any) -> None:
        """Logs a row; a `time` in it is kept."""
        self._logged += 1
        self._rows.append({"number": self._logged, "time": self._clock(), "kind": kind, **row, **more})

    def since(self, number: int) -> list[Row]:
        """The rows above `number`; those up to it are forgotten."""
        self._rows = [row for row in self._rows if row["number"] > number]
        return list(self._rows)

    def unreported(self, published: int) -> list[Row]:
        """The updates up to `published` that nobody may have taken yet, for a log that continues this one."""
        updates = [row for row in self._rows if row["kind"] == "update" and row["version"] <= published]
        # Of an update that was rolled back and made again, the last one counts.
        rows = {row["version"]: {key: value for key, value in row.items() if key not in STAMP} for row in updates}
        return [*rows.values()]

    def repeat(self, unreported: Iterable[Mapping[str, Any]]) -> None:
        """Logs the `unreported` updates of the log that this one continues."""
        for row in unreported:
            self.add("update", row)


def ticket_row(ticket: Ticket) -> Row:
    """What a row says of its ticket."""
    return {"ticket": ticket.id, "index": ticket.index, "attempt": ticket.attempt, "prompt": ticket.prompt}


def update_row(version: int, trained: Sequence[Trained], dropped: Mapping[str, int]) -> Row:
    """What a row says of an update: the summaries of its groups, their lag, and where their time went; of an update
    without groups, that of an offline run, only that it was made."""
    if not trained:
        return {"version": version, "groups": []}
    groups = [{key: value for key, value in group.summary.items() if key != "audit"} for group in trained]
    lags = [group.lag for group in trained]
    seconds = {f"ticket/{s.value}": float(np.mean([g.seconds.get(s, 0.0) for g in trained])) for s in State}
    lost = {f"dropped/{reason}": number for reason, number in dropped.items()}
    return {
        "version": version,
        "groups": groups,
        "lag/mean": float(np.mean(lags)),
        "lag/max": float(max(lags)),
        **seconds,
        **lost,
    }
