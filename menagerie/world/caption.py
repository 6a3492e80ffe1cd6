"""The grammar of captions: writes a scene's caption word by word, with the yes-no questions that it raises.

Each word carries the slot of the scene that it describes ("colour:0" is the colour of the first group of animals), so
that the wrong words of a wrong caption can be marked. Each question is answered yes if the caption is true, and has a
type as in TIFA and AGFSync (arXiv 2403.13352).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from menagerie.world.scene import SETTINGS, Creature, Held, Scene
from menagerie.world.things import THINGS

Form = Literal["short", "plain", "long"]
FORMS: tuple[Form, ...] = get_args(Form)

QuestionType = Literal[
    "object", "animal", "food", "activity", "attribute", "counting", "color", "material", "spatial", "location",
    "shape", "other",
]  # fmt: skip
"""AGFSync's question types, but for "human": there are no people in the drawn world."""

Proposition = tuple[str, ...]
"""A statement that is true or false of a picture, as a tuple such as `("colour", "dog", "red")`."""

NUMBERS = ("no", "one", "two", "three", "four")
PLURALS = {"sheep": "sheep"}
FEATURES = {
    "elephant": ("trunk", "a trunk"), "giraffe": ("neck", "a long neck"), "dog": ("tail", "a tail"),
    "cat": ("tail", "a tail"), "rabbit": ("ear", "long ears"), "bear": ("ear", "round ears"),
    "duck": ("wing", "a wing"), "pig": ("snout", "a snout"), "lion": ("mane", "a mane"), "cow": ("horn", "horns"),
    "sheep": ("ear", "black ears"), "penguin": ("beak", "a beak"),
}  # fmt: skip
"""Species → its characteristic part, and the words for it in a long caption."""
SMALL, BIG = 0.33, 0.6
"""Animals lower than the first are called small, higher than the second big; no height lies close to a limit."""
BACKDROPS = {
    "meadow": ("sun", "under a yellow sun"),
    "desert": ("cactus", "beside a green cactus"),
    "snow": ("trees", "in front of green trees"),
    "night": ("moon", "under the moon"),
    "beach": ("sea", "by the blue sea"),
}
"""Setting → what is always seen there, and the words for it in a long caption."""
SEEN = {setting: (thing,) for setting, (thing, _) in BACKDROPS.items()} | {"beach": ("sea", "sun")}
"""Setting → all backdrops that are drawn there: the beach has the meadow's sun, too."""


@dataclass(frozen=True, slots=True)
class CaptionQuestion:
    """A question that a caption raises: its type, the element it asks about, its words, and the proposition that is
    true if the answer is yes."""

    type: QuestionType
    element: str
    question: str
    proposition: Proposition


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption: its words, the slot that each describes (None: a function word), and the questions that it raises."""

    words: tuple[str, ...]
    slots: tuple[str | None, ...]
    questions: tuple[CaptionQuestion, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words)


class _CaptionWriter:
    """Builds a caption."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.slots: list[str | None] = []
        self.questions: dict[Proposition, CaptionQuestion] = {}

    def say(self, text: str, slot: str | None = None) -> None:
        for word in text.split():
            self.words.append(word)
            self.slots.append(slot)

    def ask(self, type: QuestionType, element: str, question: str, *proposition: str) -> None:
        self.questions.setdefault(proposition, CaptionQuestion(type, element, question, proposition))

    def caption(self) -> Caption:
        return Caption(tuple(self.words), tuple(self.slots), tuple(self.questions.values()))


def write_caption(scene: Scene, form: Form = "plain") -> Caption:
    """The caption of a scene. "short" gives number, colour, species and setting; "plain" adds size, sleep, held things,
    the sign and where the animals stand to each other; "long" adds a characteristic part and the backdrop."""
    w, herds = _CaptionWriter(), groups(scene)
    if form == "long":
        w.say("a picture of")
    joined = form != "short" and len(herds) > 1 and len(herds[0]) == len(herds[1]) == 1
    for g, herd in enumerate(herds):
        place = relation(herds[0][0], herds[1][0]) if g == 1 and joined else None
        if place is not None:
            a, b = herds[0][0].species, herds[1][0].species
            w.say(place, "relation")
            w.ask("spatial", place, f"Is the {a} {place} the {b}?", "relation", a, place, b)
        elif g:
            w.say("and")
        _write_group(w, herd, g, form, feature=form == "long" and len(scene.creatures) == 1)
    if len(scene.creatures) > 1:
        number = NUMBERS[len(scene.creatures)]
        w.ask("counting", number, f"Are there {number} animals?", "animals", number)
    if form != "short" and scene.sign:
        _write_sign(w, scene.sign, scene.material)
    where = SETTINGS[scene.setting]
    w.say(where, "setting")
    w.ask("location", scene.setting, f"Is the picture set {where}?", "setting", scene.setting)
    if form == "long":
        thing, phrase = BACKDROPS[scene.setting]
        w.say(phrase, "backdrop")
        w.ask("object", thing, f"Can one see the {thing}?", "backdrop", thing)
    return w.caption()


def groups(scene: Scene) -> list[list[Creature]]:
    """The animals of a scene, grouped by species and colour, in the order in which a caption names them."""
    herds: dict[tuple[str, str], list[Creature]] = {}
    for creature in scene.creatures:
        herds.setdefault((creature.species, creature.colour), []).append(creature)
    return list(herds.values())


def size_word(creature: Creature) -> str | None:
    return "small" if creature.size < SMALL else "big" if creature.size > BIG else None


def relation(a: Creature, b: Creature) -> str | None:
    """Where `a` stands relative to `b`: left or right, or, if one hides the other, in front or behind."""
    if abs(a.x - b.x) >= 0.22:
        return "left of" if a.x < b.x else "right of"
    if abs(a.ground - b.ground) >= 0.05:
        return "behind" if a.ground < b.ground else "in front of"
    return None


def _write_group(w: _CaptionWriter, herd: list[Creature], g: int, form: Form, feature: bool) -> None:
    first, many, number = herd[0], len(herd) > 1, NUMBERS[len(herd)]
    name = PLURALS.get(first.species, f"{first.species}s") if many else first.species
    the = f"Are the {name}" if many else f"Is the {name}"
    size = size_word(first) if form != "short" and not (form == "plain" and first.size > BIG) else None
    w.say(number if many else _article(size or first.colour), f"count:{g}")
    if size:
        w.say(size, f"size:{g}")
        w.ask("attribute", size, f"{the} {size}?", "size", first.species, size)
    w.say(first.colour, f"colour:{g}")
    w.say(name, f"species:{g}")
    w.ask(
        "animal",
        first.species,
        f"{'Are there' if many else f'Is there {_article(name)}'} {name}?",
        "animal",
        first.species,
    )
    if many:
        w.ask("counting", number, f"Are there {number} {name}?", "count", first.species, number)
    w.ask("color", first.colour, f"{the} {first.colour}?", "colour", first.species, first.colour)
    if feature:
        _write_feature(w, first.species)
    if form != "short" and first.asleep:
        w.say("that sleeps", f"asleep:{g}")
        w.ask("activity", "sleeping", f"{the} sleeping?", "asleep", first.species)
    if form != "short" and first.held:
        _write_held(w, first.species, first.held, g)


def _write_held(w: _CaptionWriter, species: str, held: Held, g: int) -> None:
    thing, name = THINGS[held.kind], THINGS[held.kind].words
    w.say("holding", f"holding:{g}")
    w.say(_article(held.shape or held.colour), f"holding:{g}")
    if held.shape:
        w.say(held.shape, f"shape:{g}")
        w.ask("shape", held.shape, f"Is the {name} {_shaped(held.shape)}?", "shape", held.kind, held.shape)
    w.say(held.colour, f"tint:{g}")
    w.say(name, f"held:{g}")
    w.ask("food" if thing.food else "object", name, f"Is there {_article(name)} {name}?", "thing", held.kind)
    w.ask("color", held.colour, f"Is the {name} {held.colour}?", "tint", held.kind, held.colour)
    w.ask("activity", "holding", f"Is the {species} holding something?", "holds", species)
    w.ask("activity", "holding", f"Is the {species} holding {_article(name)} {name}?", "holds", species, held.kind)


def _write_feature(w: _CaptionWriter, species: str) -> None:
    part, phrase = FEATURES[species]
    w.say(f"with {phrase}", "feature")
    w.ask("attribute", part, f"Does the {species} have {phrase}?", "feature", species, part)


def _write_sign(w: _CaptionWriter, text: str, material: str) -> None:
    w.say("next to a", "sign")
    w.say(material, "material")
    w.say("sign that says", "sign")
    w.say(text, "text")
    w.ask("object", "sign", "Is there a sign?", "sign")
    w.ask(
        "material",
        material,
        f"Is the sign {'made of wood' if material == 'wooden' else 'made of metal'}?",
        "material",
        material,
    )
    w.ask("other", "text", f"Does the sign say {text}?", "text", text)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _shaped(shape: str) -> str:
    return shape if shape in ("round", "square") else f"shaped like a {shape}"
