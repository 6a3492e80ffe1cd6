"""Contact sheets: enlarged pictures in a grid, with their boxes, captions and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from menagerie.labels.truth import Truth
from menagerie.world.picture import Picture
from menagerie.world.scene import ANIMALS
from menagerie.world.things import THINGS
from rewards.boxes import Box

Colour = tuple[int, int, int]
TEXT: Colour = (24, 24, 28)
THING: Colour = (255, 255, 255)
ARTIFACT: Colour = (214, 0, 58)
MISMATCH: Colour = (236, 130, 0)
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Words = list[tuple[str, Colour]]

SIDE, MARGIN, LINE, LINES = 256, 8, 15, 5


@dataclass(frozen=True, slots=True)
class Framed:
    """A picture with its coloured boxes, and the paragraphs of coloured words below it."""

    picture: Picture
    boxes: tuple[tuple[Box, Colour], ...]
    paragraphs: tuple[Words, ...]


def framed(shown: Picture | Truth) -> Framed:
    """Animals and things in white boxes, artifacts and their captions in red. A `Truth` adds the misaligned regions and
    words in orange, and the four scores."""
    picture = shown.picture if isinstance(shown, Truth) else shown
    boxes = [(box, THING) for name, box in picture.boxes if name in ANIMALS or name.rpartition("'s ")[2] in THINGS]
    boxes += [(a.box, ARTIFACT) for a in picture.artifacts]
    caption: Words = [(word, TEXT) for word in picture.caption.split()]
    paragraphs: list[Words] = []
    if isinstance(shown, Truth):
        boxes += [(box, MISMATCH) for box in shown.prompt.regions]
        marked = zip(shown.prompt.caption.words, shown.prompt.misaligned, strict=True)
        caption = [(word, MISMATCH if bad else TEXT) for word, bad in marked]
    paragraphs.append(caption)
    paragraphs += [[(word, ARTIFACT) for word in a.caption.split()] for a in picture.artifacts]
    if isinstance(shown, Truth):
        scores = zip(("plausible", "aligned", "aesthetic", "overall"), shown.quality.values(), strict=True)
        paragraphs.append([(f"{name} {value:.2f} ", (110, 110, 116)) for name, value in scores])
    return Framed(picture, tuple(boxes), tuple(paragraphs))


def contact_sheet(pictures: Sequence[Picture | Truth], columns: int = 6) -> Image.Image:
    """The pictures in a grid, four times enlarged, with boxes, captions, artifacts and misalignments."""
    font = ImageFont.load_default(size=12)
    wide, tall = SIDE + 2 * MARGIN, SIDE + MARGIN + LINES * LINE + MARGIN
    columns = min(columns, len(pictures))
    sheet = Image.new("RGB", (columns * wide, -(-len(pictures) // columns) * tall), "white")
    pen = ImageDraw.Draw(sheet)
    for i, shown in enumerate(map(framed, pictures)):
        x, y = i % columns * wide + MARGIN, i // columns * tall + MARGIN
        large = Image.fromarray(shown.picture.pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        sheet.paste(large, (x, y))
        for k, (box, colour) in enumerate(shown.boxes):
            _frame(pen, (x, y), box, colour, inset=k % 2)
        _write(pen, font, (x, y + SIDE + 3), shown.paragraphs)
    return sheet


def _frame(pen: ImageDraw.ImageDraw, at: tuple[int, int], box: Box, colour: Colour, inset: int) -> None:
    """Draws a box with a dark rim, which shows on any background; `inset` 1 makes it smaller, so that two show."""
    corners = [at[k % 2] + box[k] * (SIDE - 1) + (2 * inset if k < 2 else -2 * inset) for k in range(4)]
    if corners[2] - corners[0] < 4 or corners[3] - corners[1] < 4:
        return
    pen.rectangle(corners, outline=(30, 30, 34))
    inner = [c + d for c, d in zip(corners, (1, 1, -1, -1), strict=True)]
    pen.rectangle(inner, outline=colour, width=1 if colour == THING else 3)


def _write(pen: ImageDraw.ImageDraw, font: Font, at: tuple[int, int], paragraphs: Sequence[Words]) -> None:
    """Writes coloured words, wrapped to the picture's width; text that does not fit ends in an ellipsis."""
    x, y, line = 0.0, at[1], 1
    for paragraph in paragraphs:
        for k, (word, colour) in enumerate(paragraph):
            length = pen.textlength(f"{word} ", font=font)
            if k and x + length > SIDE:
                x, y, line = 0.0, y + LINE, line + 1
            if line > LINES:
                pen.text((at[0] + SIDE - 12, y - LINE), "…", fill=TEXT, font=font)
                return
            pen.text((at[0] + x, y), word, fill=colour, font=font)
            x += length
        x, y, line = 0.0, y + LINE, line + 1
