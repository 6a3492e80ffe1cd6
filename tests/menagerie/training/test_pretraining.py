"""Pre-training tasks of the rich-feedback model."""

from __future__ import annotations

import numpy as np
import pytest
from few_steps import assert_learns

from menagerie.datasets.rated_pictures import RatedPictures
from menagerie.recipes.rich import build
from menagerie.training.pretrain_patches import PatchClassifier
from menagerie.training.pretrain_reading import PROMPTS, UNKNOWN, ReadingPretraining, word_flags
from menagerie.training.pretrain_vision import VisionPretraining


def test_vision_learns_where_raters_clicked(rated: RatedPictures):
    model, _ = build("seven")
    task = VisionPretraining(model, rated)
    assert task.clicked.mean().item() == pytest.approx(rated.maps[:, 0].mean() / 255, rel=1e-4)
    i, y, x = np.argwhere(rated.maps[:, 0] == 255)[0]
    assert task.clicked[i, 8 * (y // 8) + x // 8] > 0
    assert_learns(task, lambda: task.loss(np.random.default_rng(0), batch=8))


def test_the_tokens_of_a_wrong_word_are_marked_and_none_between_words():
    spans = [(0, 1), (1, 5), (5, 9), (9, 10), (10, 13), (0, 0)]  # "a", " red", " cat", ",", " up", the end
    assert word_flags("a red cat, up", (False, True, True, False), spans) == [0, 1, 1, 1, 0, UNKNOWN]


def test_a_few_steps_teach_a_reader_to_spot_the_wrong_words_of_few_pictures(rated: RatedPictures):
    model, tokenizer = build("seven")
    task = ReadingPretraining(model, rated, tokenizer, PatchClassifier(128, rated.pictures), seed=1)
    assert len(task.ids) == PROMPTS * len(rated)
    somewhere, anything = task.places.any(1), (task.wrong == 1).any(1)
    assert not somewhere[~anything].any()
    assert somewhere[anything].float().mean() > 0.8
    assert 0.05 < (task.wrong == 1).sum() / (task.wrong != UNKNOWN).sum() < 0.5
    assert_learns(task, lambda: task.loss(np.random.default_rng(0), batch=4))
