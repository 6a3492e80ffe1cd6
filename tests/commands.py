# pyright: strict
"""The `salon` command in a test: what the `salon` fixture is, a small experiment, and refusals."""

from __future__ import annotations

from collections.abc import Callable

Salon = Callable[..., tuple[int, str, str]]
"""Runs a command line in this process; exit code, stdout, stderr"""

SMALL = """\
name: small
updates: 4
groups_per_update: 2
samples_per_prompt: 2
policy: {model: nowhere/policy}
prompts: {file: nowhere/prompts.txt}
rewards:
  judges:
    jpeg: {kind: jpeg}
"""

JURY = "rewards: {judges: {size: {kind: jpeg}, quality: {kind: jpeg, quality: 50, role: audit}}}\n"


def refused(result: tuple[int, str, str]) -> str:
    """The one line that says what is wrong."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("salon: ")
    assert err.count("\n") == 1, err
    return err
