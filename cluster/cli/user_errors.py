"""What the command line says when its user can put something right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


class BadInput(typer.TyperException):
    """Something the user can put right, said in one line."""


@contextmanager
def one_line(*kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds say all that a user needs; inside, they become BadInput."""
    try:
        yield
    except kinds as error:
        raise BadInput(str(error)) from error
