"""Text-image mismatch: captions that are wrong about a picture, with the misaligned words and regions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from menagerie.labels.questions import true_propositions
from menagerie.world.canvas import SIGN
from menagerie.world.caption import (
    BACKDROPS,
    FEATURES,
    SEEN,
    Caption,
    Form,
    Proposition,
    groups,
    relation,
    size_word,
    write_caption,
)
from menagerie.world.picture import Picture
from menagerie.world.scene import ANIMALS, COLOURS, SETTINGS, WORDS, Creature, Held, Scene
from menagerie.world.things import THINGS
from rewards.boxes import Box

SIGN_SLOTS = frozenset({"sign", "text", "material"})
HELD_SLOTS = ("holding", "shape", "tint", "held")
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

Alteration = tuple[Scene, frozenset[str]]
"""A scene that differs from the picture's, and the slots of its caption that differ."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of a picture, labelled as in Rich Human Feedback.

    `misaligned` says for each word of the caption whether the picture contradicts it; `regions` are the boxes where it
    does, in fractions of the picture. A thing that is missing from the picture has no region.
    """

    caption: Caption
    misaligned: tuple[bool, ...]
    regions: tuple[Box, ...]

    @property
    def text(self) -> str:
        return self.caption.text


def right_prompt(picture: Picture, form: Form = "plain") -> Prompt:
    """The caption of the picture's own scene; words that an artifact has made untrue are misaligned."""
    return _prompt(picture, picture.scene, form, frozenset())


def wrong_prompt(picture: Picture, rng: random.Random, form: Form = "plain", things: int = 1) -> Prompt:
    """A caption that is wrong in `things` respects, or in as many as are possible: species, number, colour, setting, a
    held thing, a sign, a relation, …"""
    described, slots, wrong, true = picture.scene, frozenset[str](), 0, true_propositions(picture)
    for alter in rng.sample(ALTERATIONS, len(ALTERATIONS)):
        if wrong < things and (altered := alter(described, rng)) and not altered[1] & slots:
            if altered[1].isdisjoint(write_caption(altered[0], form).slots):  # this form does not mention it
                continue
            # Nothing new is untrue: either of two red dogs is "the red dog".
            if _untrue(altered[0], form, true) <= _untrue(described, form, true):
                continue
            described, slots, wrong = altered[0], slots | altered[1], wrong + 1
    assert wrong, "every scene has an animal, and every form names it"
    return _prompt(picture, described, form, slots)


def _untrue(described: Scene, form: Form, true: frozenset[Proposition]) -> frozenset[Proposition]:
    return frozenset(question.proposition for question in write_caption(described, form).questions) - true


def _prompt(picture: Picture, described: Scene, form: Form, slots: frozenset[str]) -> Prompt:
    caption = write_caption(described, form)
    wrong = slots | damaged_slots(picture)
    misaligned = tuple(slot is not None and slot in wrong for slot in caption.slots)
    at_fault = dict.fromkeys(slot for slot, bad in zip(caption.slots, misaligned, strict=True) if slot and bad)
    boxes = dict.fromkeys(box for slot in at_fault for box in _regions(picture, slot))
    regions = (box for box in boxes if box[2] > box[0] and box[3] > box[1])  # a box outside the frame is empty
    return Prompt(caption, misaligned, tuple(regions))


def damaged_slots(picture: Picture) -> frozenset[str]:
    """The slots of the picture's own caption that artifacts have made untrue: scrambled letters, missing parts, …"""
    true, scene, slots = true_propositions(picture), picture.scene, set[str]()
    if ("text", scene.sign) not in true:
        slots.add("text")
    first = scene.creatures[0].species
    if ("feature", first, FEATURES[first][0]) not in true:
        slots.add("feature")
    for g, (one, *_) in enumerate(groups(scene)):
        if (held := one.held) and ("thing", held.kind) not in true:
            slots |= {f"{what}:{g}" for what in HELD_SLOTS}
        if (size := size_word(one)) and ("size", one.species, size) not in true:
            slots.add(f"size:{g}")
        if one.asleep and ("asleep", one.species) not in true:
            slots.add(f"asleep:{g}")
    return frozenset(slots)


def _regions(picture: Picture, slot: str) -> Iterator[Box]:
    what, _, g = slot.partition(":")
    boxes = picture.boxes
    if what in ("setting", "backdrop"):
        yield WHOLE
    elif what in SIGN_SLOTS:
        if picture.scene.sign:
            x, y, w, h = SIGN
            yield (x, y, x + w, y + h)
    elif what == "feature":
        yield from (a.box for a in picture.artifacts if a.category in ("omitted", "chromatic irregularity"))
    elif what == "relation":
        yield from _animals(picture, (0, 1))
    else:
        herd = groups(picture.scene)[int(g)]
        held = [box for name, box in boxes if herd[0].held and name == f"{herd[0].species}'s {herd[0].held.kind}"]
        if what in HELD_SLOTS and held:
            yield held[0]
        else:
            yield from _animals(picture, [i for i, c in enumerate(picture.scene.creatures) if c in herd])


def _animals(picture: Picture, which: Iterable[int]) -> Iterator[Box]:
    whole = [box for name, box in picture.boxes if name in ANIMALS]
    yield from (whole[i] for i in which)


def other_species(scene: Scene, rng: random.Random) -> Alteration | None:
    g = rng.randrange(len(groups(scene)))
    species = rng.choice([a for a in ANIMALS if a not in {c.species for c in scene.creatures}])
    same = FEATURES[species] == FEATURES[groups(scene)[g][0].species]
    slots = {f"species:{g}"} if same else {f"species:{g}", "feature"}
    return _with_group(scene, g, lambda c: replace(c, species=species)), frozenset(slots)


def other_colour(scene: Scene, rng: random.Random) -> Alteration | None:
    g = rng.randrange(len(groups(scene)))
    colour = rng.choice([k for k in COLOURS if k != groups(scene)[g][0].colour])
    return _with_group(scene, g, lambda c: replace(c, colour=colour)), frozenset({f"colour:{g}"})


def other_number(scene: Scene, rng: random.Random) -> Alteration | None:
    herds = groups(scene)
    plain = [g for g, (c, *_) in enumerate(herds) if c.held is None and not c.asleep]
    plain = [g for g in plain if len(herds[g]) > 1 or len(herds) == 1]
    if not plain:
        return None
    g = rng.choice(plain)
    herds[g] = herds[g][:1] * rng.choice([n for n in (2, 3) if n != len(herds[g])])
    return replace(scene, creatures=tuple(c for herd in herds for c in herd)), frozenset({f"count:{g}"})


def other_setting(scene: Scene, rng: random.Random) -> Alteration | None:
    setting = rng.choice([s for s in SETTINGS if s != scene.setting])
    unseen = {"backdrop"} if BACKDROPS[setting][0] not in SEEN[scene.setting] else set[str]()
    return replace(scene, setting=setting), frozenset({"setting"} | unseen)


def other_text(scene: Scene, rng: random.Random) -> Alteration | None:
    if scene.sign is None:
        return None
    return replace(scene, sign=rng.choice([w for w in WORDS if w != scene.sign])), frozenset({"text"})


def other_material(scene: Scene, rng: random.Random) -> Alteration | None:
    if scene.sign is None:
        return None
    return replace(scene, material="metal" if scene.material == "wooden" else "wooden"), frozenset({"material"})


def missing_sign(scene: Scene, rng: random.Random) -> Alteration | None:
    return None if scene.sign else (replace(scene, sign=rng.choice(WORDS)), SIGN_SLOTS)


def other_held(scene: Scene, rng: random.Random) -> Alteration | None:
    return _with_held(scene, "held", lambda held: Held(_shapeless(rng, held.kind), held.colour))


def other_tint(scene: Scene, rng: random.Random) -> Alteration | None:
    return _with_held(
        scene, "tint", lambda held: replace(held, colour=rng.choice([k for k in COLOURS if k != held.colour]))
    )


def other_shape(scene: Scene, rng: random.Random) -> Alteration | None:
    def change(held: Held) -> Held | None:
        shapes = [shape for shape in THINGS[held.kind].shapes if shape != held.shape]
        return replace(held, shape=rng.choice(shapes)) if shapes else None

    return _with_held(scene, "shape", change)


def missing_held(scene: Scene, rng: random.Random) -> Alteration | None:
    first = scene.creatures[0]
    if len(scene.creatures) > 1 or first.held or first.asleep:
        return None
    kind = _shapeless(rng)
    other = replace(first, held=Held(kind, rng.choice(THINGS[kind].colours)))
    return replace(scene, creatures=(other,)), frozenset({"holding:0", "tint:0", "held:0"})


def wrongly_asleep(scene: Scene, rng: random.Random) -> Alteration | None:
    first = scene.creatures[0]
    if len(scene.creatures) > 1 or first.held or first.asleep:
        return None
    return replace(scene, creatures=(replace(first, asleep=True),)), frozenset({"asleep:0"})


def wrong_place(scene: Scene, rng: random.Random) -> Alteration | None:
    herds = groups(scene)
    if len(herds) < 2 or len(herds[0]) > 1 or len(herds[1]) > 1 or not relation(herds[0][0], herds[1][0]):
        return None
    return _swapped(scene), frozenset({"relation"})


ALTERATIONS: tuple[Callable[[Scene, random.Random], Alteration | None], ...] = (
    other_species, other_colour, other_number, other_setting, other_text, other_material, missing_sign, other_held,
    other_tint, other_shape, missing_held, wrongly_asleep, wrong_place,
)  # fmt: skip


def _swapped(scene: Scene) -> Scene:
    """The scene with the positions of the first two creatures exchanged."""
    a, b, *rest = scene.creatures
    there, here = replace(a, x=b.x, ground=b.ground), replace(b, x=a.x, ground=a.ground)
    return replace(scene, creatures=(there, here, *rest))


def _with_group(scene: Scene, g: int, change: Callable[[Creature], Creature]) -> Scene:
    herd = groups(scene)[g]
    return replace(scene, creatures=tuple(change(c) if c in herd else c for c in scene.creatures))


def _with_held(scene: Scene, what: str, change: Callable[[Held], Held | None]) -> Alteration | None:
    """The scene with the first held thing changed; None if there is none, or it cannot be changed in this respect."""
    for g, herd in enumerate(groups(scene)):
        if (held := herd[0].held) and (other := change(held)):
            return _with_group(scene, g, partial(_holding, other)), frozenset({f"{what}:{g}"})
    return None


def _holding(held: Held, creature: Creature) -> Creature:
    return replace(creature, held=held)


def _shapeless(rng: random.Random, but: str | None = None) -> str:
    return rng.choice([kind for kind, thing in THINGS.items() if kind != but and not thing.shapes])
