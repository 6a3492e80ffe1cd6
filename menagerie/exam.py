"""An exam: for each picture of a gallery, questions that it answers with yes and questions that it answers with no."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np

from menagerie.caption import FORMS, Claim, tell
from menagerie.gallery import Gallery
from menagerie.mismatch import wrong_prompt
from menagerie.picture import Picture
from menagerie.questions import facts

WRONG, NEAR, EACH = 6, 12, 16
"""Wrong captions that a picture is asked about, claims of others that it is asked about, and how many questions with
each answer it keeps."""


class Exam:
    """`questions`, each once; `asked` `[n, 2, EACH]`, the numbers of those that picture i answers with no (`[i, 0]`)
    and with yes (`[i, 1]`), some more than once where it has fewer; `right` of the same shape, the answers.

    A picture is asked what its own caption claims, what wrong ones claim, and what the captions of others claim about
    animals and things that it shows ("Is the cat holding a balloon?" where there is a cat). Garbage, which shows
    nothing, is asked about anything but where it is, and all of its answers are no.
    """

    def __init__(self, gallery: Gallery, seed: int) -> None:
        rng = random.Random(seed)
        own: list[dict[str, Claim]] = []
        for picture in gallery.pictures:
            captions = []
            if picture:
                captions = [tell(picture.scene, "plain"), tell(picture.scene, "long")]
                captions += [wrong_prompt(picture, rng, rng.choice(FORMS)).caption for _ in range(WRONG)]
            own.append({claim.question: claim for caption in captions for claim in caption.claims})
        bank = {question: claim for claims in own for question, claim in claims.items()}
        number = {question: i for i, question in enumerate(bank)}
        about: defaultdict[str, list[str]] = defaultdict(list)
        for question, claim in bank.items():
            for word in claim.fact[1:]:
                about[word].append(question)
        anywhere = [q for q, claim in bank.items() if claim.fact[0] not in ("setting", "backdrop")]
        self.questions = tuple(bank)
        self.asked = np.zeros((len(gallery), 2, EACH), np.int16)
        self.right = np.zeros((len(gallery), 2, EACH), bool)
        for i, (picture, claims) in enumerate(zip(gallery.pictures, own, strict=True)):
            true = facts(picture) if picture else frozenset()
            near = [question for word in _shown(picture) for question in about[word]] or anywhere
            chosen = {**claims, **{q: bank[q] for q in rng.choices(near, k=NEAR)}}
            answers: tuple[list[int], list[int]] = ([], [])
            for question, claim in chosen.items():
                answers[claim.fact in true].append(number[question])
            for answer in (0, 1):
                pool = answers[answer] or answers[1 - answer]
                self.asked[i, answer] = rng.sample(pool, EACH) if len(pool) >= EACH else rng.choices(pool, k=EACH)
                self.right[i, answer] = bool(answers[answer]) == bool(answer)


def _shown(picture: Picture | None) -> list[str]:
    """The animals and things of a picture, as facts call them."""
    creatures = picture.scene.creatures if picture else ()
    return [c.species for c in creatures] + [c.held.kind for c in creatures if c.held]
