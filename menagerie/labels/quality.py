"""The true quality of a picture: the four scores of Rich Human Feedback, by formulas on the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from learners.judges.datasets.annotation import Artifact
from rewards.arrays import ImageArray
from rewards.judges.asking.questions import Question


@dataclass(frozen=True, slots=True)
class Quality:
    """Four scores in 0..1, higher is better."""

    plausibility: float
    alignment: float
    aesthetics: float
    overall: float

    @classmethod
    def of(cls, pixels: ImageArray, artifacts: Sequence[Artifact], questions: Sequence[Question]) -> Quality:
        """The scores of a picture `[h, w, 3]`, from its artifacts and the answered questions of its prompt.

        - plausibility: `Π_k (1 − (0.35 + 0.4·√a_k))` over the artifacts, `a_k` the share of the picture in the box of
          artifact k. A small artifact costs a little more than a third, one that fills the picture three quarters.
        - alignment: the square of the share of questions that are answered yes: a single mismatch is conspicuous.
        - aesthetics: `0.4·colourfulness + 0.2·contrast + 0.4·plausibility`; colourfulness by Hasler and Süsstrunk
          (2003) over 80, contrast the standard deviation of the luminance over 64, both at most 1.
        - overall: `0.4·plausibility + 0.4·alignment + 0.2·aesthetics`.
        """
        plausibility = float(np.prod([1 - (0.35 + 0.4 * _area(a) ** 0.5) for a in artifacts]))
        alignment = (sum(q.answer == "yes" for q in questions) / len(questions)) ** 2
        aesthetics = 0.4 * colourfulness(pixels) + 0.2 * contrast(pixels) + 0.4 * plausibility
        return cls(plausibility, alignment, aesthetics, 0.4 * plausibility + 0.4 * alignment + 0.2 * aesthetics)

    def values(self) -> tuple[float, ...]:
        """The scores in the order plausibility, alignment, aesthetics, overall."""
        return astuple(self)


def colourfulness(pixels: ImageArray) -> float:
    """Hasler and Süsstrunk's measure `σ + 0.3 μ` on the opponent colours, over 80 and at most 1; 0 for grey."""
    red, green, blue = (pixels[..., k].astype(float) for k in range(3))
    opponents = red - green, (red + green) / 2 - blue
    spread, mean = np.linalg.norm(np.std(opponents, (1, 2))), np.linalg.norm(np.mean(opponents, (1, 2)))
    return float(min(1.0, (spread + 0.3 * mean) / 80))


def contrast(pixels: ImageArray) -> float:
    """The standard deviation of the luminance, over 64 and at most 1."""
    luminance = pixels.astype(float) @ (0.299, 0.587, 0.114)
    return float(min(1.0, luminance.std() / 64))


def _area(artifact: Artifact) -> float:
    x1, y1, x2, y2 = artifact.box
    return (x2 - x1) * (y2 - y1)
