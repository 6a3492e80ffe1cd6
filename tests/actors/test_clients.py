# pyright: strict
"""What a call to the ledger or the weight store gives back, by waiting and by awaiting, without Ray's processes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from actors.clients import CallRefused, LedgerClient, ServiceLost, WeightStoreClient


class Answer:
    """Ray's promise of an answer: a value, or an error."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Any:
        async def answer() -> Any:
            await asyncio.sleep(0)
            if isinstance(self.value, Exception):
                raise self.value
            return self.value

        return answer().__await__()


class Handle:
    """An actor's handle that notes the calls and gives one answer to all."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, method: str) -> Any:
        def remote(*arguments: Any) -> Answer:
            self.calls.append((method, *arguments))
            return Answer(self.value)

        return SimpleNamespace(remote=remote)


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(answer: Answer | list[Answer], timeout: float | None = None) -> Any:
        if isinstance(answer, list):
            return [get(one) for one in answer]
        if isinstance(answer.value, Exception):
            raise answer.value
        return answer.value

    monkeypatch.setattr(ray, "get", get)


def test_a_call_can_be_waited_for_and_awaited() -> None:
    async def taken() -> Any:
        return await LedgerClient(handle).next_ticket("a", 2.0)

    handle = Handle("a ticket")
    assert LedgerClient(handle).next_ticket("a", 2.0).result() == "a ticket"
    assert asyncio.run(taken()) == "a ticket"
    assert handle.calls == [("next_ticket", "a", 2.0)] * 2


def test_a_batch_is_fetched_with_its_call() -> None:
    async def awaited() -> Any:
        return await LedgerClient(Handle([Answer("group 0"), Answer("group 1")])).batch(0, 1, 0, 2.0)

    assert LedgerClient(Handle([Answer("group 0"), Answer("group 1")])).batch(0, 1, 0, 2.0).result() == [
        "group 0",
        "group 1",
    ]
    assert asyncio.run(awaited()) == ["group 0", "group 1"]
    assert LedgerClient(Handle(None)).batch(0, 1, 0, 2.0).result() is None


LEDGER_LOST = "the ledger died, and with it the run's books; continue with --resume"


@pytest.mark.parametrize("error", [RayActorError(), GetTimeoutError()])
def test_a_service_that_gives_no_answer_is_lost(error: Exception) -> None:
    ledger, weights = LedgerClient(Handle(error)), WeightStoreClient(Handle(error))
    for call, line in (
        (ledger.events(), LEDGER_LOST),
        (ledger.batch(0, 1, 0, 1.0), LEDGER_LOST),
        (weights.latest(), "the weight store died; continue with --resume"),
    ):
        with pytest.raises(ServiceLost, match=f"^{line}$"):
            call.result(1.0)


def test_a_call_that_raises_in_the_service_is_refused_in_its_words() -> None:
    error = RayTaskError("publish", "traceback", ValueError("cannot publish version 3"))
    with pytest.raises(CallRefused, match=r"^cannot publish version 3$"):
        WeightStoreClient(Handle(error)).version().result()
