# pyright: strict
"""The grammar of captions: what a scene's caption says, word by word, and the claims that it makes.

Every word knows which slot of the scene it speaks of ("colour:0": the colour of the first group of animals), so that a
caption that says one thing too many or wrong knows which of its words are at fault. Every claim is a question whose
answer is yes when the caption is true, typed as TIFA and AGFSync (arXiv 2403.13352) type theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from menagerie.world.scene import SETTINGS, Creature, Held, Scene
from menagerie.world.things import THINGS

Form = Literal["short", "plain", "long"]
FORMS: tuple[Form, ...] = get_args(Form)

Kind = Literal[
    "object", "animal", "food", "activity", "attribute", "counting", "color", "material", "spatial", "location",
    "shape", "other",
]  # fmt: skip
"""The types of AGFSync; "human" is left out, because nobody lives in the drawn world."""

Fact = tuple[str, ...]
"""Something that is or is not so in a picture, such as `("colour", "dog", "red")`."""

NUMBERS = ("no", "one", "two", "three", "four")
PLURALS = {"sheep": "sheep"}
FEATURES = {
    "elephant": ("trunk", "a trunk"), "giraffe": ("neck", "a long neck"), "dog": ("tail", "a tail"),
    "cat": ("tail", "a tail"), "rabbit": ("ear", "long ears"), "bear": ("ear", "round ears"),
    "duck": ("wing", "a wing"), "pig": ("snout", "a snout"), "lion": ("mane", "a mane"), "cow": ("horn", "horns"),
    "sheep": ("ear", "black ears"), "penguin": ("beak", "a beak"),
}  # fmt: skip
"""Species → a part that it is known by, and how a caption says so."""
SMALL, BIG = 0.33, 0.6
"""Heights below the first are called small, above the second big; none lies near a limit."""
BACKDROPS = {
    "meadow": ("sun", "under a yellow sun"),
    "desert": ("cactus", "beside a green cactus"),
    "snow": ("trees", "in front of green trees"),
    "night": ("moon", "under the moon"),
    "beach": ("sea", "by the blue sea"),
}
"""Setting → what is always seen there, and how a long caption says so."""
SEEN = {setting: (thing,) for setting, (thing, _) in BACKDROPS.items()} | {"beach": ("sea", "sun")}
"""Setting → everything of the kind that is seen there: the meadow's sun shines on the beach as well."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One atomic thing that a caption says: its type, the element asked about, the question, and the fact behind it."""

    kind: Kind
    element: str
    question: str
    fact: Fact


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption: its words, the slot that each speaks of (None for grammar), and what it claims."""

    words: tuple[str, ...]
    slots: tuple[str | None, ...]
    claims: tuple[Claim, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words)


class _Writer:
    """A caption that is being written."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.slots: list[str | None] = []
        self.claims: dict[Fact, Claim] = {}

    def say(self, text: str, slot: str | None = None) -> None:
        for word in text.split():
            self.words.append(word)
            self.slots.append(slot)

    def claim(self, kind: Kind, element: str, question: str, *fact: str) -> None:
        self.claims.setdefault(fact, Claim(kind, element, question, fact))

    def caption(self) -> Caption:
        return Caption(tuple(self.words), tuple(self.slots), tuple(self.claims.values()))


def tell(scene: Scene, form: Form = "plain") -> Caption:
    """The caption of a scene. "short" says number, colour, animal and setting; "plain" adds size, sleep, held things,
    the sign and where the animals are from each other; "long" adds what they are known by and what lies behind."""
    w, herds = _Writer(), groups(scene)
    if form == "long":
        w.say("a picture of")
    joined = form != "short" and len(herds) > 1 and len(herds[0]) == len(herds[1]) == 1
    for g, herd in enumerate(herds):
        place = relation(herds[0][0], herds[1][0]) if g == 1 and joined else None
        if place is not None:
            a, b = herds[0][0].species, herds[1][0].species
            w.say(place, "relation")
            w.claim("spatial", place, f"Is the {a} {place} the {b}?", "relation", a, place, b)
        elif g:
            w.say("and")
        _tell_group(w, herd, g, form, feature=form == "long" and len(scene.creatures) == 1)
    if len(scene.creatures) > 1:
        number = NUMBERS[len(scene.creatures)]
        w.claim("counting", number, f"Are there {number} animals?", "animals", number)
    if form != "short" and scene.sign:
        _tell_sign(w, scene.sign, scene.material)
    where = SETTINGS[scene.setting]
    w.say(where, "setting")
    w.claim("location", scene.setting, f"Is the picture set {where}?", "setting", scene.setting)
    if form == "long":
        thing, phrase = BACKDROPS[scene.setting]
        w.say(phrase, "backdrop")
        w.claim("object", thing, f"Can one see the {thing}?", "backdrop", thing)
    return w.caption()


def groups(scene: Scene) -> list[list[Creature]]:
    """The animals of a scene in groups of one species and colour, in the order in which a caption names them."""
    herds: dict[tuple[str, str], list[Creature]] = {}
    for creature in scene.creatures:
        herds.setdefault((creature.species, creature.colour), []).append(creature)
    return list(herds.values())


def size_word(creature: Creature) -> str | None:
    return "small" if creature.size < SMALL else "big" if creature.size > BIG else None


def relation(a: Creature, b: Creature) -> str | None:
    """Where `a` is, seen from `b`: beside it, or, when one hides the other, before or behind it."""
    if abs(a.x - b.x) >= 0.22:
        return "left of" if a.x < b.x else "right of"
    if abs(a.ground - b.ground) >= 0.05:
        return "behind" if a.ground < b.ground else "in front of"
    return None


def _tell_group(w: _Writer, herd: list[Creature], g: int, form: Form, feature: bool) -> None:
    first, many, number = herd[0], len(herd) > 1, NUMBERS[len(herd)]
    name = PLURALS.get(first.species, f"{first.species}s") if many else first.species
    the = f"Are the {name}" if many else f"Is the {name}"
    size = size_word(first) if form != "short" and not (form == "plain" and first.size > BIG) else None
    w.say(number if many else _article(size or first.colour), f"count:{g}")
    if size:
        w.say(size, f"size:{g}")
        w.claim("attribute", size, f"{the} {size}?", "size", first.species, size)
    w.say(first.colour, f"colour:{g}")
    w.say(name, f"species:{g}")
    w.claim(
        "animal",
        first.species,
        f"{'Are there' if many else f'Is there {_article(name)}'} {name}?",
        "animal",
        first.species,
    )
    if many:
        w.claim("counting", number, f"Are there {number} {name}?", "count", first.species, number)
    w.claim("color", first.colour, f"{the} {first.colour}?", "colour", first.species, first.colour)
    if feature:
        _tell_feature(w, first.species)
    if form != "short" and first.asleep:
        w.say("that sleeps", f"asleep:{g}")
        w.claim("activity", "sleeping", f"{the} sleeping?", "asleep", first.species)
    if form != "short" and first.held:
        _tell_held(w, first.species, first.held, g)


def _tell_held(w: _Writer, species: str, held: Held, g: int) -> None:
    thing, name = THINGS[held.kind], THINGS[held.kind].words
    w.say("holding", f"holding:{g}")
    w.say(_article(held.shape or held.colour), f"holding:{g}")
    if held.shape:
        w.say(held.shape, f"shape:{g}")
        w.claim("shape", held.shape, f"Is the {name} {_shaped(held.shape)}?", "shape", held.kind, held.shape)
    w.say(held.colour, f"tint:{g}")
    w.say(name, f"held:{g}")
    w.claim("food" if thing.food else "object", name, f"Is there {_article(name)} {name}?", "thing", held.kind)
    w.claim("color", held.colour, f"Is the {name} {held.colour}?", "tint", held.kind, held.colour)
    w.claim("activity", "holding", f"Is the {species} holding something?", "holds", species)
    w.claim("activity", "holding", f"Is the {species} holding {_article(name)} {name}?", "holds", species, held.kind)


def _tell_feature(w: _Writer, species: str) -> None:
    part, phrase = FEATURES[species]
    w.say(f"with {phrase}", "feature")
    w.claim("attribute", part, f"Does the {species} have {phrase}?", "feature", species, part)


def _tell_sign(w: _Writer, text: str, material: str) -> None:
    w.say("next to a", "sign")
    w.say(material, "material")
    w.say("sign that says", "sign")
    w.say(text, "text")
    w.claim("object", "sign", "Is there a sign?", "sign")
    w.claim(
        "material",
        material,
        f"Is the sign {'made of wood' if material == 'wooden' else 'made of metal'}?",
        "material",
        material,
    )
    w.claim("other", "text", f"Does the sign say {text}?", "text", text)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _shaped(shape: str) -> str:
    return shape if shape in ("round", "square") else f"shaped like a {shape}"
