# pyright: strict
"""Small copies of pictures."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
from PIL import Image

WIDTH = 192


def thumbnail(image: np.ndarray[Any, Any], width: int = WIDTH) -> tuple[Literal["png", "webp"], bytes]:
    """A uint8 `[h, w, 3]` picture as a file: PNG, pixel for pixel, up to `width` pixels wide, else WebP that wide."""
    picture, buffer = Image.fromarray(image), io.BytesIO()
    if picture.width <= width:
        picture.save(buffer, "PNG", optimize=True)
        return "png", buffer.getvalue()
    height = max(1, picture.height * width // picture.width)
    picture.resize((width, height), Image.Resampling.LANCZOS).save(buffer, "WEBP", quality=88)
    return "webp", buffer.getvalue()
