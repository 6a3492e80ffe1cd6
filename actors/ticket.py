# pyright: strict
"""A ticket: one prompt group on its way through the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Ticket:
    """Permission to roll out one group of samples for one prompt.

    `index` is the group's position in the run: update `index // groups_per_update` trains it, whatever happens to the
    ticket; a ticket that is dropped is replaced by a new one (new `id`, next `attempt`) at the same index. `seeds` has
    one integer per sample and determines all of its noise, so a lost trajectory can be made again from
    (prompt, seed, policy version). `admitted_at` is the number of updates that had been published at admission.
    """

    id: int
    index: int
    attempt: int
    prompt: str
    seeds: tuple[int, ...]
    admitted_at: int
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return f"ticket {self.id} ({self.prompt!r})"
