# pyright: strict
"""The errors that the command line turns into lines on stderr and an exit code; all others are bugs, with a traceback.

| exit code | what happened |
|---|---|
| 0   | the command did what it was asked |
| 1   | a run failed and can be continued (RunStopped), or there is a bug |
| 2   | bad input: nothing was started (ConfigError, PreflightError, RunBusyError, BadInput, a wrong command line), |
|     | or the system refused something to a command that is no run (a folder, a port, space) |
| 3   | an alarm ended the run, as `alarm.on_alarm` says it should (AlarmRang) |
| 129 | SIGHUP: the terminal was closed (Stopped) |
| 130 | Ctrl-C, which is SIGINT (Stopped) |
| 143 | SIGTERM (Stopped) |
"""

from __future__ import annotations

import errno
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
    """The signal `number` ended what was going on. Like Ctrl-C, it is no Exception."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number, self.exit_code = number, ExitCode(128 + number)


ADVICE = {
    errno.ENOSPC: "free some space there, or choose another folder",
    errno.EDQUOT: "free some space there, or choose another folder",
    errno.EACCES: "choose another place, or have its permissions changed",
    errno.EPERM: "choose another place, or have its permissions changed",
    errno.EROFS: "choose another place",
    errno.ENOENT: "make it, or choose another place",
    errno.ENOTDIR: "a part of the path is a file; choose another place",
    errno.EISDIR: "that is a folder; name a file",
    errno.EEXIST: "choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files (ulimit -n)",
    errno.ENOMEM: "free some memory",
    errno.EADDRINUSE: "choose another port",
    errno.ENOLCK: "choose a folder on a filesystem with locks",
    errno.ENOTSUP: "choose a folder on a filesystem that can do this",
    errno.EIO: "is that disk whole? choose another folder",
    errno.ESTALE: "is that filesystem still there? choose another folder",
}
"""What to do about what the system says; where there is nothing here, its own words are all there is to say."""


def in_words(error: OSError, tried: str = "") -> str:
    """What the system refused, in one line: what was `tried`, where, the system's own words, and what to do."""
    files = [str(file) for file in (error.filename, error.filename2) if file is not None]
    where = " → ".join(files)
    said = error.strerror or str(error) or type(error).__name__
    advice = ADVICE.get(error.errno or 0, "")
    what = ": ".join(part for part in (where, f"cannot {tried}" if tried else "", said) if part)
    return f"{what}; {advice}" if advice else what


@contextmanager
def trying(to: str) -> Generator[None]:
    """Context manager: what the system refuses inside becomes BadInput, which says what was tried.

    `to` completes "cannot ...": "write the report"."""
    try:
        yield
    except OSError as error:
        raise BadInput(in_words(error, to)) from error


@contextmanager
def as_bad_input(*kinds: type[Exception]) -> Generator[None]:
    """Context manager: an error of one of these `kinds` is the user's to put right, and becomes BadInput."""
    try:
        yield
    except kinds as error:
        raise BadInput(in_words(error) if isinstance(error, OSError) and error.errno else str(error)) from error
