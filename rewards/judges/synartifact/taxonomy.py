# pyright: strict
"""The thirteen artifacts of SynArtifact (arXiv 2402.18068), read from configs/artifacts.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[3] / "configs" / "artifacts.yaml"


@dataclass(frozen=True, slots=True)
class ArtifactCategory:
    """A category of artifacts: the phrase that a classifier answers with, its group, and what it means."""

    name: str
    group: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All categories, in the file's order, and the phrase for a picture that has none."""

    artifacts: tuple[ArtifactCategory, ...]
    no_artifacts: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(artifact.name for artifact in self.artifacts)


def read_taxonomy(file: Path) -> Taxonomy:
    """The taxonomy in a YAML file. Raises ValueError for a name that the answer grammar could not read back."""
    data: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    artifacts = tuple(ArtifactCategory(**entry) for entry in data["artifacts"])
    phrases = [str(data["no_artifacts"]), *(artifact.name for artifact in artifacts)]
    for phrase in phrases:
        if "," in phrase or phrase != " ".join(phrase.split()) or phrase.endswith("."):
            raise ValueError(f"{file}: {phrase!r} has a comma, odd spaces or a final period; answers could not be read")
    if len({phrase.casefold() for phrase in phrases}) < len(phrases):
        raise ValueError(f"{file}: two artifacts have the same name")
    return Taxonomy(artifacts, phrases[0])


@cache
def _default() -> Taxonomy:
    return read_taxonomy(FILE)


ARTIFACTS = _default().artifacts
NO_ARTIFACTS = _default().no_artifacts
