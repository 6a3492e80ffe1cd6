"""Question pairs: for each picture of a gallery, pairs of like questions, one answered no and one answered yes."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np

from menagerie.datasets.gallery import Gallery
from menagerie.labels.mismatch import wrong_prompt
from menagerie.labels.questions import facts
from menagerie.world.caption import FORMS, Claim, tell
from menagerie.world.picture import Picture

WRONG, NEAR, EACH = 8, 24, 32
"""Wrong captions that a picture is asked about, claims of others that it is asked about, and pairs that it keeps."""


class QuestionPairs:
    """`questions`, each once; `asked` `[n, EACH, 2]`, the numbers of the two questions of each pair; `right` of the
    same shape, the answers: no and yes, but for garbage, which shows nothing and answers everything with no.

    A picture is asked what its own caption claims, what wrong ones claim, and what the captions of others claim about
    animals and things that it shows ("Is the cat holding a balloon?" where there is a cat). The two questions of a pair
    are of one type, so that whoever does not look is right half of the time, whatever is asked.
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
        self.asked = np.zeros((len(gallery), EACH, 2), np.int16)
        self.right = np.zeros((len(gallery), EACH, 2), bool)
        for i, (picture, claims) in enumerate(zip(gallery.pictures, own, strict=True)):
            true = facts(picture) if picture else frozenset()
            near = [question for word in _shown(picture) for question in about[word]] or anywhere
            chosen = {**claims, **{q: bank[q] for q in rng.choices(near, k=NEAR)}}
            answers: tuple[defaultdict[str, list[int]], ...] = (defaultdict(list), defaultdict(list))
            for question, claim in chosen.items():
                answers[claim.fact in true][claim.kind].append(number[question])
            no, yes = answers if picture else answers[:1] * 2
            kinds = [kind for kind in yes for _ in yes[kind] if kind in no]
            for k, kind in enumerate(rng.choices(kinds, k=EACH)):
                self.asked[i, k] = rng.choice(no[kind]), rng.choice(yes[kind])
            self.right[i, :, 1] = picture is not None


def _shown(picture: Picture | None) -> list[str]:
    """The animals and things of a picture, as facts call them."""
    creatures = picture.scene.creatures if picture else ()
    return [c.species for c in creatures] + [c.held.kind for c in creatures if c.held]
