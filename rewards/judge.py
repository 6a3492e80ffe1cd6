# pyright: strict
"""The interface that every judge implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rewards.arrays import ImageArray
from rewards.settings.judge import JudgeConfig
from rewards.verdict import Verdict


@dataclass(frozen=True, slots=True)
class SubScore:
    """What a judge declares about one of its sub-scores (a key of `Verdict.scores`), for alarms, evaluations, reports.

    `label`           its words in a report; empty: the key itself
    `share`           whether it is 1 or 0 for every picture, so that its mean is a share of the pictures; the alarm
                      watches the shares of audit judges
    `flawless`        whether it is a share and 1 means that the judge found nothing wrong with the picture
    `tolerated_fall`  how far its mean may fall while the reward rises, before the gain counts as bought; None: as far
                      as it likes
    `relative`        whether `tolerated_fall` is a part of where the mean stood, and not an amount
    """

    label: str = ""
    share: bool = False
    flawless: bool = False
    tolerated_fall: float | None = None
    relative: bool = False


SubScores = Mapping[str, SubScore]


class Judge(ABC):
    """A frozen model (or formula) that looks at pictures and returns verdicts.

    A judge is a pure function of (image, prompt, judge version): the split, order or size of a batch does not change
    a verdict. `judge` blocks; the serving layer keeps it off the event loop. `version` is a short hash of everything
    that could change a verdict: weights, template, settings.

    A class with a `Config` is made as `Class(name, config, device)`, with the settings that were read by it.
    """

    Config: ClassVar[type[JudgeConfig]]
    """the keys of its entry in the YAML; a class of a user's own may do without"""
    sub_scores: ClassVar[SubScores] = {}
    """what is declared of its sub-scores, by key; "value" stands for the verdict's value itself"""

    heatmaps: ClassVar[tuple[str, ...]] = ()
    """the keys of its verdicts' heatmaps"""

    name: str
    version: str

    @abstractmethod
    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        """Verdicts for `images` `[n, h, w, 3]` uint8 and their `n` prompts, in order."""
