# pyright: strict
"""The errors that end a run for want of judgement, and other processes' errors in one line."""

from __future__ import annotations


class JudgeFailed(RuntimeError):  # noqa: N818 - it names what happened, not a kind of error
    """A judge that counts could not answer, and `on_error: stop` says that this ends the run."""


class JurySilent(RuntimeError):  # noqa: N818 - it names what happened, not a kind of error
    """A train judge was asked for `give_up_s` and answered nothing: waiting longer would train nothing."""


class ExportError(RuntimeError):
    """What was written for others to read, read back as they read it, is not what was meant."""


def last_line(error: object) -> str:
    """The last line of an error's text that is not empty: in a traceback the error itself, without its frames.

    Of Ray's task errors it is that of the cause; an error without text gives its class's name.
    """
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__


def kind_of_reason(reason: str) -> str:
    """What a reason has in common with others of its kind: all but the brackets, in which somebody's own words are."""
    return reason.partition(" (")[0]


def shortened(text: str, length: int = 60) -> str:
    """`text`, with the middle left out if it is longer than `length`."""
    return text if len(text) <= length else f"{text[: length - 10]}…{text[-9:]}"


def first_line(error: Exception) -> str:
    """The error's class and the first line of its text."""
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"
