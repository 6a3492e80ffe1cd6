"""Question pairs for training the VQA model: two similar questions about a picture, answered no and yes."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np

from menagerie.datasets.wide_pictures import WidePictures
from menagerie.labels.mismatch import wrong_prompt
from menagerie.labels.questions import true_propositions
from menagerie.world.caption import FORMS, CaptionQuestion, Proposition, write_caption
from menagerie.world.picture import Picture

WRONG, NEAR, EACH = 8, 24, 32
"""Wrong captions of a picture, questions that are taken from other pictures' captions, and pairs of a picture."""


class QuestionPairs:
    """For each of `n` pictures, `EACH` pairs of questions of one type, the first answered no and the second yes.

    questions  the distinct questions
    asked      `[n, EACH, 2]`, indices of the pairs' questions
    right      `[n, EACH, 2]` bool, their answers; garbage shows nothing, so its answers are all no

    The questions come from the picture's own captions, from wrong ones, and from captions of other pictures, where they
    ask about an animal or a thing that the picture shows ("Is the cat holding a balloon?" where there is a cat). Since
    both questions of a pair are of one type, guessing without looking is right half of the time.
    """

    def __init__(self, dataset: WidePictures, seed: int) -> None:
        rng = random.Random(seed)
        own: list[dict[str, CaptionQuestion]] = []
        for picture in dataset.pictures:
            captions = []
            if picture:
                captions = [write_caption(picture.scene, "plain"), write_caption(picture.scene, "long")]
                captions += [wrong_prompt(picture, rng, rng.choice(FORMS)).caption for _ in range(WRONG)]
            own.append({question.question: question for caption in captions for question in caption.questions})
        bank = {text: question for questions in own for text, question in questions.items()}
        index = {text: i for i, text in enumerate(bank)}
        by_word: defaultdict[str, list[str]] = defaultdict(list)
        for text, question in bank.items():
            for word in question.proposition[1:]:
                by_word[word].append(text)
        anywhere = [text for text, q in bank.items() if q.proposition[0] not in ("setting", "backdrop")]
        self.questions = tuple(bank)
        self.asked = np.zeros((len(dataset), EACH, 2), np.int16)
        self.right = np.zeros((len(dataset), EACH, 2), bool)
        for i, (picture, questions) in enumerate(zip(dataset.pictures, own, strict=True)):
            true = true_propositions(picture) if picture else frozenset[Proposition]()
            near = [text for word in _objects(picture) for text in by_word[word]] or anywhere
            chosen = {**questions, **{text: bank[text] for text in rng.choices(near, k=NEAR)}}
            answers: tuple[defaultdict[str, list[int]], ...] = (defaultdict(list), defaultdict(list))
            for text, question in chosen.items():
                answers[question.proposition in true][question.type].append(index[text])
            no, yes = answers if picture else answers[:1] * 2
            types = [type_ for type_ in yes for _ in yes[type_] if type_ in no]
            for k, type_ in enumerate(rng.choices(types, k=EACH)):
                self.asked[i, k] = rng.choice(no[type_]), rng.choice(yes[type_])
            self.right[i, :, 1] = picture is not None


def _objects(picture: Picture | None) -> list[str]:
    """The animals and things of a picture, by the words that propositions use for them."""
    creatures = picture.scene.creatures if picture else ()
    return [c.species for c in creatures] + [c.held.kind for c in creatures if c.held]
