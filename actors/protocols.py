# pyright: strict
"""What a rollout calls of the ledger and of the weight store; anything with these methods will do."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol

from actors.adapter import Adapter
from actors.audit import JudgedPicture
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup


class RolloutLedger(Protocol):
    """The ledger, which owns every ticket. It fences: it answers False for a ticket that is no longer this actor's."""

    def release(self, actor: str) -> Awaitable[Any]:
        """Takes back whatever an actor of this name still holds."""
        ...

    def next_ticket(self, actor: str, wait_s: float) -> Awaitable[Ticket | None]:
        """The next ticket, now rolling; None if `wait_s` seconds have passed and there is still none to give."""
        ...

    def judging(self, ticket_id: int, actor: str) -> Awaitable[bool]:
        """The samples are drawn and go to the judges."""
        ...

    def submit(
        self, ticket_id: int, actor: str, group: JudgedGroup, version: int, summary: Mapping[str, Any]
    ) -> Awaitable[bool]:
        """The judged group, by value: an object that this actor owned would be lost with it.

        `summary` goes into the ledger's log: plain numbers, and under `audit` the group's `JudgedPicture`s.
        """
        ...

    def drop(self, ticket_id: int, reason: str, audit: Sequence[JudgedPicture]) -> Awaitable[Any]:
        """The group came to nothing; its index is to be filled again. `audit`: its pictures, if they were judged."""
        ...


class AdapterSource(Protocol):
    """Where the published adapters come from: the weight store."""

    def latest(self) -> Awaitable[Adapter | None]:
        """The newest adapter; None while nothing has been published, which means version 0."""
        ...
