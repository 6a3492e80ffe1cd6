# pyright: strict
"""The signals that stop a run: SIGINT, SIGTERM and SIGHUP, whatever Ray makes of them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import FrameType, TracebackType
from typing import Any, NoReturn

from cluster.errors import Stopped

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 0.2


class StopSignals:
    """Context manager: a signal of STOPPING raises Stopped in the main thread, or is kept for a loop that asks for it.

    - Inside `held`, the first signal only sets `asked`, so that the loop can save what it has; the second raises.
    - A signal is never lost: code that calls back into Python, as Ray's does while it starts, may swallow what a
      handler raises, or raise a bare KeyboardInterrupt in its place. It comes again a moment later, and `check` raises
      it, too.
    - A signal that is ignored when the block begins (`nohup`, `&` in a script) stays ignored.

    `ray.init` puts handlers of its own in the place of these; `kept_over` puts them back. Outside the main thread
    Python has no handlers, and nothing is ever asked.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._held = self._deaf = False
        self._terminals: list[int] = []
        self._again: AbstractContextManager[None] | None = None
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {n: signal.getsignal(n) for n in STOPPING if signal.getsignal(n) != signal.SIG_IGN}
            self._terminals = [fd for fd in (1, 2) if os.isatty(fd)]
            self._again = _raised_again()
            self._again.__enter__()
            self._install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._again is not None:
            self._again.__exit__(kind, error, trace)
        if isinstance(error, KeyboardInterrupt):
            self.check()  # which signal it was

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._first is not None

    def check(self) -> None:
        """Raises Stopped if a signal has come."""
        if self._first is not None:
            raise Stopped(self._first)

    @contextmanager
    def held(self) -> Generator[None]:
        """Context manager: the first signal is kept until the block ends, and raised then."""
        self.check()
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.check()

    @contextmanager
    def kept_over(self) -> Generator[None]:
        """Context manager for code that replaces the handlers, as `ray.init` does: they are back when it ends, and what
        came meanwhile is raised, whatever other handlers have made of it. An error that follows a signal is taken for
        its consequence, and so is the exit by which Ray answers SIGTERM.

        SIGHUP waits until it ends, and the processes that it starts never hear it: a terminal that is closed tells all
        of them, and without Ray there would be no last checkpoint. (Ray does the same with SIGINT.)
        """
        if not self._before:
            yield
            return
        ours, pythons = socket.socketpair()
        for end in (ours, pythons):
            end.setblocking(False)
        before = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            yield
        except (SystemExit, Exception):
            self._note(ours)
            self.check()
            raise
        finally:
            signal.set_wakeup_fd(before)
            signal.alarm(0)  # Ray's handler in C++ would abort the process when this runs out
            self._install()
            self._note(ours)
            ours.close()
            pythons.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self.check()

    @contextmanager
    def explaining(self) -> Generator[None]:
        """Context manager: an error that follows a signal is taken for its consequence, as when Ray had it, too."""
        try:
            yield
        except Exception:
            self.check()
            raise

    @contextmanager
    def ignored(self) -> Generator[None]:
        """Context manager for what must be done whatever comes: a signal is kept, and raised by nobody."""
        self._deaf = True
        try:
            yield
        finally:
            self._deaf = False

    def _install(self) -> None:
        for number in self._before:
            signal.signal(number, self._handle)

    def _note(self, wakeups: socket.socket) -> None:
        """Python writes the number of every signal there, whoever handles it."""
        with contextlib.suppress(BlockingIOError):
            came = [number for number in wakeups.recv(4096) if number in self._before]
            self._first = self._first or next(iter(came), None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        signal.alarm(0)
        if number == signal.SIGHUP:
            _let_go(self._terminals)
        again = self.asked
        self._first = self._first or number
        if not self._deaf and (again or not self._held):
            raise Stopped(self._first)


def leave(stopped: Stopped) -> NoReturn:
    """Ends this process with the exit code of the signal; to be called when everything is put away.

    At once, because Python's own way out crashes now and then when Ray was interrupted while it started, and takes
    seconds with torch and Ray in memory.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # a terminal that is gone
            stream.flush()
    os._exit(stopped.exit_code)


@contextmanager
def _raised_again() -> Generator[None]:
    """Context manager: a Stopped that Python could not pass on, as out of a destructor, comes again a moment later."""
    later: list[threading.Timer] = []
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, Stopped):
            before(unraisable)
            return
        later.append(threading.Timer(AGAIN_S, os.kill, (os.getpid(), unraisable.exc_value.number)))
        later[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in later:
            timer.cancel()


def _let_go(terminals: Sequence[int]) -> None:
    """Whatever is written to a terminal that is gone would raise an error: these files lead nowhere from now on."""
    with open(os.devnull, "w") as nowhere:
        for fd in terminals:
            if not os.isatty(fd):
                os.dup2(nowhere.fileno(), fd)
