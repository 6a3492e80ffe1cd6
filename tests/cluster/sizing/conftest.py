"""Every experiment that Salon ships, for tests that ask the same of each."""

from __future__ import annotations

from pathlib import Path

import pytest

OTHERS = ("artifacts.yaml", "jury.yaml")
"""files of `configs` that are no experiments"""
EXPERIMENTS = sorted(path for path in Path("configs").glob("*.yaml") if path.name not in OTHERS)


@pytest.fixture(params=EXPERIMENTS, ids=lambda path: path.stem)
def config(request: pytest.FixtureRequest) -> Path:
    """The path of a shipped experiment."""
    return request.param


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shipped configs name their files from the root of the repository.

    So do the shapes' own tests, whose small models lie there."""
    monkeypatch.chdir(Path(__file__).parents[3])
