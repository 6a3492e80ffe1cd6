# pyright: strict
"""Questions with their true answers: what is so in a picture, and what a caption claims about it."""

from __future__ import annotations

from learners.judges.datasets.annotation import Artifact
from menagerie.world.caption import FEATURES, NUMBERS, SEEN, Caption, Fact, groups, relation, size_word
from menagerie.world.picture import Picture
from rewards.judges.asking.questions import Question


def questions(caption: Caption, picture: Picture) -> tuple[Question, ...]:
    """The questions that a caption raises, answered by the picture.

    For the picture's own caption every answer is yes, unless damage has taken away what it says. A question about an
    animal that is not there is answered no.
    """
    true = facts(picture)
    return tuple(
        Question(question=c.question, type=c.kind, element=c.element, answer="yes" if c.fact in true else "no")
        for c in caption.claims
    )


def facts(picture: Picture) -> frozenset[Fact]:
    """All that is so in a picture and that a caption can claim.

    Letters that are scrambled say nothing, and a part or a thing that is missing, or lies outside the frame, is not
    there. An animal that floats is drawn too small to be big, one that grimaces or has lost its head does not sleep,
    and ears that are painted are not black. Other damage changes how things look and not what they are.
    """
    scene = picture.scene
    seen = {name for name, (x1, y1, x2, y2) in picture.boxes if x2 > x1 and y2 > y1}
    found: set[Fact] = {("setting", scene.setting), *(("backdrop", thing) for thing in SEEN[scene.setting])}
    found.add(("animals", NUMBERS[len(scene.creatures)]))
    for herd in groups(scene):
        kind = herd[0].species
        found |= {("animal", kind), ("colour", kind, herd[0].colour)}
        found.add(("count", kind, NUMBERS[sum(c.species == kind for c in scene.creatures)]))
    for creature in scene.creatures:
        kind, size = creature.species, size_word(creature)
        if size and not (size == "big" and _floats(picture, kind)):
            found.add(("size", kind, size))
        if creature.asleep and f"{kind}'s head" in seen and not _hit(picture, "awkward facial expression", kind):
            found.add(("asleep", kind))
        if f"{kind}'s {FEATURES[kind][0]}" in seen and not (kind == "sheep" and _ears_are_painted(picture)):
            found.add(("feature", kind, FEATURES[kind][0]))
        if (held := creature.held) and f"{kind}'s {held.kind}" in seen:
            found |= {
                ("holds", kind),
                ("holds", kind, held.kind),
                ("thing", held.kind),
                ("tint", held.kind, held.colour),
            }
            if held.shape:
                found.add(("shape", held.kind, held.shape))
        for other in scene.creatures:
            if place := relation(creature, other):
                found.add(("relation", kind, place, other.species))
    if scene.sign:
        found |= {("sign",), ("material", scene.material)}
        if "illegible letters" not in picture.categories:
            found.add(("text", scene.sign))
    return frozenset(found)


def _hit(picture: Picture, category: str, kind: str) -> list[Artifact]:
    """The artifacts of a category that an animal of this kind has."""
    return [a for a in picture.artifacts if a.category == category and kind in a.caption.split()]


def _floats(picture: Picture, kind: str) -> bool:
    return any("floats" in a.caption for a in _hit(picture, "spatial relationship", kind))


def _ears_are_painted(picture: Picture) -> bool:
    """Whether the sheep's ears, which are black by nature, have been painted with its head: in a box that holds both,
    since the body, which is the other part that may be painted, hides one of them at most."""
    ears = [box for name, box in picture.boxes if name == "sheep's ear"]
    return any(
        all(x1 <= ear[0] and y1 <= ear[1] and ear[2] <= x2 and ear[3] <= y2 for ear in ears)
        for x1, y1, x2, y2 in (a.box for a in _hit(picture, "chromatic irregularity", "sheep"))
    )
