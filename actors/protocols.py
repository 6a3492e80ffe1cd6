# pyright: strict
"""What a rollout calls of the ledger, the weight store and the jury; anything with these methods will do."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from actors.adapter import Adapter
from actors.audit import JudgedPicture
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup
from rewards.panel.panel import PanelResult
from rewards.verdict import Verdict


class Ledger(Protocol):
    """The owner of every ticket. It fences: an answer of False means that the ticket is no longer this actor's."""

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


class Weights(Protocol):
    """The store of published adapters."""

    def latest(self) -> Awaitable[Adapter | None]:
        """The newest adapter; None while nothing has been published, which means version 0."""
        ...


class Jury(Protocol):
    """All judges together. A judge that fails gives verdicts with status `error`; it does not make this raise."""

    def verdicts(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> Awaitable[Mapping[str, Sequence[Verdict]]]:
        """Judge name → one verdict for each of the `n` pictures `[n, H, W, 3]` uint8."""
        ...

    def stats(self) -> Mapping[str, Mapping[str, float]]:
        """Judge name → what this caller has seen of it (see `JudgeStats.stats`)."""
        ...


class Panel(Protocol):
    """Verdicts to rewards."""

    def score(
        self, verdicts: Mapping[str, Sequence[Verdict]], n: int, metadata: Mapping[str, Any] | None = None
    ) -> PanelResult:
        """The reward of each of the `n` pictures of one prompt, whose metadata this is."""
        ...
