# pyright: strict
"""The conditions of an evaluation: what was asked, with which seeds, how it was drawn, and by which judges it was
judged. Two evaluations are comparable where these are equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from rewards.verdict import Verdict

KEY = "conditions"
"""key of an evaluation row"""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What two evaluations must share before their metrics are compared.

    asked     digest of prompts, metadata and seeds, in order; and how many prompts, and pictures of each
    drawn     the model and its precision, and the settings of the sampler, by name
    judges    judge → version, as its verdicts say
    """

    asked: str
    prompts: int
    samples: int
    drawn: Mapping[str, Any]
    judges: Mapping[str, str]

    @classmethod
    def of(
        cls,
        asked: Sequence[tuple[str, Mapping[str, Any]]],
        seeds: Sequence[int],
        drawn: Mapping[str, Any],
        verdicts: Mapping[str, Sequence[Verdict]],
    ) -> Self:
        """`asked` are the prompts with their metadata, `seeds` those of all pictures, as many for each prompt."""
        whole = json.dumps([[[prompt, dict(metadata)] for prompt, metadata in asked], list(seeds)])
        judges = {judge: "+".join(sorted({v.version for v in its if v.version})) for judge, its in verdicts.items()}
        digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
        return cls(digest, len(asked), len(seeds) // max(1, len(asked)), dict(drawn), judges)

    def row(self) -> dict[str, Any]:
        """As they stand in an evaluation row, under `conditions`."""
        return {
            "asked": self.asked,
            "prompts": self.prompts,
            "samples": self.samples,
            "drawn": dict(self.drawn),
            "judges": dict(self.judges),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self | None:
        """Those of an evaluation row; None for a row of an earlier release, or one that is damaged."""
        try:
            return TypeAdapter(cls).validate_python(row[KEY])
        except (KeyError, ValidationError):
            return None

    def __str__(self) -> str:
        settings = ", ".join(f"{key} {_said(value)}" for key, value in self.drawn.items() if value != "")
        return f"{self.prompts} prompts × {self.samples}: {settings}"


def differences(before: Conditions | None, after: Conditions | None) -> list[str]:
    """Why two evaluations are not comparable, in words: "steps 8 → 20"; empty if they are.

    Conditions that are not on record (None) differ from nothing: earlier releases did not write them.
    """
    if before is None or after is None:
        return []
    found = [
        f"{name} {_said(a)} → {_said(b)}"
        for name, a, b in [
            ("prompts", before.prompts, after.prompts),
            ("pictures of each", before.samples, after.samples),
            *((key, before.drawn.get(key, "none"), after.drawn.get(key, "none")) for key in _keys(before, after)),
        ]
        if a != b
    ]
    if before.asked != after.asked and before.prompts == after.prompts and before.samples == after.samples:
        found.append("other prompts or metadata")
    return found


def other_judges(before: Conditions | None, after: Conditions | None) -> list[str]:
    """The judges that are of another version in the second evaluation, so that their metrics are not comparable."""
    if before is None or after is None:
        return []
    return [j for j, version in before.judges.items() if j in after.judges and after.judges[j] != version]


def _keys(before: Conditions, after: Conditions) -> list[str]:
    return list(dict.fromkeys([*before.drawn, *after.drawn]))


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value) or '""'
