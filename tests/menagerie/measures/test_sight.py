"""What the judges that look are taught with: galleries, sightings, exams, patches; and how they are measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from learners.judges.metrics.average_precision import average_precisions
from menagerie.datasets.album import HELD_OUT
from menagerie.datasets.gallery import Gallery
from menagerie.datasets.question_pairs import EACH, QuestionPairs
from menagerie.datasets.sightings import NAMES, PHRASES, sightings
from menagerie.labels.questions import questions
from menagerie.recipes import detector, vqa
from menagerie.training.model_folder import MODELS, load_vae
from menagerie.training.tokenizers import VOCABULARY, clip_tokenizer
from menagerie.world.caption import tell
from menagerie.world.picture import Picture
from menagerie.world.wide import sample_wide
from rewards.models.boxes import Box
from rewards.models.detection import Found


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    return Gallery.drawn(150, HELD_OUT, load_vae(MODELS), rubbish=0.2, seed=3)


@pytest.fixture(scope="module")
def bank(gallery: Gallery) -> QuestionPairs:
    return QuestionPairs(gallery, seed=0)


def shown(gallery: Gallery) -> list[Picture]:
    return [picture for picture in gallery.pictures if picture]


def test_a_gallery_shows_pictures_as_drawn_and_as_decoded_and_garbage(gallery: Gallery):
    drawn = [np.array_equal(sample_wide(HELD_OUT + i, damaged=0.5).pixels, p) for i, p in enumerate(gallery.pixels)]
    assert 0.25 < np.mean(drawn) < 0.55
    assert 0.03 < np.mean([picture is None for picture in gallery.pictures]) < 0.25
    for i, picture in enumerate(gallery.pictures):
        assert picture is None or np.array_equal(picture.pixels, gallery.pixels[i])
    again = Gallery.drawn(150, HELD_OUT, load_vae(MODELS), rubbish=0.2, seed=3)
    assert np.array_equal(gallery.pixels, again.pixels)


def test_all_that_a_caption_names_is_sighted_with_its_look(gallery: Gallery):
    for picture in shown(gallery):
        seen = sightings(picture)
        assert {s.name for s in seen} <= set(NAMES)
        assert {s.phrase for s in seen} <= set(PHRASES)
        named = [c.species for c in picture.scene.creatures]
        assert sorted(s.name for s in seen if s.name in named) == sorted(named) or "out of frame" in picture.categories
        assert sum(s.name == "sign" for s in seen) == (picture.scene.sign is not None)
        for creature in picture.scene.creatures:
            assert any((s.name, s.look) == (creature.species, creature.colour) for s in seen)


def test_the_question_pairs_know_the_true_answers_and_ask_for_both(gallery: Gallery, bank: QuestionPairs):
    for i, picture in enumerate(gallery.pictures):
        if picture is None:
            assert not bank.right[i].any()
            continue
        assert bank.right[i].tolist() == [[False, True]] * EACH
        told = {q.question: q for q in questions(tell(picture.scene, "long"), picture)}
        pairs = [[told.get(bank.questions[k]) for k in pair] for pair in bank.asked[i]]
        for no, yes in pairs:
            assert no is None or no.answer == "no"
            assert yes is None or yes.answer == "yes"
            assert no is None or yes is None or no.type == yes.type
        assert any(yes for _, yes in pairs)


def test_a_question_has_a_token_for_each_word(bank: QuestionPairs):
    tokenizer = clip_tokenizer(words=vqa.WORDS)
    for question in bank.questions:
        words = question.replace("?", " ?").split()
        assert len(tokenizer(question)["input_ids"]) == len(words) + 2, question


@pytest.mark.parametrize("words", [VOCABULARY, vqa.WORDS, (*VOCABULARY, *PHRASES[0].split())])
def test_every_word_of_a_vocabulary_is_one_token(words: tuple[str, ...]):
    tokenizer = clip_tokenizer(words=words)
    assert [w for w in words if len(tokenizer(w)["input_ids"]) != 3] == []
    spelt = tokenizer("Zebra crossing")["input_ids"]
    assert tokenizer.decode(spelt, skip_special_tokens=True).split() == ["zebra", "crossing"]


def test_each_thing_has_a_patch_of_its_own_near_its_middle(gallery: Gallery):
    spots = detector.Spots(gallery)
    for patches, boxes in zip(spots.patch, spots.boxes, strict=True):
        used = patches[patches >= 0]
        assert len(set(used.tolist())) == len(used)
        for patch, (x, y, _, _) in zip(used, boxes[patches >= 0], strict=True):
            row, column = divmod(int(patch), detector.GRID)
            assert np.hypot((column + 0.5) / detector.GRID - x, (row + 0.5) / detector.GRID - y) < 0.2
    middle = np.array([0.51, 0.51])
    assert detector.nearest_free(middle, set()) == 36
    assert detector.nearest_free(middle, {36}) in (35, 28)


def test_the_detector_begins_by_reporting_nothing_where_it_looks(gallery: Gallery):
    model, tokenizer = detector.build()
    texts = tokenizer(["a cat", "a red sign"], padding="max_length", max_length=detector.LENGTH, return_tensors="pt")
    pixels = torch.from_numpy(gallery.pixels[:1]).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        out = model.eval()(pixel_values=pixels, **texts)
    assert out.logits.sigmoid().max() < 0.5
    assert torch.allclose(out.pred_boxes, model.box_bias.sigmoid()[None], atol=1e-4)


def ap50(truth: list[list[tuple[str, Box]]], found: list[list[Found]]) -> float:
    return float(np.mean(list(average_precisions(truth, found).values())))


def test_average_precision_is_that_of_coco():
    truth = [[("cat", (0.1, 0.1, 0.5, 0.5)), ("dog", (0.6, 0.6, 0.9, 0.9))], [("cat", (0.2, 0.2, 0.8, 0.8))]]
    exact = [[Found(label, 0.9, box) for label, box in seen] for seen in truth]
    assert ap50(truth, exact) == pytest.approx(1)
    aside = [[Found(label, 0.9, (x1 / 4, y1 / 4, x2 / 4, y2 / 4)) for label, (x1, y1, x2, y2) in t] for t in truth]
    assert ap50(truth, aside) == 0
    assert ap50(truth, [exact[0], []]) == pytest.approx((51 / 101 + 1) / 2)
    worse = [[*exact[0], Found("cat", 0.95, (0.6, 0.1, 0.9, 0.4))], exact[1]]
    assert 0.7 < ap50(truth, worse) < 1
    assert ap50(truth, [[], []]) == 0
