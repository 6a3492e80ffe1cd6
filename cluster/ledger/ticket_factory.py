# pyright: strict
"""The ticket factory: makes tickets with their ids, seeds and attempts; the ledger keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from actors.ticket import Ticket

Prompts = Callable[[int], tuple[str, Mapping[str, Any]]]
"""Index → (prompt, metadata); the same index always gives the same prompt."""


def sample_seeds(seed: int, index: int, draw: int, count: int) -> tuple[int, ...]:
    """One seed per sample, from (run seed, index, draw) alone; 53 bits, so that every JSON reader keeps them exact."""
    state = np.random.SeedSequence([seed, index, draw]).generate_state(count, np.uint64)
    return tuple(int(s) >> 11 for s in state)


@dataclass(slots=True)
class Tries:
    """What has happened at an index: tickets before this one, seeds used up, failures in this process, the last one."""

    attempt: int = 0
    draw: int = 0
    failures: int = 0
    reason: str = ""


class TicketFactory:
    """Makes tickets; no id is used twice, and a restored factory goes on after the last id that was saved.

    Seeds depend on (run seed, index, draw) only. `draw` counts the groups at that index that were *bad* (could not be
    scored); a ticket that replaces *lost* work has the same seeds, so that the work can be made again.
    """

    def __init__(self, prompts: Prompts, seed: int, samples_per_prompt: int) -> None:
        self.seed, self.samples_per_prompt = seed, samples_per_prompt
        self._prompts = prompts
        self._tries: dict[int, Tries] = {}
        self._next_id = 0

    def issue(self, index: int, published: int, like: Mapping[str, Any] | None = None) -> Ticket:
        """The next ticket of `index`, with the prompt, metadata and (if there) seeds of `like`, an earlier one."""
        tries = self.tries(index)
        prompt, metadata = self._prompts(index) if like is None else (like["prompt"], like["metadata"])
        seeds = None if like is None else like.get("seeds")
        if seeds is None:
            seeds = sample_seeds(self.seed, index, tries.draw, self.samples_per_prompt)
        self._next_id += 1
        return Ticket(self._next_id - 1, index, tries.attempt, prompt, tuple(seeds), published, metadata)

    def failed(self, index: int, reason: str, *, bad: bool) -> None:
        """A ticket of `index` came to nothing through its actor or judges; `bad` work will not be made again."""
        tries = self._tries.setdefault(index, Tries())
        tries.attempt += 1
        tries.failures += 1
        tries.reason = reason
        tries.draw += bad

    def undone(self, index: int) -> None:
        """A ticket of `index` came to nothing through no fault of its own (rollback, restore)."""
        self._tries.setdefault(index, Tries()).attempt += 1

    def tries(self, index: int) -> Tries:
        """What has happened at `index` until now."""
        return self._tries.get(index, Tries())

    def state(self) -> dict[str, Any]:
        """JSON values."""
        tries = [[index, t.attempt, t.draw] for index, t in sorted(self._tries.items())]
        return {"next_id": self._next_id, "tries": tries}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues after the last id that was saved; failures are counted afresh."""
        self._next_id = state["next_id"]
        self._tries = {index: Tries(attempt, draw) for index, attempt, draw in state["tries"]}
