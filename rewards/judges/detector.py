# pyright: strict
"""The detector judge: the confidence that everything the prompt names is in the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from rewards.arrays import ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.models.detection import Detection, Detector
from rewards.prompt_metadata import metadata_of, names_of
from rewards.settings.judge import ModelConfig
from rewards.settings.requirements import Extra, ModelSource
from rewards.settings.section import Precision
from rewards.verdict import Verdict

MAX_CLASSES = 100
"""How many one prompt may have looked for; prompts name a few."""


class DetectorConfig(ModelConfig):
    """An open-vocabulary detector: is everything in the picture that the prompt names?"""

    kind: str = "detector"
    model_types: ClassVar = ("owlv2",)
    backend: Literal["owlv2", "yoloworld"] = "owlv2"
    """yoloworld needs ultralytics, whose licence is AGPL-3.0, and a `model` folder that holds yolo-world.onnx"""
    metadata_keys: list[str] = Field(default_factory=lambda: ["class", "animals"])
    """keys of a prompt's metadata that say what to look for, by one name or a list; the first that is there counts
    (`animals` is where the drawn world's prompts have it)"""
    classes: list[str] = Field(default_factory=list)
    """what to look for where a prompt's metadata has none of `metadata_keys`"""
    threshold: float = Field(default=0.1, ge=0, le=1)
    """confidence above which an object is shown and counts as found; the value does not depend on it"""
    template: str = "a photo of a {}"
    """the sentence that a class name is put into (owlv2)"""
    dtype: Precision = "float32"
    """precision of the weights (owlv2)"""

    @field_validator("template")
    @classmethod
    def _one_blank(cls, template: str) -> str:
        if template.count("{}") != 1 or template.count("{") != 1 or template.count("}") != 1:
            raise ValueError("needs one {} where the class name goes")
        return template

    def cannot_judge(self, prompt: str, metadata: Mapping[str, Any]) -> str:
        if asked_classes(metadata, self.metadata_keys, self.classes):
            return ""
        keys = " or ".join(f"`{key}`" for key in self.metadata_keys)
        return f"it has no {keys} in its metadata, nor has the judge classes"

    def models(self) -> dict[str, ModelSource]:
        if self.backend == "yoloworld":
            return {"model": ModelSource(self.model, "yolo-world.onnx", converted=True)}
        return super().models()

    @property
    def requires(self) -> Extra | None:
        return Extra("ultralytics", "yoloworld") if self.backend == "yoloworld" else None


def asked_classes(metadata: Mapping[str, Any], keys: Sequence[str], default: Sequence[str]) -> list[str]:
    """The class names to look for, each once: what the metadata has under the first of `keys` that it has, else
    `default`."""
    named = (names_of(metadata, key) for key in keys)
    return list(dict.fromkeys(next((names for names in named if names is not None), default)))


class DetectorJudge(Judge):
    """Value: the best confidence of the asked class in the picture, 0..1; of several classes, the least of their bests.

    It does not count: two cats are one class.
    `text` has each class's best confidence, `boxes` the objects above `threshold`, labelled `NAME CONFIDENCE`,
    `scores` `found`, the share of the asked classes above `threshold`. Abstains where no class is asked for, more than
    MAX_CLASSES (and than there are in `classes`), or one that the detector cannot know. `backend` owlv2 knows any word;
    yoloworld (AGPL-3.0) those it was exported for.
    """

    Config = DetectorConfig

    def __init__(self, name: str, config: DetectorConfig, device: str = "cpu") -> None:
        self.name, self._classes, self._threshold = name, config.classes, config.threshold
        self._keys = config.metadata_keys
        self._detector = _detector(config, device)
        own = {"metadata_keys": self._keys} if "metadata_keys" in config.model_fields_set else {}
        self.version = fingerprint(None, kind="detector", detector=self._detector.version, classes=self._classes, **own)

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        # One picture at a time: each asks for classes of its own, and a batch of another size may round differently.
        return [
            self._verdict(image, asked_classes(known, self._keys, self._classes))
            for image, known in zip(images, metadata_of(len(images), metadata), strict=True)
        ]

    def _verdict(self, image: ImageArray, classes: list[str]) -> Verdict:
        if len(classes) > (most := max(MAX_CLASSES, len(self._classes))):
            text = f"the prompt has {len(classes):,} classes; at most {most} are looked for"
            return Verdict(self.name, "abstain", text=text, version=self.version)
        seen = self._detector.detect(image, classes) if classes else Detection({}, ())
        if not classes or len(seen.best) < len(classes):
            unknown = ", ".join(name for name in classes if name not in seen.best)
            text = f"cannot detect {unknown}" if unknown else ""
            return Verdict(self.name, "abstain", text=text, version=self.version)
        found = sum(confidence > self._threshold for confidence in seen.best.values()) / len(classes)
        return Verdict(
            self.name,
            "ok",
            value=min(seen.best.values()),
            scores={"found": found},
            text=", ".join(f"{label} {confidence:.2f}" for label, confidence in seen.best.items()),
            boxes=tuple((f"{one.label} {one.confidence:.2f}", one.box) for one in seen.found),
            version=self.version,
        )


def _detector(config: DetectorConfig, device: str) -> Detector:
    # Imported here, so that only the chosen one's libraries are.
    if config.backend == "yoloworld":
        from rewards.models.yolo_world import YoloWorld

        return YoloWorld(config.model, device, threshold=config.threshold)
    from rewards.models.owlv2 import Owlv2

    return Owlv2(config.model, device, threshold=config.threshold, template=config.template, dtype=config.dtype)
