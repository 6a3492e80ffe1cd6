# pyright: strict
"""Which requests are served at once: bodies in memory, and places at the judges."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager

# A request at the judges may hold its body, and its pictures decoded, stacked and in the object store.
PLACES, QUEUE = 8, 64
BODIES = 256
"""bodies that may be on their way at the same time"""
LONGEST_RETRY_S = 60


class Busy(Exception):  # noqa: N818 - the server's state, not a mistake
    """There is no room for the request; there may be in `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"there are too many requests; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class TooLong(Exception):  # noqa: N818
    """A body has more bytes than one may have."""


class TooSlow(Exception):  # noqa: N818
    """A body had not arrived when its time was over."""


class _Body:
    """The bytes of one request, as far as they have arrived."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.whole = self.evicted = False
        self.deadline: asyncio.Timeout | None = None

    def evict(self) -> None:
        """Gives up its bytes and ends its reading, now."""
        self.evicted, self.parts = True, []
        if self.deadline is not None:
            self.deadline.reschedule(asyncio.get_running_loop().time())


class Admission:
    """Who may send a body, and who may ask the judges.

    A body is read before its request takes a place, so that a client that stops in the middle keeps nobody waiting. All
    bodies together are at most `bodies` and hold at most as many bytes as `places` of the longest; where there is no
    room for another, the oldest that has not arrived makes it. A request then waits for one of the `places`, behind
    `queue` others at most. Serves one event loop.
    """

    def __init__(
        self,
        max_body: int,
        timeout_s: float,
        places: int = PLACES,
        queue: int = QUEUE,
        bodies: int = BODIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_body, self._timeout_s = max_body, timeout_s
        self._places, self._queue, self._bodies = places, queue, bodies
        self._open: dict[_Body, None] = {}  # in the order in which they began
        self._free = asyncio.Semaphore(places)
        self._waiting = 0
        self._clock, self._mean_s = clock, 1.0

    @property
    def held(self) -> int:
        """Bytes of all bodies, arrived or not."""
        return sum(body.size for body in self._open)

    @asynccontextmanager
    async def body(self, parts: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        """Context manager: the body that comes in `parts`; its bytes count as held until the block ends.

        Raises TooLong, TooSlow where it takes more than `timeout_s`, and Busy.
        """
        body = _Body()
        self._open[body] = None
        try:
            yield await self._read(body, parts)
        finally:
            self._open.pop(body, None)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """Context manager: one of the judges' places. Raises Busy where too many wait for one."""
        if self._free.locked() and self._waiting >= self._queue:
            raise Busy(self._retry_after())
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        began = self._clock()
        try:
            yield
        finally:
            self._free.release()
            self._mean_s += 0.2 * (self._clock() - began - self._mean_s)

    async def _read(self, body: _Body, parts: AsyncIterable[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s) as body.deadline:
                self._make_room(body, 0)
                async for part in parts:
                    if body.size + len(part) > self._max_body:
                        raise TooLong
                    self._make_room(body, len(part))
                    body.parts.append(part)
                    body.size += len(part)
        except TimeoutError:
            if not body.evicted:
                raise TooSlow from None
        if body.evicted:
            raise Busy(self._retry_after())
        body.whole, whole, body.parts = True, b"".join(body.parts), []
        return whole

    def _make_room(self, body: _Body, size: int) -> None:
        while len(self._open) > self._bodies or self.held + size > self._places * self._max_body:
            oldest = next((other for other in self._open if not other.whole and other is not body), None)
            if oldest is None:
                raise Busy(self._retry_after())
            oldest.evict()
            del self._open[oldest]

    def _retry_after(self) -> int:
        """Seconds until those who wait now have been served, as far as the last requests tell."""
        return min(max(math.ceil(self._mean_s * (self._waiting + 1) / self._places), 1), LONGEST_RETRY_S)
