# pyright: strict
"""Decoding of uploaded pictures: PNG or JPEG bytes to pixels, or a refusal with its reason."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from rewards.arrays import ImageArray
from rewards.settings.http import MAX_PIXELS

MAX_ASPECT = 16
"""longest side over shortest; judges scale the shortest side to hundreds of pixels, so a thin strip would explode"""
MAX_SCANS = 200
"""passes of a progressive JPEG; files have about ten, and thousands cost minutes to decode"""
WHITE = (255, 255, 255)


class UploadError(ValueError):
    """The bytes are no picture that judges can see. `status` is the HTTP status that says so: 413, 415 or 422."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def read_picture(data: bytes, max_pixels: int = MAX_PIXELS) -> ImageArray:
    """The picture in `data` as `[h, w, 3]` uint8, upright and in RGB.

    EXIF orientation is applied; what is transparent becomes white; 16-bit greys are scaled to 8 bits; a palette or CMYK
    is converted, without colour management. Size and shape are checked before any pixel is decoded, so that a small
    file cannot claim much memory. Raises UploadError for another format, a broken or animated file, and one over the
    limits.
    """
    if not data:
        raise UploadError(422, "the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
    except Image.DecompressionBombError:
        raise UploadError(413, f"has far more than the {max_pixels:,} pixels allowed") from None
    except Exception:  # a decoder may raise anything on a hostile file
        raise UploadError(415, "is no PNG or JPEG picture") from None
    with image:
        _check(image, data, max_pixels)
        try:
            return np.ascontiguousarray(upright_rgb(image))
        except Exception as error:
            raise UploadError(
                422, f"cannot be decoded: {' '.join(str(error).split()) or type(error).__name__}"
            ) from None


def _check(image: Image.Image, data: bytes, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise UploadError(413, f"has {width} × {height} pixels, more than the {max_pixels:,} allowed; scale it down")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise UploadError(
            422, f"is {width} × {height}: one side may be at most {MAX_ASPECT} times the other; crop or pad it"
        )
    # The second picture in a phone's JPEG (format MPO) is a depth map or preview, not a frame.
    frames = getattr(image, "n_frames", 1) if image.format == "PNG" else 1
    if frames > 1:
        raise UploadError(422, f"is animated ({frames} frames); send one frame as a PNG or JPEG")
    # A marker byte inside coded data is escaped, so this counts scans (and those of an embedded preview).
    if image.format != "PNG" and (scans := data.count(b"\xff\xda")) > MAX_SCANS:
        raise UploadError(422, f"is a JPEG of {scans} scans, more than the {MAX_SCANS} allowed; save it again")


def upright_rgb(image: Image.Image) -> ImageArray:
    """The pixels `[h, w, 3]` uint8 of `image`: EXIF orientation applied, on white where it is transparent."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip to 255 instead of scaling
        samples: np.ndarray[Any, Any] = np.asarray(image, np.float64)
        return np.repeat(np.rint(samples / 257).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, (*WHITE, 255))
        image = Image.alpha_composite(paper, image)
    return np.asarray(image.convert("RGB"))
