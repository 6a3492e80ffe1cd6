"""What strangers send as pictures, handled right or refused with a reason."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rewards.pictures.reader import MAX_SCANS, PictureError, read_picture


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def gradient(mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> Image.Image:
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    pixels = np.stack([rows * 255 // size[1], columns * 255 // size[0], 255 - rows * 255 // size[1]], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def png_header(width: int, height: int, rest: bytes = b"") -> bytes:
    """A PNG that says how large it is, and then holds next to nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = b"IDAT" + zlib.compress(rest)
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def refused(data: bytes, **limits: int) -> PictureError:
    with pytest.raises(PictureError) as error:
        read_picture(data, **limits)
    return error.value


def test_a_png_comes_back_pixel_by_pixel_and_a_jpeg_nearly():
    picture = gradient()
    assert np.array_equal(read_picture(encoded(picture)), np.asarray(picture))
    near = read_picture(encoded(picture, "JPEG", quality=95)).astype(int)
    assert np.abs(near - np.asarray(picture, int)).max() < 24


def test_a_palette_with_a_transparent_colour_is_laid_on_white():
    palette = gradient().quantize(16)
    seen = read_picture(encoded(palette))
    assert np.array_equal(seen, np.asarray(palette.convert("RGB")))
    clear = palette.getpixel((0, 0))
    seen = read_picture(encoded(palette, transparency=clear))
    assert seen[0, 0].tolist() == [255, 255, 255]
    assert seen[-1, -1].tolist() == np.asarray(palette.convert("RGB"))[-1, -1].tolist()


def test_half_transparent_pixels_are_laid_on_white():
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert np.unique(read_picture(encoded(half))).tolist() == [127]


def test_sixteen_bit_greys_keep_their_brightness():
    grey = np.array([[0, 257 * 128, 65535]] * 2, np.uint16)
    seen = read_picture(encoded(Image.fromarray(grey)))
    assert seen.shape == (2, 3, 3)
    assert seen[0, :, 0].tolist() == [0, 128, 255]


def test_sixteen_bit_colours_keep_their_brightness():
    colours = np.array([[0x00, 0x80, 0xFF]], np.uint16) * 257
    raw = b"\x00" + colours.astype(">u2").tobytes()
    data = png_header(1, 1, raw).replace(b"\x08\x02\x00\x00\x00", b"\x10\x02\x00\x00\x00", 1)
    header = data[12:29]
    data = data[:29] + struct.pack(">I", zlib.crc32(header)) + data[33:]
    assert read_picture(data).tolist() == [[[0, 128, 255]]]


def test_a_cmyk_jpeg_looks_as_it_did():
    seen = read_picture(encoded(gradient("CMYK"), "JPEG", quality=95)).astype(int)
    assert np.abs(seen - np.asarray(gradient(), int)).max() < 24


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_camera_was_held_any_way_and_the_picture_is_upright(orientation: int, kind: str):
    upright = gradient(size=(24, 16))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    seen = read_picture(encoded(stored, kind, exif=exif)).astype(int)
    assert np.abs(seen - np.asarray(upright, int)).max() < 24


@pytest.mark.parametrize("side", [10_000, 2**31 - 1])
def test_a_picture_that_claims_too_many_pixels_is_refused_before_it_is_decoded(side: int):
    error = refused(png_header(side, side))
    assert error.status == 413
    assert "pixels" in str(error)


def test_ten_thousand_pixels_in_a_strip_are_refused_because_judges_would_blow_it_up():
    error = refused(encoded(Image.new("RGB", (10_000, 1))))
    assert (error.status, "at most 16 times" in str(error)) == (422, True)


def test_the_pixel_limit_counts_pixels():
    data = encoded(gradient(size=(24, 16)))
    assert read_picture(data, max_pixels=24 * 16).shape == (16, 24, 3)
    assert "24 × 16 pixels, more than the 383 allowed" in str(refused(data, max_pixels=24 * 16 - 1))


def test_an_animation_is_refused():
    frames = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(3)]
    error = refused(encoded(frames[0], save_all=True, append_images=frames[1:]))
    assert (error.status, "animated (3 frames)" in str(error)) == (422, True)


def test_the_first_picture_of_a_phones_double_jpeg_is_seen():
    second = Image.new("RGB", (6, 4))
    data = encoded(gradient(), "MPO", save_all=True, append_images=[second], quality=95)
    assert read_picture(data).shape == (16, 24, 3)


def test_a_jpeg_of_thousands_of_scans_is_refused():
    data = encoded(gradient(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    many = data[:last] + data[last:-2] * (MAX_SCANS + 1) + b"\xff\xd9"
    error = refused(many)
    assert (error.status, "scans" in str(error)) == (422, True)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP", "TIFF"])
def test_another_format_is_refused(kind: str):
    assert refused(encoded(gradient(), kind)).status == 415


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"\xff\xd8\xff", b"%PDF-1.7"])
def test_what_is_no_picture_is_refused(data: bytes):
    assert refused(data).status in (415, 422)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_picture_is_refused(kind: str):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(picture, kind)
    error = refused(data[: len(data) // 2])
    assert (error.status, "cannot be decoded" in str(error)) == (422, True)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["PNG", "JPEG"]), st.data())
def test_flipped_bytes_give_a_picture_or_a_refusal_and_nothing_else(kind: str, data: st.DataObject):
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = bytearray(encoded(gradient(), kind, exif=exif))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PictureError):
        seen = read_picture(bytes(whole))
        assert (seen.dtype, seen.ndim, seen.shape[2]) == (np.uint8, 3, 3)


def deep_png(depth: int, colour: int, samples: np.ndarray, key: bytes = b"") -> bytes:
    """A PNG of `samples` `[h, w, channels]` with `depth` bits each, of which the colour `key` is transparent."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = samples.shape[:2]
    bits = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(*samples.shape, 2), axis=-1)[..., 16 - depth :]
    rows = np.packbits(bits.reshape(height, -1), axis=1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    transparent = chunk(b"tRNS", key) if key else b""
    return b"\x89PNG\r\n\x1a\n" + header + transparent + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("depth", "values"), [(16, (0, 40_000, 1_000)), (8, (0, 200, 9)), (4, (0, 9, 3)), (2, (0, 2, 1))]
)
def test_the_transparent_colour_of_a_grey_png_is_white_whatever_its_depth(depth: int, values: tuple[int, int, int]):
    black, light, clear = values
    grey = np.array([[[black], [light], [clear]]])
    seen = read_picture(deep_png(depth, 0, grey, struct.pack(">H", clear)))[0, :, 0].tolist()
    assert seen == [0, round(light * 255 / (2**depth - 1)), 255]
    opaque = read_picture(deep_png(depth, 0, grey))[0, :, 0].tolist()
    assert opaque == [0, seen[1], round(clear * 255 / (2**depth - 1))]


@pytest.mark.parametrize("depth", [8, 16])
def test_the_transparent_colour_of_a_png_in_rgb_is_white(depth: int):
    scale = 257 if depth == 16 else 1
    colours = np.array([[[10, 20, 30], [200, 20, 30]]]) * scale
    key = struct.pack(">HHH", *(colours[0, 0].tolist()))
    assert read_picture(deep_png(depth, 2, colours, key)).tolist() == [[[255, 255, 255], [200, 20, 30]]]


def test_one_reader_takes_files_bytes_images_and_pixels(tmp_path: Path):
    picture = gradient()
    file = tmp_path / "a.png"
    picture.save(file)
    for form in (file, str(file), file.read_bytes(), picture, np.asarray(picture)):
        assert np.array_equal(read_picture(form), np.asarray(picture))
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(PictureError):
            read_picture(wrong)
    with pytest.raises(PictureError, match="at most 16 times"):
        read_picture(Image.new("RGB", (1000, 1)))


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo.png")
    for path, said in (
        (tmp_path / "fifo.png", "is a pipe"),
        (Path("/dev/zero"), "is a device"),
        (tmp_path / "absent.png", "there is no such file"),
        (tmp_path / "a\0b", "NUL"),
    ):
        with pytest.raises(ValueError, match=said):
            read_picture(path)
