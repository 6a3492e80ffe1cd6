"""What users read of an error in another process."""

from __future__ import annotations

import pytest

from rewards.errors import last_line


class TaskError(Exception):
    """As Ray tells of it: frames in its text, and what was raised as its cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"ray::Actor.ready() (pid=1)\n  File x.py, line 1\n{type(cause).__name__}: {cause}")
        self.cause = cause


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("Traceback (most recent call last):\n  File x.py\nValueError: no such model\n\n", "ValueError: no such model"),
        (ValueError("no room\nfor 64 CPUs "), "for 64 CPUs"),
        (TaskError(ValueError("no such model")), "no such model"),
        (TaskError(RuntimeError()), "RuntimeError"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_the_last_line_that_says_something(error: object, line: str) -> None:
    assert last_line(error) == line
