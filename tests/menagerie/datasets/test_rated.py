"""Rated pictures, and what the rich-feedback model takes over from the VQA model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BlipForQuestionAnswering

from learners.judges.metrics.rich_feedback import word_metrics
from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.rated import Rated
from menagerie.recipes.rich import Lesson, build
from menagerie.training.init_weights import inherit_names, inherit_vision
from menagerie.training.model_folder import MODELS, load_vae
from menagerie.training.pretrain_patches import LABELS, Naming
from menagerie.training.pretrain_reading import PROMPTS, UNKNOWN, Spotting, word_flags
from menagerie.training.pretrain_vision import Looking


@pytest.fixture(scope="module")
def rated() -> Rated:
    return Rated.drawn(40, 5, load_vae(MODELS))


def assert_learns(lesson: nn.Module, loss: Callable[[], torch.Tensor], steps: int = 8) -> None:
    """A few steps on the same few pictures must lower the loss."""
    optimizer = torch.optim.AdamW(lesson.train().parameters(), 1e-3)
    losses: list[float] = []
    for _ in range(steps):
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < losses[0] * 0.8


def test_pictures_are_drawn_from_their_numbers_alone(rated: Rated):
    again = Rated.drawn(20, 25, load_vae(MODELS))
    assert again.prompts == rated.prompts[20:]
    assert np.array_equal(again.scores, rated.scores[20:])
    assert np.array_equal(again.maps, rated.maps[20:])
    assert rated.maps[:, 0].any((1, 2)).mean() > 0.3
    assert set(np.unique(rated.maps)) <= {0, 85, 170, 255}


def test_another_panel_rates_the_same_pictures(rated: Rated):
    other = Rated.drawn(40, 5, load_vae(MODELS), raters=24, panel=1)
    assert other.prompts == rated.prompts
    assert np.array_equal(other.qualities, rated.qualities)
    assert not np.array_equal(other.scores, rated.scores)
    truth, few, many = rated.qualities[:, 0], rated.scores[:, 0], other.scores[:, 0]
    assert np.abs(many - truth).mean() < np.abs(few - truth).mean()


def test_word_figures_by_hand(rated: Rated):
    one = Rated(
        rated.pixels[:2],
        ("a red dog and a red cat", "a pig"),
        ((False, True, False, False, False, True, True), (False, False)),
        rated.scores[:2],
        rated.maps[:2],
        rated.qualities[:2],
        rated.pictures[:2],
    )
    figures = word_metrics([("red", "cat"), ("pig",)], one.prompts, one.misaligned)
    assert figures["misaligned words precision"] == pytest.approx(2 / 3)
    assert figures["misaligned words recall"] == pytest.approx(2 / 3)
    assert figures["misaligned words F1"] == pytest.approx(2 / 3)
    assert word_metrics([(), ()], one.prompts, one.misaligned)["misaligned words F1"] == 0


def test_a_vit_that_inherits_a_tower_sees_what_the_tower_sees():
    tower = BlipForQuestionAnswering.from_pretrained(MODELS / "vqa", dtype=torch.float32).vision_model.eval()
    model, _ = build("seven")
    inherit_vision(model.eval(), tower)
    pixels = torch.rand(4, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        theirs, mine = tower(pixel_values=pixels), model.vit(pixel_values=pixels)
    torch.testing.assert_close(mine.last_hidden_state, theirs.last_hidden_state, rtol=1e-4, atol=1e-4)


def test_words_begin_as_the_patches_that_they_name(rated: Rated):
    model, tokenizer = build("seven")
    naming = Naming(128, rated.pictures)
    before = model.t5.shared.weight.clone()
    inherit_names(model, tokenizer, naming)
    with torch.no_grad():
        seen = model.join(naming.head.weight)
        words = model.t5.shared(tokenizer(" penguin penguins lantern red the", return_tensors="pt").input_ids[0, :5])
    torch.testing.assert_close(words.norm(dim=1)[:4], torch.full((4,), 128**0.5))
    alike = torch.cosine_similarity(words[:, None], seen[None], dim=-1)
    assert [LABELS[i] for i in alike.argmax(1)[:4]] == ["penguin", "penguin", "lantern", "red"]
    assert (alike.amax(1)[:4] > 0.999).all()
    assert torch.equal(words[4], before[tokenizer(" the").input_ids[0]])


@pytest.mark.parametrize("heads", ["seven", "augmented"])
def test_a_few_steps_on_few_records_lower_the_loss(rated: Rated, heads):
    model, tokenizer = build(heads)
    lesson = Lesson(model, rated, tokenizer)
    assert_learns(lesson, lambda: lesson.loss(np.arange(4)), steps=6)
    assert (lesson.words >= 0).any(1).all()
    squares = lesson.loss(np.arange(4)).item()
    lesson.entropy = 3.0
    prompts = lesson.prompts
    with torch.no_grad():
        maps = model(as_tensor(rated.pixels[:4]), prompts.input_ids[:4], prompts.attention_mask[:4]).heatmaps
    truth = torch.from_numpy(rated.maps[:4]) / 255
    entropy = -(truth * maps.log() + (1 - truth) * (1 - maps).log()).mean().item()
    assert lesson.loss(np.arange(4)).item() - squares == pytest.approx(3 * entropy, rel=0.05)


def test_looking_learns_where_raters_clicked(rated: Rated):
    model, _ = build("seven")
    looking = Looking(model, rated)
    assert looking.clicked.mean().item() == pytest.approx(rated.maps[:, 0].mean() / 255, rel=1e-4)
    i, y, x = np.argwhere(rated.maps[:, 0] == 255)[0]
    assert looking.clicked[i, 8 * (y // 8) + x // 8] > 0
    assert_learns(looking, lambda: looking.loss(np.random.default_rng(0), batch=8))


def test_the_tokens_of_a_wrong_word_are_marked_and_none_between_words():
    spans = [(0, 1), (1, 5), (5, 9), (9, 10), (10, 13), (0, 0)]  # "a", " red", " cat", ",", " up", the end
    assert word_flags("a red cat, up", (False, True, True, False), spans) == [0, 1, 1, 1, 0, UNKNOWN]


def test_a_few_steps_teach_a_reader_to_spot_the_wrong_words_of_few_pictures(rated: Rated):
    model, tokenizer = build("seven")
    spotting = Spotting(model, rated, tokenizer, Naming(128, rated.pictures), seed=1)
    assert len(spotting.ids) == PROMPTS * len(rated)
    somewhere, anything = spotting.places.any(1), (spotting.wrong == 1).any(1)
    assert not somewhere[~anything].any()
    assert somewhere[anything].float().mean() > 0.8
    assert 0.05 < (spotting.wrong == 1).sum() / (spotting.wrong != UNKNOWN).sum() < 0.5
    assert_learns(spotting, lambda: spotting.loss(np.random.default_rng(0), batch=4))
