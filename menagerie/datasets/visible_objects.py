"""The objects that are visible in a picture: animals, things and signs, with their names and boxes."""

from __future__ import annotations

from typing import NamedTuple

from menagerie.world.canvas import MATERIALS, SIGN
from menagerie.world.draft import clip
from menagerie.world.picture import Picture
from menagerie.world.scene import ANIMALS, COLOURS
from menagerie.world.things import THINGS
from rewards.boxes import Box

NAMES = (*ANIMALS, *(thing.words for thing in THINGS.values()), "sign")
"""The names of all objects."""
APPEARANCES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(ANIMALS, tuple(COLOURS)),
    **{thing.words: thing.colours for thing in THINGS.values()},
    "sign": tuple(MATERIALS),
}
"""Name → the colours that it comes in, or the materials of a sign."""
PHRASES = tuple(f"{look} {name}" for name, looks in APPEARANCES.items() for look in looks)
"""All names with colour or material, such as "red cat"."""


class VisibleObject(NamedTuple):
    """An object: its name ("cat"), its colour or material ("red"), and its box in fractions of the picture."""

    name: str
    look: str
    box: Box

    @property
    def phrase(self) -> str:
        return f"{self.look} {self.name}"


def visible_objects(picture: Picture) -> tuple[VisibleObject, ...]:
    """Every animal, what it holds, and the sign; without those that are wholly outside the frame."""
    found: list[VisibleObject] = []
    creatures = iter(picture.scene.creatures)
    creature = None
    for name, box in picture.boxes:  # each animal, then its parts
        if name in ANIMALS:
            creature = next(creatures)
            found.append(VisibleObject(name, creature.colour, box))
        elif creature and (held := creature.held) and name == f"{creature.species}'s {held.kind}":
            found.append(VisibleObject(THINGS[held.kind].words, held.colour, box))
    if picture.scene.sign:
        x, y, w, h = SIGN
        found.append(VisibleObject("sign", picture.scene.material, clip((x, y, x + w, y + h))))
    return tuple(s for s in found if s.box[2] > s.box[0] and s.box[3] > s.box[1])
