# pyright: strict
"""The errors that the command line turns into lines on stderr and an exit code; all others are bugs, with a traceback.

| exit code | what happened |
|---|---|
| 0   | the command did what it was asked |
| 1   | a run failed and can be continued (RunStopped), or there is a bug |
| 2   | bad input: nothing was started (ConfigError, PreflightError, RunBusyError, BadInput, a wrong command line) |
| 3   | an alarm ended the run, as `alarm.on_alarm` says it should (AlarmRang) |
| 129 | SIGHUP: the terminal was closed (Stopped) |
| 130 | Ctrl-C, which is SIGINT (Stopped) |
| 143 | SIGTERM (Stopped) |
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum


class ExitCode(IntEnum):
    """What `salon` exits with, as in the table above."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    ALARM = 3
    HUNG_UP = 128 + signal.SIGHUP
    INTERRUPTED = 128 + signal.SIGINT
    TERMINATED = 128 + signal.SIGTERM


class UserError(Exception):
    """What its message says is all that a user needs, one line per problem; a traceback would only hide it."""

    exit_code = ExitCode.FAILED


class BadInput(UserError, ValueError):  # noqa: N818
    """Something that the user can put right; nothing was started."""

    exit_code = ExitCode.BAD_INPUT


class ConfigError(BadInput):
    """The experiment cannot be run as it is written; one line per problem, each naming file and dotted key."""


class PreflightError(BadInput):
    """The run cannot start here as it is configured; one line per problem, each naming its key and what to do."""


class RunBusyError(BadInput):
    """Two processes want to write the same run."""


class RunStopped(UserError, RuntimeError):  # noqa: N818 (the name of the event)
    """The run ended before its last update; what it has made is kept, and the message says why."""


class AlarmRang(RunStopped):
    """The alarm ended the run, as `alarm.on_alarm` says it should."""

    exit_code = ExitCode.ALARM


class Stopped(KeyboardInterrupt):
    """A signal ended what was going on; `exit_code` says which. Like Ctrl-C, it is no Exception."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = ExitCode(128 + number)


@contextmanager
def as_bad_input(*kinds: type[Exception]) -> Generator[None]:
    """Context manager: an error of one of these `kinds` is the user's to put right, and becomes BadInput."""
    try:
        yield
    except kinds as error:
        raise BadInput(str(error)) from error
