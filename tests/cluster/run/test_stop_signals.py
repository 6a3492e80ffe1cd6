# pyright: strict
# ruff: noqa: PT012 (a signal is raised by what is done inside)
"""What becomes of a signal; the tests of the whole system send them to real runs."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from cluster.errors import ExitCode, Stopped
from cluster.run.stop_signals import STOPPING, StopSignals

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def no_signal_is_ignored() -> Iterator[None]:
    """As in a terminal: what starts the tests may have put them into the background."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_raises_with_its_exit_code_and_the_handlers_are_as_before(number: signal.Signals) -> None:
    with pytest.raises(Stopped) as stopped, StopSignals():
        signal.raise_signal(number)
    assert stopped.value.exit_code == CODES[number] == ExitCode(128 + number)
    assert all(signal.getsignal(n) == signal.SIG_DFL for n in STOPPING)


@pytest.mark.parametrize("number", STOPPING)
def test_a_loop_that_saves_first_sees_the_first_signal_and_the_second_ends_it(number: signal.Signals) -> None:
    with pytest.raises(Stopped), StopSignals() as stop:
        with stop.held():
            assert not stop.asked
            signal.raise_signal(number)
            assert stop.asked
            with pytest.raises(Stopped) as second:
                signal.raise_signal(signal.SIGINT)
            assert second.value.exit_code == CODES[number], "the first says why the run ends"
        raise AssertionError("the first signal was lost")


def test_a_failure_while_a_signal_waits_is_said() -> None:
    with pytest.raises(ValueError, match="the disk is full"), StopSignals() as stop, stop.held():
        signal.raise_signal(signal.SIGTERM)
        raise ValueError("the disk is full")


def test_a_signal_that_was_swallowed_is_raised_when_the_start_ends() -> None:
    with pytest.raises(Stopped) as stopped, StopSignals() as stop:
        with stop.kept_over(), contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGHUP)
        raise AssertionError("the signal was lost")
    assert stopped.value.exit_code == 129


class Destroyed:
    """Has a signal come while Python destroys it, when nothing that is raised can be passed on."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_python_could_not_pass_on_comes_again_and_leaves_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start = time.monotonic()
    with pytest.raises(Stopped), StopSignals():
        Destroyed()
        time.sleep(10)
    assert time.monotonic() - start < 5
    assert capsys.readouterr().err == ""


def test_an_interrupt_of_rays_own_keeps_the_number_of_its_signal() -> None:
    with pytest.raises(Stopped) as stopped, StopSignals():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None
    assert stopped.value.exit_code == 143


def test_the_exit_by_which_ray_answers_sigterm_is_that_signal_and_rays_handlers_are_gone() -> None:
    def rays(number: int, frame: object) -> None:
        sys.exit(number)

    with pytest.raises(Stopped) as stopped, StopSignals() as stop:
        with contextlib.suppress(Stopped), stop.kept_over():
            signal.signal(signal.SIGTERM, rays)
            signal.alarm(30)
            signal.raise_signal(signal.SIGTERM)
        assert signal.alarm(0) == 0, "Ray's alarm would have aborted the process"
        assert signal.getsignal(signal.SIGTERM) != rays
        stop.check()
    assert stopped.value.exit_code == 143


def test_an_error_after_a_signal_is_its_consequence_and_another_is_not() -> None:
    with pytest.raises(Stopped), StopSignals() as stop, stop.kept_over():
        with contextlib.suppress(Stopped):
            signal.raise_signal(signal.SIGINT)
        raise OSError("exception occurred in preexec_fn")
    with pytest.raises(OSError, match="no space left"), StopSignals() as stop, stop.kept_over():
        raise OSError("no space left")


def test_what_is_started_meanwhile_does_not_hear_that_the_terminal_is_closed() -> None:
    children: list[subprocess.Popen[bytes]] = []
    with pytest.raises(Stopped) as stopped, StopSignals() as stop:
        with stop.kept_over():
            children.append(subprocess.Popen(["sleep", "60"]))
            children[0].send_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGHUP)
        raise AssertionError("the signal was lost")
    assert stopped.value.exit_code == 129
    (child,) = children
    assert child.poll() is None
    child.kill()
    assert child.wait() == -signal.SIGKILL


def test_what_fails_because_of_a_signal_is_no_news_and_what_fails_by_itself_is() -> None:
    with pytest.raises(Stopped), StopSignals() as stop, stop.held(), stop.explaining():
        signal.raise_signal(signal.SIGTERM)
        raise ConnectionError("Ray is gone: it had the signal, too")
    with pytest.raises(ConnectionError), StopSignals() as stop, stop.held(), stop.explaining():
        raise ConnectionError("Ray is gone")


def test_an_impatient_user_does_not_interrupt_the_cleaning_up() -> None:
    cleaned = False
    with pytest.raises(Stopped), StopSignals() as stop:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            with stop.ignored():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)
                cleaned = True
    assert cleaned


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignals() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop.asked
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_outside_the_main_thread_nothing_is_changed() -> None:
    seen: list[bool] = []

    def use() -> None:
        with StopSignals() as stop, stop.held(), stop.kept_over(), stop.ignored():
            seen.append(stop.asked)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert seen == [False]


CLOSED = """
import sys, time
from cluster.run.stop_signals import StopSignals
from cluster.errors import Stopped
try:
    with StopSignals():
        print("running", flush=True)
        time.sleep(60)
except Stopped as stopped:
    print("nobody reads this", flush=True)
    print("nor this", file=sys.stderr, flush=True)
    sys.exit(stopped.exit_code)
"""


def test_when_the_terminal_is_closed_the_last_words_are_no_error() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CLOSED], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    assert b"running" in os.read(ours, 100)
    os.close(ours)
    process.send_signal(signal.SIGHUP)  # the kernel sends it to a session that has the terminal as its own
    assert process.wait(30) == 129
