"""Framing: a picture of any size as the policy draws them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from rewards.arrays import ImageArray


def framed(picture: ImageArray, height: int, width: int, *, mirrored: bool = False) -> ImageArray:
    """A picture `[height, width, 3]` of one `[h, w, 3]`, uint8.

    The middle of `picture`, cropped to the proportions of `height` × `width` and scaled to that size;
    `mirrored` left to right if asked. A picture of the right size stays as it is, pixel by pixel."""
    h, w, _ = picture.shape
    if (h, w) != (height, width):
        scale = min(h / height, w / width)
        top = (h - scale * height) / 2
        left = (w - scale * width) / 2
        box = (left, top, left + scale * width, top + scale * height)
        resized = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS, box)
        picture = np.asarray(resized)
    if mirrored:
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)
