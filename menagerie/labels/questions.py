"""Answered questions: the questions that a caption raises, with the answers that are true of a picture."""

from __future__ import annotations

from learners.judges.datasets.annotation import Artifact
from menagerie.world.caption import FEATURES, NUMBERS, SEEN, Caption, Proposition, groups, relation, size_word
from menagerie.world.picture import Picture
from rewards.judges.asking.questions import Question


def answered_questions(caption: Caption, picture: Picture) -> tuple[Question, ...]:
    """The questions that a caption raises, with the answers that are true of the picture.

    For the picture's own caption every answer is yes, unless an artifact has made its words untrue. A question about
    an animal that is not in the picture is answered no.
    """
    true = true_propositions(picture)
    return tuple(
        Question(question=q.question, type=q.type, element=q.element, answer="yes" if q.proposition in true else "no")
        for q in caption.questions
    )


def true_propositions(picture: Picture) -> frozenset[Proposition]:
    """All propositions that are true of a picture, of those that a caption can express.

    Artifacts make some of the scene's propositions untrue: a sign with scrambled letters has no text; a part or a thing
    that is omitted or out of frame does not exist; a floating animal is drawn too small to be big; one that grimaces
    or has lost its head does not sleep; recoloured ears are not black. Other artifacts change none.
    """
    scene = picture.scene
    seen = {name for name, (x1, y1, x2, y2) in picture.boxes if x2 > x1 and y2 > y1}
    found: set[Proposition] = {("setting", scene.setting), *(("backdrop", thing) for thing in SEEN[scene.setting])}
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
        if f"{kind}'s {FEATURES[kind][0]}" in seen and not (kind == "sheep" and _ears_are_recoloured(picture)):
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
    """The artifacts of a category that affect an animal of this species."""
    return [a for a in picture.artifacts if a.category == category and kind in a.caption.split()]


def _floats(picture: Picture, kind: str) -> bool:
    return any("floats" in a.caption for a in _hit(picture, "spatial relationship", kind))


def _ears_are_recoloured(picture: Picture) -> bool:
    """Whether the sheep's ears, which are black by default, are recoloured with its head. Then both lie in the box of
    the artifact; the other parts that may be recoloured, body and neck, never contain both."""
    ears = [box for name, box in picture.boxes if name == "sheep's ear"]
    return any(
        all(x1 <= ear[0] and y1 <= ear[1] and ear[2] <= x2 and ear[3] <= y2 for ear in ears)
        for x1, y1, x2, y2 in (a.box for a in _hit(picture, "chromatic irregularity", "sheep"))
    )
