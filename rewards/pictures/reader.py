# pyright: strict
"""Pictures from anywhere: files, bytes, PIL images and arrays become pixels, or are refused with the reason."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageFile, ImageOps

from rewards.arrays import ImageArray
from rewards.user_input.files import PICTURE_BYTES, read_user_file

Picture = str | Path | bytes | Image.Image | np.ndarray[Any, Any]
"""the path of a PNG or JPEG file, its bytes, a PIL image, or pixels `[h, w, 3]` uint8 in RGB"""

MAX_PIXELS = 64_000_000
"""width × height of a picture of one's own; what strangers send is limited further"""
MAX_ASPECT = 16
"""longest side over shortest; judges scale the shortest side to hundreds of pixels, so a thin strip would explode"""
MAX_SCANS = 200
"""passes of a progressive JPEG; files have about ten, and thousands cost minutes to decode"""
WHITE = (255, 255, 255)


class PictureError(ValueError):
    """It is no picture that judges can see. `status` is the HTTP status that says so: 413, 415 or 422."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def read_picture(picture: Picture, max_pixels: int = MAX_PIXELS) -> ImageArray:
    """The pixels `[h, w, 3]` uint8 of `picture`, upright and in RGB.

    EXIF orientation is applied; what is transparent becomes white; 16 bits are scaled to 8; a palette or CMYK is
    converted, without colour management. Size and shape are checked before any pixel is decoded, so that a small file
    cannot claim much memory. Raises PictureError for another format, a broken or animated file, and one over the
    limits, and ValueError for a file that cannot be read; both name the file, if it is one.
    """
    if isinstance(picture, str | Path):
        data = read_user_file(picture, PICTURE_BYTES)
        try:
            return _decoded(data, max_pixels)
        except PictureError as error:
            raise PictureError(error.status, f"{picture}: {error}") from None
    if isinstance(picture, bytes):
        return _decoded(picture, max_pixels)
    if isinstance(picture, Image.Image):
        _check_size(*picture.size, max_pixels)
        return _pixels(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise PictureError(422, f"a picture must be [h, w, 3] uint8 in RGB, not {list(picture.shape)} {picture.dtype}")
    _check_size(picture.shape[1], picture.shape[0], max_pixels)
    return picture


def _decoded(data: bytes, max_pixels: int) -> ImageArray:
    if not data:
        raise PictureError(422, "the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
    except Image.DecompressionBombError:
        raise PictureError(413, f"has far more than the {max_pixels:,} pixels allowed") from None
    except Exception:
        raise PictureError(415, "is no PNG or JPEG picture") from None
    with image:
        _check_size(*image.size, max_pixels)
        _check_file(image, data)
        return _pixels(image)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if not width * height:
        raise PictureError(422, f"is {width} × {height}: it has no pixels")
    if width * height > max_pixels:
        raise PictureError(413, f"has {width} × {height} pixels, more than the {max_pixels:,} allowed; scale it down")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PictureError(
            422, f"is {width} × {height}: one side may be at most {MAX_ASPECT} times the other; crop or pad it"
        )


def _check_file(image: ImageFile.ImageFile, data: bytes) -> None:
    # The second picture in a phone's JPEG (format MPO) is a depth map or preview, not a frame.
    frames = getattr(image, "n_frames", 1) if image.format == "PNG" else 1
    if frames > 1:
        raise PictureError(422, f"is animated ({frames} frames); send one frame as a PNG or JPEG")
    # A marker byte inside coded data is escaped, so this counts scans (and those of an embedded preview).
    if image.format != "PNG" and (scans := data.count(b"\xff\xda")) > MAX_SCANS:
        raise PictureError(422, f"is a JPEG of {scans} scans, more than the {MAX_SCANS} allowed; save it again")


def _pixels(image: Image.Image) -> ImageArray:
    try:
        return np.ascontiguousarray(_upright_rgb(image))
    except Exception as error:  # a decoder may raise anything on a hostile file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(422, f"cannot be decoded: {reason}") from None


def _upright_rgb(image: Image.Image) -> ImageArray:
    key = _transparent_colour(image)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip to 255 instead of scaling
        samples: np.ndarray[Any, Any] = np.asarray(image, np.float64)
        grey = np.where(samples == key, 255, np.rint(np.clip(samples / 257, 0, 255)))
        return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        if key is not None:
            image.info["transparency"] = key
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, (*WHITE, 255))
        image = Image.alpha_composite(paper, image)
    return np.asarray(image.convert("RGB"))


def _transparent_colour(image: Image.Image) -> int | bytes | tuple[int, ...] | None:
    """The colour that a PNG calls transparent, on the scale of the pixels that Pillow gives; None without one.

    Pillow scales pixels of 2, 4 and 16 bits to 8, but leaves this colour as the file has it. Of 16 bits in RGB it keeps
    the upper 8, so colours that differ in the lower are transparent together.
    """
    key: object = image.info.get("transparency")
    tiles = cast("list[Any]", getattr(image, "tile", None) or [])
    raw: object = tiles[0].args if tiles else None
    if isinstance(key, int) and raw in ("L;2", "L;4"):
        return key * (85 if raw == "L;2" else 17)
    if isinstance(key, tuple) and raw == "RGB;16B":
        return tuple(value >> 8 for value in cast("tuple[int, ...]", key))
    return cast("int | bytes | tuple[int, ...] | None", key)
