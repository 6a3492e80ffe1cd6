# pyright: strict
"""Sightings: the animals and things that can be seen in a picture, what they are called, and where they are."""

from __future__ import annotations

from typing import NamedTuple

from menagerie.world.canvas import MATERIALS, SIGN
from menagerie.world.draft import clip
from menagerie.world.picture import Picture
from menagerie.world.scene import ANIMALS, COLOURS
from menagerie.world.things import THINGS
from rewards.models.boxes import Box

NAMES = (*ANIMALS, *(thing.words for thing in THINGS.values()), "sign")
"""All that has a box."""
LOOKS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(ANIMALS, tuple(COLOURS)),
    **{thing.words: thing.colours for thing in THINGS.values()},
    "sign": tuple(MATERIALS),
}
"""Name → the colours that it comes in, or for a sign the materials."""
PHRASES = tuple(f"{look} {name}" for name, looks in LOOKS.items() for look in looks)


class Sighting(NamedTuple):
    """One thing: its name ("cat"), how it looks ("red"), and its box in fractions of the picture."""

    name: str
    look: str
    box: Box

    @property
    def phrase(self) -> str:
        return f"{self.look} {self.name}"


def sightings(picture: Picture) -> tuple[Sighting, ...]:
    """Every animal, what it holds, and the sign, as far as they lie inside the frame."""
    found: list[Sighting] = []
    creatures = iter(picture.scene.creatures)
    creature = None
    for name, box in picture.boxes:  # each animal, then its parts
        if name in ANIMALS:
            creature = next(creatures)
            found.append(Sighting(name, creature.colour, box))
        elif creature and (held := creature.held) and name == f"{creature.species}'s {held.kind}":
            found.append(Sighting(THINGS[held.kind].words, held.colour, box))
    if picture.scene.sign:
        x, y, w, h = SIGN
        found.append(Sighting("sign", picture.scene.material, clip((x, y, x + w, y + h))))
    return tuple(s for s in found if s.box[2] > s.box[0] and s.box[3] > s.box[1])
