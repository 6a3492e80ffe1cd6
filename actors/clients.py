# pyright: strict
"""Clients of the ledger and of the weight store: what rollout actors, learner workers and the driver call them by.

Every method starts one call to the actor and returns at once with a `Call`, which is awaited on an event loop or waited
for by a thread. What each call does is said where it is carried out: `LedgerActor` and `WeightStoreActor` in
cluster/ledger/ray_actors.py.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar, cast

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from actors.adapter import Adapter
from actors.audit import JudgedPicture
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup

T_co = TypeVar("T_co", covariant=True)

# By these names the actors of a run find them; Ray keeps the names of each run apart.
LEDGER, WEIGHTS = "ledger", "weights"


class ServiceLost(RuntimeError):  # noqa: N818 (the name of the event)
    """The ledger or the weight store died, or gave no answer in time; the message says which, and what to do."""


class CallRefused(RuntimeError):  # noqa: N818
    """The ledger or the weight store answered with an error; the message is that error's, which is the cause."""


class Call(Generic[T_co]):
    """One call that is on its way: `await call` on an event loop, `call.result()` anywhere else.

    `await` raises what Ray raises. `result` raises ServiceLost and CallRefused.
    """

    def __init__(self, answer: Any, lost: str) -> None:
        self._answer, self._lost = answer, lost

    def __await__(self) -> Generator[Any, None, T_co]:
        return self._answer.__await__()

    def result(self, timeout_s: float | None = None) -> T_co:
        """The answer; waits for it, at most `timeout_s`."""
        try:
            answer: Any = ray.get(self._answer, timeout=timeout_s)
        except (RayActorError, GetTimeoutError) as error:
            raise ServiceLost(self._lost) from error
        except RayTaskError as error:
            cause: object = error.cause  # pyright: ignore[reportUnknownMemberType]
            raise CallRefused(str(cause)) from error
        return answer


class BatchCall(Call[list[JudgedGroup] | None]):
    """A call that is answered by references to judged groups, which are fetched as well."""

    def __await__(self) -> Generator[Any, None, list[JudgedGroup] | None]:
        return self._groups().__await__()

    def result(self, timeout_s: float | None = None) -> list[JudgedGroup] | None:
        """The groups, None if there is no full batch yet; `timeout_s` is for the answer, not for fetching them."""
        references: Any = super().result(timeout_s)
        return None if references is None else ray.get(references)

    async def _groups(self) -> list[JudgedGroup] | None:
        references: Any = await self._answer
        return None if references is None else [await reference for reference in references]


class AdapterCall(Call[Adapter | None]):
    """A call that is answered by a reference to an adapter, which is fetched unless it is the one that was `kept`."""

    def __init__(self, answer: Any, lost: str, kept: dict[Any, Adapter]) -> None:
        super().__init__(answer, lost)
        self._kept = kept

    def __await__(self) -> Generator[Any, None, Adapter | None]:
        return self._adapter().__await__()

    def result(self, timeout_s: float | None = None) -> Adapter | None:
        """The adapter, None while nothing has been published; `timeout_s` is for the answer, not for fetching it."""
        references: Any = super().result(timeout_s)
        if references is None:
            return None
        (reference,) = references
        kept = self._kept.get(reference)
        return kept or self._keep(reference, cast(Adapter, ray.get(reference)))

    async def _adapter(self) -> Adapter | None:
        references: Any = await self._answer
        if references is None:
            return None
        (reference,) = references
        return self._kept.get(reference) or self._keep(reference, await reference)

    def _keep(self, reference: Any, adapter: Adapter) -> Adapter:
        self._kept.clear()
        self._kept[reference] = adapter
        return adapter


class _Client:
    """An actor by its handle. Picklable."""

    LOST: str

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    @classmethod
    def named(cls, name: str) -> Self:
        """A client of the actor that this run knows by `name`."""
        handle: Any = ray.get_actor(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return cls(handle)

    def _call(self, method: str, *arguments: Any) -> Call[Any]:
        return Call(self._start(method, *arguments), self.LOST)

    def _start(self, method: str, *arguments: Any) -> Any:
        return getattr(self.handle, method).remote(*arguments)


class LedgerClient(_Client):
    """The ledger, the one owner of every ticket (see `cluster.ledger.ledger.Ledger`)."""

    LOST = "the ledger died, and with it the run's books; continue with --resume"

    # -- rollout actors (see `actors.protocols.RolloutLedger`) ---------------------------------------------------------

    def release(self, actor: str) -> Call[int]:
        """Takes back what an actor of this name still holds; answers how many tickets that were."""
        return self._call("release", actor)

    def next_ticket(self, actor: str, wait_s: float) -> Call[Ticket | None]:
        """A ticket to roll, or None after `wait_s` seconds without a free slot."""
        return self._call("next_ticket", actor, wait_s)

    def judging(self, ticket_id: int, actor: str) -> Call[bool]:
        """The samples are drawn and go to the judges; False when the ticket is no longer this actor's."""
        return self._call("judging", ticket_id, actor)

    def submit(
        self, ticket_id: int, actor: str, group: JudgedGroup, version: int, summary: Mapping[str, Any]
    ) -> Call[bool]:
        """The judged group, made wholly by policy `version`; False when the ticket is no longer this actor's."""
        return self._call("submit", ticket_id, actor, group, version, summary)

    def drop(self, ticket_id: int, reason: str, audit: Sequence[JudgedPicture] = ()) -> Call[bool]:
        """The group came to nothing; False when the ticket is not current. `audit`: its pictures, if judged."""
        return self._call("drop", ticket_id, reason, audit)

    # -- learner workers -------------------------------------------------------------------------------------------

    def batch(self, rank: int, world: int, version: int, wait_s: float) -> BatchCall:
        """This rank's groups of the update that starts at `version`, in index order.

        None after `wait_s` seconds without a full batch, empty when there is no further update.
        """
        return BatchCall(self._start("batch", rank, world, version, wait_s), self.LOST)

    def begin(self, version: int, wait_s: float) -> Call[bool | None]:
        """Whether there is an update after `version`, for a worker whose batches come from elsewhere; None after
        `wait_s` seconds in which `version` was not published."""
        return self._call("begin", version, wait_s)

    def settle(self, version: int, stats: Mapping[str, Any]) -> Call[None]:
        """The batch became policy `version`, which is published; `stats` are logged with it."""
        return self._call("settle", version, stats)

    def rollback(self, version: int) -> Call[int]:
        """The learner restored the checkpoint of `version`; answers how many groups are made again."""
        return self._call("rollback", version)

    def state(self) -> Call[dict[str, Any]]:
        """The ledger's state as JSON values, for a checkpoint."""
        return self._call("state")

    # -- the driver ------------------------------------------------------------------------------------------------

    def counts(self) -> Call[dict[str, Any]]:
        """Tickets by state, dropped by reason, and the published version."""
        return self._call("counts")

    def events(self, since: int = 0) -> Call[list[dict[str, Any]]]:
        """The rows of the log whose number is above `since`; those up to `since` are forgotten."""
        return self._call("events", since)

    def stop(self) -> Call[int]:
        """Ends the run after the update in training; answers the last version there will be."""
        return self._call("stop")


class WeightStoreClient(_Client):
    """The weight store, which has the newest adapter (see `cluster.ledger.weight_store.WeightStore`)."""

    LOST = "the weight store died; continue with --resume"

    def __init__(self, handle: Any) -> None:
        super().__init__(handle)
        self._kept: tuple[dict[Any, Adapter], dict[Any, Adapter]] = ({}, {})

    def __reduce__(self) -> tuple[type[Self], tuple[Any]]:
        return type(self), (self.handle,)  # what it keeps is for its own process

    def publish(self, adapter: Adapter, evaluated: Adapter | None = None, rollback: bool = False) -> Call[int]:
        """Makes `adapter` the newest, and `evaluated` what evaluations take in its place; answers its version."""
        return self._call("publish", adapter, evaluated, rollback)

    def latest(self) -> Call[Adapter | None]:
        """The newest adapter, None while nothing has been published."""
        return AdapterCall(self._start("latest"), self.LOST, self._kept[0])

    def evaluated(self) -> Call[Adapter | None]:
        """What evaluations take of the newest version, None while nothing has been published."""
        return AdapterCall(self._start("evaluated"), self.LOST, self._kept[1])

    def version(self) -> Call[int | None]:
        """The newest adapter's version, None while nothing has been published."""
        return self._call("version")
