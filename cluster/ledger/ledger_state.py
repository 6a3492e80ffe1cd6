# pyright: strict
"""The ledger's state as a checkpoint keeps it: JSON values, with work in flight but without its payload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from cluster.ledger.live_ticket import LiveTicket, prompt_and_seeds


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, populate_by_name=True)


class _Work(_Strict):
    index: NonNegativeInt = Field(validation_alias=AliasChoices("index", "place"))
    prompt: str
    metadata: dict[str, Any]
    seeds: list[NonNegativeInt] | None = None


class _Tickets(_Strict):
    next_id: NonNegativeInt
    tries: list[Annotated[list[NonNegativeInt], Field(min_length=3, max_length=3)]]


class _Group(_Strict):
    images: NonNegativeInt
    scores: dict[str, float]
    seconds: dict[str, float]


class _Update(_Strict):
    version: NonNegativeInt
    time: float
    groups: list[_Group]


class _Saved(_Strict):
    """What is in a ledger's state, by today's names and the former ones."""

    seed: NonNegativeInt
    groups_per_update: NonNegativeInt
    samples_per_prompt: int = Field(gt=0)
    published: NonNegativeInt
    dropped: dict[str, NonNegativeInt]
    tickets: _Tickets = Field(validation_alias=AliasChoices("tickets", "office"))
    in_flight: list[_Work]
    unreported: list[_Update] = Field([], validation_alias=AliasChoices("unreported", "untold"))


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What a ledger is restored from.

    identity    `seed`, `groups_per_update` and `samples_per_prompt`, which decide what every ticket is
    published   updates that are published
    dropped     reason → tickets
    tickets     the ticket factory's state
    in_flight   index → what stood there: prompt, metadata, seeds; version and state for whoever reads the file
    """

    identity: Mapping[str, int]
    published: int
    dropped: Mapping[str, int]
    tickets: Mapping[str, Any]
    in_flight: Mapping[int, Mapping[str, Any]]

    @staticmethod
    def rows(live: Iterable[tuple[int, LiveTicket]]) -> dict[int, dict[str, Any]]:
        """`in_flight` for live tickets by index."""
        return {
            index: {**prompt_and_seeds(work.ticket), "version": work.version, "state": work.state.value}
            for index, work in sorted(live, key=lambda item: item[0])
        }

    def to_json(self) -> dict[str, Any]:
        """JSON values that `read` takes."""
        return {
            **self.identity,
            "published": self.published,
            "dropped": dict(self.dropped),
            "tickets": self.tickets,
            "in_flight": [{"index": index, **row} for index, row in self.in_flight.items()],
        }

    @staticmethod
    def check(state: Mapping[str, Any]) -> None:
        """Raises ValueError, in one line that names the key, if `state` is no ledger's."""
        try:
            _Saved.model_validate(dict(state))
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(str(part) for part in problem["loc"])
            raise ValueError(f"is no ledger's state ({key}: {problem['msg'].lower()})") from None

    @classmethod
    def read(cls, state: Mapping[str, Any], identity: Mapping[str, int], updates: int) -> LedgerState:
        """Reads what `to_json` wrote, for a run of `updates` updates with this `identity`.

        Raises ValueError, which names what differs, if it is another run's. Names of earlier checkpoints are read, too.
        """
        for key, value in identity.items():
            if state[key] != value:
                raise ValueError(f"{key}: the saved run has {state[key]}, this one {value}; resume with the same")
        if state["published"] > updates:
            raise ValueError(f"updates: the saved run has published {state['published']}, this one ends at {updates}")
        rows = {int(_either(row, "index", "place")): row for row in state["in_flight"]}
        return cls(identity, state["published"], state["dropped"], _either(state, "tickets", "office"), rows)


def _either(saved: Mapping[str, Any], key: str, former: str) -> Any:
    return saved[key] if key in saved else saved[former]
