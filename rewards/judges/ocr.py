"""The OCR judge: does the picture show the text that its prompt asks for?"""

from __future__ import annotations

import importlib.metadata
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rewards.extras import import_extra
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.judges.asked_text import asked_text
from rewards.verdict import Verdict


def letters(text: str) -> str:
    """What counts of a text: its letters and digits, without case, accents of width, spaces or punctuation."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).casefold()


class OcrJudge(Judge):
    """Value: 1 - d / max(|a|, |b|) in 0..1, d the Levenshtein distance of the text read, a, and the text asked for, b.

    Letters and digits count, case and spaces don't. A picture that shows no letters, or letters beside those asked
    for, loses value. Where the prompt asks for no text (`asked_text` says how it is found) the judge abstains. `text`
    is what was read, `boxes` where, `scores` `exact` (1 or 0) and, if something was read, `confidence`, the mean of its
    lines.

    The reader is PP-OCRv4 (Latin and Chinese letters) as it lies inside the package rapidocr-onnxruntime (Apache-2.0).
    `side` is the length in pixels that the shorter side is enlarged to for finding lines; the default suits the drawn
    world, where letters are 8 pixels high, and pictures of up to about 512 pixels.
    """

    def __init__(self, name: str, *, side: int = 256, min_confidence: float = 0.5) -> None:
        package = import_extra("rapidocr_onnxruntime", "ocr")
        self._similarity = import_extra("rapidfuzz.distance", "ocr").Levenshtein.normalized_similarity
        self.name = name
        # One thread, so that a number does not depend on the machine's cores. The turning of lines that stand on their
        # heads stays off: on short words it errs more than it helps.
        self._read = package.RapidOCR(
            det_limit_side_len=side,
            text_score=min_confidence,
            use_cls=False,
            intra_op_num_threads=1,
            inter_op_num_threads=1,
        )
        release = importlib.metadata.version("rapidocr-onnxruntime")
        models = str(Path(package.__file__).parent / "models")
        self.version = fingerprint(models, kind="ocr", release=release, settings=[side, min_confidence])

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        facts = metadata if metadata is not None else [{}] * len(images)
        return [
            self._verdict(image, asked_text(prompt, fact))
            for image, prompt, fact in zip(images, prompts, facts, strict=True)
        ]

    def _verdict(self, image: np.ndarray, asked: str | None) -> Verdict:
        wanted = letters(asked or "")
        if not wanted:
            return Verdict(self.name, "abstain", version=self.version)
        # The package takes an array for BGR, as OpenCV does.
        lines, _ = self._read(np.ascontiguousarray(image[..., ::-1]))
        read = [(str(text), float(sure), _around(corners, image)) for corners, text, sure in lines or []]
        seen = letters("".join(text for text, _, _ in read))
        scores = {"exact": float(seen == wanted)}
        if read:
            scores["confidence"] = float(np.mean([sure for _, sure, _ in read]))
        return Verdict(
            self.name,
            "ok",
            value=float(self._similarity(seen, wanted)),
            scores=scores,
            text=" ".join(text for text, _, _ in read),
            boxes=tuple((text, box) for text, _, box in read),
            version=self.version,
        )


def _around(corners: Sequence[Sequence[float]], image: np.ndarray) -> tuple[float, float, float, float]:
    """The upright box, in fractions of the picture, around four corners in pixels."""
    height, width = image.shape[:2]
    x, y = np.asarray(corners, np.float64).T
    return float(x.min() / width), float(y.min() / height), float(x.max() / width), float(y.max() / height)
