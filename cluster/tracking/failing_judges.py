# pyright: strict
"""Audit judges that fail: they are in no reward, so nothing else of a run would show that they are blind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Pictures in a row without an answer, after which the user is told.
PICTURES = 16


class FailingJudges:
    """Notices when one of `judges` fails on PICTURES pictures in a row, and when it answers again.

    It goes by the verdicts in the ledger's events (with the audit), or by the share of failed calls in the update rows
    (without it), which tells nothing but that every call has failed since the actors began.
    """

    def __init__(self, judges: Sequence[str]) -> None:
        self._in_a_row = dict.fromkeys(judges, 0)
        self._said: set[str] = set()

    def take(self, event: Mapping[str, Any]) -> Iterator[str]:
        """What an event of the ledger shows, in a line for each judge of which there is something new to say."""
        for picture in event.get("audit", ()):
            for judge in self._in_a_row:
                if (verdict := picture.verdicts.get(judge)) is not None:
                    yield from self._seen(judge, verdict.text if verdict.status == "error" else None)

    def take_row(self, row: Mapping[str, Any]) -> Iterator[str]:
        """The same for the row of an update."""
        for judge in self._in_a_row:
            if row.get(f"{judge}/failed_share") == 1:
                yield from self._say(judge, "every call, since the actors began")

    def _seen(self, judge: str, error: str | None) -> Iterator[str]:
        if error is None:
            self._in_a_row[judge] = 0
            if judge in self._said:
                self._said.remove(judge)
                yield f"audit judge {judge} answers again"
            return
        self._in_a_row[judge] += 1
        if self._in_a_row[judge] >= PICTURES:
            yield from self._say(judge, f"the last {PICTURES} pictures: {error}")

    def _say(self, judge: str, on_what: str) -> Iterator[str]:
        if judge not in self._said:
            self._said.add(judge)
            yield f"audit judge {judge} fails on {on_what}"
