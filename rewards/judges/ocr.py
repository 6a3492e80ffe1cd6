# pyright: strict
"""The OCR judge: does the picture show the text that its prompt asks for?"""

from __future__ import annotations

import importlib.metadata
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from rewards.arrays import ImageArray
from rewards.extras import import_extra
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.prompt_metadata import metadata_of, names_of
from rewards.settings.judge import JudgeConfig
from rewards.settings.requirements import Extra
from rewards.verdict import Verdict

# A single quote opens only where no letter stands before it, and closes only where none follows: no apostrophes.
QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|‘([^’]+)’(?!\w)|(?<!\w)'([^']+)'(?!\w)")
SIGN = re.compile(
    r"\b(?:sign|board|banner|poster|label|billboard)s?\s+(?:(?:that|which)\s+)?(?:says?|reads?|saying|reading)\s+"
    r"((?:[A-Z0-9]+\b\s*)+|\w+)"
)


class OcrConfig(JudgeConfig):
    """PP-OCRv4 reads the picture: how close is that to the text that the prompt asks for?"""

    kind: str = "ocr"
    side: int = Field(default=256, ge=32)
    """pixels that a picture's shorter side is enlarged to for finding lines; larger sees smaller letters, and more that
    are none"""
    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """lines that are read with less are not counted"""

    def cannot_judge(self, prompt: str, metadata: Mapping[str, Any]) -> str:
        return "" if asked_text(prompt, metadata) else "it asks for no text, nor has it a `text` in its metadata"

    @property
    def requires(self) -> Extra:
        return Extra("rapidocr_onnxruntime", "ocr")


def asked_text(prompt: str, metadata: Mapping[str, Any]) -> str | None:
    """The text that `prompt` asks for, or None where it asks for none.

    In this order: `text` in the metadata (one, or a list of several); what stands in quotes; what a sign (board,
    banner, poster, label) `says` or `reads`: the words in capitals that follow, else one word.
    """
    if (texts := names_of(metadata, "text")) is not None:
        return " ".join(texts).strip() or None
    quoted = [next(part for part in found.groups() if part) for found in QUOTED.finditer(prompt)]
    if quoted:
        return " ".join(quoted)
    sign = SIGN.search(prompt)
    return sign.group(1).strip() if sign else None


def letters(text: str) -> str:
    """What counts of a text: its letters and digits, without case, accents of width, spaces or punctuation."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).casefold()


class OcrJudge(Judge):
    """Value: 1 - d / max(|a|, |b|) in 0..1, d the Levenshtein distance of the text read, a, and the text asked for, b.

    Letters and digits count, case and spaces don't. A picture that shows no letters, or others than those asked
    for, loses value. Where the prompt asks for no text (`asked_text` says how it is found) the judge abstains. `text`
    is what was read, `boxes` where, `scores` `exact` (1 or 0) and, if something was read, `confidence`, the mean of its
    lines.

    The reader is PP-OCRv4 (Latin and Chinese letters) as it lies inside the package rapidocr-onnxruntime (Apache-2.0).
    `side` is the length in pixels that the shorter side is enlarged to for finding lines; the default suits the drawn
    world, where letters are 8 pixels high, and pictures of up to about 512 pixels.
    """

    Config = OcrConfig

    def __init__(self, name: str, config: OcrConfig, device: str = "cpu") -> None:
        package = import_extra("rapidocr_onnxruntime", "ocr")
        self._similarity = import_extra("rapidfuzz.distance", "ocr").Levenshtein.normalized_similarity
        self.name = name
        # One thread, so that a number does not depend on the machine's cores. The turning of lines that stand on their
        # heads stays off: on short words it errs more than it helps.
        self._read = package.RapidOCR(
            det_limit_side_len=config.side,
            text_score=config.min_confidence,
            use_cls=False,
            intra_op_num_threads=1,
            inter_op_num_threads=1,
        )
        release = importlib.metadata.version("rapidocr-onnxruntime")
        models = str(Path(package.__file__).parent / "models")
        self.version = fingerprint(models, kind="ocr", release=release, settings=[config.side, config.min_confidence])

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        return [
            self._verdict(image, asked_text(prompt, known))
            for image, prompt, known in zip(images, prompts, metadata_of(len(images), metadata), strict=True)
        ]

    def _verdict(self, image: ImageArray, asked: str | None) -> Verdict:
        wanted = letters(asked or "")
        if not wanted:
            return Verdict(self.name, "abstain", version=self.version)
        # The package takes an array for BGR, as OpenCV does.
        found: tuple[list[Any] | None, object] = self._read(np.ascontiguousarray(image[..., ::-1]))
        lines = [
            (str(text), float(confidence), _around(corners, image)) for corners, text, confidence in found[0] or ()
        ]
        seen = letters("".join(text for text, _, _ in lines))
        scores = {"exact": float(seen == wanted)}
        if lines:
            scores["confidence"] = float(np.mean([confidence for _, confidence, _ in lines]))
        return Verdict(
            self.name,
            "ok",
            value=float(self._similarity(seen, wanted)),
            scores=scores,
            text=" ".join(text for text, _, _ in lines),
            boxes=tuple((text, box) for text, _, box in lines),
            version=self.version,
        )


def _around(corners: Sequence[Sequence[float]], image: ImageArray) -> tuple[float, float, float, float]:
    """The upright box, in fractions of the picture, around four corners in pixels."""
    height, width = image.shape[:2]
    x, y = np.asarray(corners, np.float64).T
    return float(x.min() / width), float(y.min() / height), float(x.max() / width), float(y.max() / height)
