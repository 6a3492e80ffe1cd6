# pyright: strict
"""Small ledgers for tests, the two moves that every test makes, and events as a ledger reports them."""

from __future__ import annotations

from typing import Any

from actors.ticket import Ticket
from cluster.ledger.ledger import Ledger


def prompts(index: int) -> tuple[str, dict[str, Any]]:
    return f"prompt {index % 5}", {"animal": index % 5}


def make_ledger(groups: int = 2, samples: int = 2, lag: int = 1, updates: int = 3, **changes: Any) -> Ledger:
    settings_: dict[str, Any] = {"seed": 0, "clock": lambda: 0.0} | changes
    return Ledger(
        prompts, groups_per_update=groups, samples_per_prompt=samples, max_lag=lag, updates=updates, **settings_
    )


def finish(ledger: Ledger, ticket: Ticket, version: int, actor: str = "a") -> bool:
    return ledger.submit(ticket.id, actor, ticket.index, version, {"reward": 1.0})


def roll_all(ledger: Ledger, version: int) -> list[Ticket]:
    tickets: list[Ticket] = []
    while ticket := ledger.next_ticket("a"):
        tickets.append(ticket)
        assert finish(ledger, ticket, version)
    return tickets


def group_summary(reward: float = 1.0, **metrics: float) -> dict[str, Any]:
    return {
        "images": 4,
        "reward": reward,
        "scores": {"clip": reward},
        "metrics": metrics,
        "seconds": {"rolling": 2.0, "judging": 0.5},
    }


def update_event(version: int, time: float, *groups: dict[str, Any], **stats: float) -> dict[str, Any]:
    return {"kind": "update", "version": version, "time": time, "groups": groups, "reward/mean": 0.5, **stats}
