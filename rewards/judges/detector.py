# pyright: strict
"""The detector judge: is everything in the picture that the prompt names?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.judges.prompt_metadata import names_of
from rewards.models.detection import Detection, Detector
from rewards.verdict import Verdict

MAX_CLASSES = 100
"""that one prompt may have looked for; prompts name a few"""


def asked_classes(metadata: Mapping[str, Any], default: Sequence[str]) -> list[str]:
    """The class names to look for, each once: `class` of the metadata (a name or a list), else `animals`, else
    `default`."""
    named = (names_of(metadata, key) for key in ("class", "animals"))
    return list(dict.fromkeys(next((names for names in named if names is not None), default)))


class DetectorJudge(Judge):
    """Value: the best confidence of the asked class in the picture, 0..1; of several classes, the least of their bests.

    It does not count: two cats are one class.
    `text` tells each class's best confidence, `boxes` the objects above `threshold`, labelled `NAME CONFIDENCE`,
    `scores` `found`, the share of the asked classes above `threshold`. Abstains where no class is asked for, more than
    MAX_CLASSES (and than there are in `classes`), or one that the detector cannot know. `backend` owlv2 knows any word;
    yoloworld (AGPL-3.0) those it was exported for.
    """

    def __init__(
        self,
        name: str,
        model: str,
        device: str = "cpu",
        *,
        backend: Literal["owlv2", "yoloworld"] = "owlv2",
        classes: Sequence[str] = (),
        threshold: float = 0.1,
        template: str = "a photo of a {}",
        dtype: str = "float32",
    ) -> None:
        self.name, self._classes, self._threshold = name, list(classes), threshold
        self._detector = _detector(backend, model, device, threshold, template, dtype)
        self.version = fingerprint(None, kind="detector", detector=self._detector.version, classes=self._classes)

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        facts: Sequence[Mapping[str, Any]] = metadata if metadata is not None else [dict[str, Any]()] * len(images)
        # One picture at a time: each asks for classes of its own, and a batch of another size may round differently.
        return [
            self._verdict(image, asked_classes(fact, self._classes)) for image, fact in zip(images, facts, strict=True)
        ]

    def _verdict(self, image: np.ndarray, classes: list[str]) -> Verdict:
        if len(classes) > (most := max(MAX_CLASSES, len(self._classes))):
            text = f"the prompt has {len(classes):,} classes; at most {most} are looked for"
            return Verdict(self.name, "abstain", text=text, version=self.version)
        seen = self._detector.detect(image, classes) if classes else Detection({}, ())
        if not classes or len(seen.best) < len(classes):
            unknown = ", ".join(name for name in classes if name not in seen.best)
            text = f"cannot detect {unknown}" if unknown else ""
            return Verdict(self.name, "abstain", text=text, version=self.version)
        found = sum(sure > self._threshold for sure in seen.best.values()) / len(classes)
        return Verdict(
            self.name,
            "ok",
            value=min(seen.best.values()),
            scores={"found": found},
            text=", ".join(f"{label} {sure:.2f}" for label, sure in seen.best.items()),
            boxes=tuple((f"{one.label} {one.confidence:.2f}", one.box) for one in seen.found),
            version=self.version,
        )


def _detector(backend: str, model: str, device: str, threshold: float, template: str, dtype: str) -> Detector:
    # Imported here, so that only the chosen one's libraries are.
    if backend == "yoloworld":
        from rewards.models.yolo_world import YoloWorld

        return YoloWorld(model, device, threshold=threshold)
    from rewards.models.owlv2 import Owlv2

    return Owlv2(model, device, threshold=threshold, template=template, dtype=dtype)
