"""Who may send and who may ask, on a loop without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from rewards.http.admission import Admission, Busy, TooLong, TooSlow

SOON = 0.05


async def parts(*sent: bytes, then: float = 0.0) -> AsyncIterator[bytes]:
    """What a client sends, and how long it takes for the rest."""
    for part in sent:
        yield part
        await asyncio.sleep(0)
    await asyncio.sleep(then)


async def read(admission: Admission, sent: AsyncIterator[bytes], keep: asyncio.Event | None = None) -> bytes:
    async with admission.body(sent) as body:
        if keep is not None:
            await keep.wait()
        return body


def outcome(task: asyncio.Task[Any]) -> Any:
    return type(task.exception()) if task.exception() else task.result()


def test_a_body_counts_until_its_block_ends() -> None:
    async def run() -> None:
        admission = Admission(max_body=10, timeout_s=1)
        async with admission.body(parts(b"abc", b"de")) as body:
            assert (body, admission.held) == (b"abcde", 5)
        assert admission.held == 0

    asyncio.run(run())


@pytest.mark.parametrize(("sent", "error"), [(parts(b"a" * 11), TooLong), (parts(b"a", then=9), TooSlow)])
def test_what_is_too_long_or_too_slow_gives_its_room_back(sent: AsyncIterator[bytes], error: type[Exception]) -> None:
    async def run() -> None:
        admission = Admission(max_body=10, timeout_s=SOON)
        with pytest.raises(error):
            await read(admission, sent)
        assert admission.held == 0

    asyncio.run(run())


def test_the_oldest_body_that_has_not_arrived_makes_room_for_another() -> None:
    async def run() -> None:
        admission = Admission(max_body=10, timeout_s=5, places=2)
        keep = asyncio.Event()
        whole = asyncio.create_task(read(admission, parts(b"w" * 8), keep))
        await asyncio.sleep(SOON)
        slow = [asyncio.create_task(read(admission, parts(bytes([65 + i]) * 7, then=9))) for i in range(2)]
        await asyncio.sleep(SOON)
        assert admission.held == 15, "the second slow one has taken the place of the first"
        assert [task.done() for task in (whole, *slow)] == [False, True, False]
        assert await read(admission, parts(b"n" * 10)) == b"n" * 10
        await asyncio.sleep(0)
        keep.set()
        await asyncio.wait([whole, *slow])
        assert [outcome(task) for task in (whole, *slow)] == [b"w" * 8, Busy, Busy]
        assert admission.held == 0

    asyncio.run(run())


def test_where_all_bodies_have_arrived_a_new_one_is_turned_away() -> None:
    async def run() -> None:
        admission = Admission(max_body=10, timeout_s=5, places=1)
        keep = asyncio.Event()
        whole = asyncio.create_task(read(admission, parts(b"w" * 8), keep))
        await asyncio.sleep(SOON)
        with pytest.raises(Busy):
            await read(admission, parts(b"abc"))
        keep.set()
        assert await whole == b"w" * 8
        assert await read(admission, parts(b"abc")) == b"abc"

    asyncio.run(run())


def test_bodies_are_counted_as_well_as_weighed() -> None:
    async def run() -> None:
        admission = Admission(max_body=10, timeout_s=SOON, bodies=3)
        waiting = [asyncio.create_task(read(admission, parts(then=9))) for _ in range(5)]
        await asyncio.wait(waiting)
        assert [outcome(task) for task in waiting] == [Busy, Busy, TooSlow, TooSlow, TooSlow]

    asyncio.run(run())


def test_places_are_given_in_turn_and_who_finds_the_queue_full_is_told_when_to_come_back() -> None:
    now = 0.0

    async def ask(admission: Admission, work: Callable[[], Awaitable[object]]) -> None:
        async with admission.place():
            await work()

    async def run() -> None:
        nonlocal now
        admission = Admission(max_body=10, timeout_s=5, places=1, queue=2, clock=lambda: now)
        go = asyncio.Event()
        asked = [asyncio.create_task(ask(admission, go.wait)) for _ in range(4)]
        await asyncio.sleep(SOON)
        assert outcome(asked[3]) is Busy
        assert isinstance(error := asked[3].exception(), Busy)
        assert error.retry_after_s == 3, "three of a second each"
        asked[1].cancel()
        now = 101.0
        go.set()
        await asyncio.wait(asked)
        assert asked[1].cancelled()
        full = [asyncio.create_task(ask(admission, asyncio.Event().wait)) for _ in range(4)]
        await asyncio.sleep(SOON)
        assert isinstance(error := full[3].exception(), Busy)
        assert 20 < error.retry_after_s <= 60, "requests take longer than they did"
        for task in full:
            task.cancel()

    asyncio.run(run())
