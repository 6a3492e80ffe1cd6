# pyright: strict
"""Work in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """A function that runs beside the caller: Ray Train blocks where it is called, and a run must stay answerable.

    The thread is a daemon: a run that ends without it does not wait for it.
    """

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._results: list[T] = []
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._results.append(work())
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=run, daemon=True, name=name)
        self._thread.start()

    def running(self) -> bool:
        """Whether the function has not returned yet."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Waits for the function to return, at most so long."""
        self._thread.join(seconds)

    def result(self) -> T:
        """What the function returned; raises what it raised. Waits for it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]
