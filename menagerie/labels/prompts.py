"""Prompt lists of the wider world, in the categories of AGFSync (arXiv 2403.13352) but for "people"."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from menagerie.world.caption import FORMS, Caption, Form, write_caption
from menagerie.world.scene import Scene
from menagerie.world.things import THINGS
from menagerie.world.wide import sample_held, sample_wide_scene

LANDSCAPES, ANIMALS = "natural landscapes", "animals"
CATEGORIES = tuple(dict.fromkeys((LANDSCAPES, ANIMALS, *(thing.category for thing in THINGS.values()))))
"""Eleven of the paper's twelve; there are no people in the drawn world. Most are the category of a held thing."""


def write_prompts(file: Path, per_category: int, seed: int = 0) -> int:
    """Writes a file for `actors.prompts.PromptList`: `per_category` different prompts of each category.

    Their length varies. Each has metadata: the scene's, the category, and the questions that the prompt raises. Returns
    the number of prompts; raises FileExistsError.
    """
    if file.exists():
        raise FileExistsError(f"{file} is there already; give a new file, so that nothing is overwritten")
    rng, lines = random.Random(f"prompts {seed}"), dict[str, dict[str, Any]]()
    for category in CATEGORIES:
        wanted = len(lines) + per_category
        while len(lines) < wanted:
            scene, caption = sample_prompt(category, rng)
            questions = [{"question": q.question, "type": q.type, "element": q.element} for q in caption.questions]
            lines.setdefault(caption.text, {**scene.metadata(), "category": category, "questions": questions})
    with file.open("w", encoding="utf-8") as out:
        out.write(f"# The wider world: {per_category} prompts in each of {len(CATEGORIES)} categories.\n")
        out.writelines(f"{text}\t{json.dumps(metadata)}\n" for text, metadata in lines.items())
    return len(lines)


def sample_prompt(category: str, rng: random.Random) -> tuple[Scene, Caption]:
    """A random scene of the category, and a caption that shows the category."""
    scene, form = _scene(category, rng)
    return scene, write_caption(scene, form)


def _scene(category: str, rng: random.Random) -> tuple[Scene, Form]:
    scene = sample_wide_scene(rng)
    bare = replace(scene, creatures=tuple(replace(c, held=None) for c in scene.creatures))
    if category == LANDSCAPES:
        return bare, "long"
    if category == ANIMALS:
        return bare, rng.choice(FORMS)
    first = sample_wide_scene(rng, most=1).creatures[0]
    held = sample_held(rng, [kind for kind, thing in THINGS.items() if thing.category == category])
    return replace(bare, creatures=(replace(first, held=held, asleep=False),)), rng.choice(("plain", "long"))
