# pyright: strict
"""The audit of judged pictures: what is kept of each, and which of them get a thumbnail."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image

from actors.config import AuditConfig
from actors.ticket import Ticket
from rewards.arrays import Array, ImageArray
from rewards.panel.disagreement import rank_disagreement
from rewards.verdict import Verdict


@dataclass(frozen=True, slots=True)
class JudgedPicture:
    """One picture's hash, prompt, verdicts and reward.

    image         SHA-256 of its pixels (the bytes of the uint8 `[h, w, 3]` array), in hex
    version       the policy version that drew it
    ticket        None for a picture of an evaluation; `sample` counts the pictures of its ticket or evaluation
    reward        None where the picture was not scored
    disagreement  of the train judges (`rank_disagreement`), None where it is not known
    verdicts      judge → verdict, without tensors
    thumbnail     suffix and content of an image file; None for most pictures
    """

    image: str
    prompt: str
    version: int
    ticket: int | None
    sample: int
    verdicts: Mapping[str, Verdict]
    reward: float | None = None
    disagreement: float | None = None
    thumbnail: tuple[str, bytes] | None = None


def judged_pictures(
    images: ImageArray,
    prompts: Sequence[str],
    verdicts: Mapping[str, Sequence[Verdict]],
    version: int,
    ticket: int | None = None,
) -> list[JudgedPicture]:
    """`n` pictures `[n, H, W, 3]` uint8 with their `n` prompts and `n` verdicts of each judge."""
    return [
        JudgedPicture(
            hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest(),
            prompt,
            version,
            ticket,
            i,
            # Where a judge gave another number of verdicts, none of them belongs to a picture.
            {judge: _without_arrays(its[i]) for judge, its in verdicts.items() if len(its) == len(images)},
        )
        for i, (image, prompt) in enumerate(zip(images, prompts, strict=True))
    ]


class Auditor:
    """Turns judged groups into audit entries; `train` names the judges whose disagreement counts."""

    def __init__(self, config: AuditConfig, train: Sequence[str]) -> None:
        self._config, self._train = config, tuple(train)

    def record(
        self,
        ticket: Ticket,
        version: int,
        images: ImageArray,
        verdicts: Mapping[str, Sequence[Verdict]],
        rewards: Array,
    ) -> list[JudgedPicture]:
        """The entries of one group: `images` `[n, H, W, 3]` uint8, `rewards` `[n]` with NaN for unscored.

        Those that the update may choose carry a thumbnail: what is best of an update is best of its group.
        """
        n = len(images)
        values = {j: [_value(v) for v in verdicts[j]] for j in self._train if len(verdicts.get(j, ())) == n}
        apart = rank_disagreement(values) if values else np.full(n, np.nan)
        pictures = [
            replace(picture, reward=_known(reward), disagreement=_known(d))
            for picture, reward, d in zip(
                judged_pictures(images, [ticket.prompt] * n, verdicts, version, ticket.id), rewards, apart, strict=True
            )
        ]
        chosen = thumbnails_for(pictures, self._config)
        return [
            replace(p, thumbnail=thumbnail(image, self._config.width)) if p.image in chosen else p
            for p, image in zip(pictures, images, strict=True)
        ]


def thumbnails_for(pictures: Sequence[JudgedPicture], config: AuditConfig) -> set[str]:
    """The hashes of the images that get a thumbnail; how many, `audit:` in the config says.

    The best and the worst by reward, the most disputed, and a sample. The sample takes the smallest hashes, so it is
    a uniform one, and needs no state. Every choice follows a total order, hence the choice from a whole is the choice
    from the choices of its parts.
    """
    scored = sorted((p.reward, p.image) for p in pictures if p.reward is not None)
    disputed = sorted((-p.disagreement, p.image) for p in pictures if p.disagreement)
    picked = scored[: config.worst] + scored[::-1][: config.best] + disputed[: config.disputed]
    return {image for _, image in picked} | set(sorted(p.image for p in pictures)[: config.sample])


def thumbnail(image: ImageArray, width: int = 192) -> tuple[Literal["png", "webp"], bytes]:
    """A uint8 `[h, w, 3]` picture as a file: PNG, pixel for pixel, up to `width` pixels wide, else WebP that wide."""
    picture, buffer = Image.fromarray(image), io.BytesIO()
    if picture.width <= width:
        picture.save(buffer, "PNG", optimize=True)
        return "png", buffer.getvalue()
    height = max(1, picture.height * width // picture.width)
    picture.resize((width, height), Image.Resampling.LANCZOS).save(buffer, "WEBP", quality=88)
    return "webp", buffer.getvalue()


def _without_arrays(verdict: Verdict) -> Verdict:
    return replace(verdict, boxes=(), heatmaps={}, features=None)


def _value(verdict: Verdict) -> float:
    return math.nan if verdict.value is None else verdict.value


def _known(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
