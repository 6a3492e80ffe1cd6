"""Garbage, exhibits, label scores, hard negatives: what judges are trained on and measured with."""

from __future__ import annotations

import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from learners.judges.metrics.classification import LabelScores
from menagerie.datasets.album import HELD_OUT, Album
from menagerie.datasets.artifact_pictures import Exhibits
from menagerie.datasets.pixels import decode, encode
from menagerie.measures.judging import hard_negative, picked_first
from menagerie.recipes.autoencoder import build
from menagerie.training.model_folder import MODELS, load_vae
from menagerie.world.damage import KINDS
from menagerie.world.garbage import empty_scene, flat, garbage, noisy_latents, shuffled, smeared
from menagerie.world.picture import sample
from menagerie.world.scene import sample_scene
from rewards.verdict import Verdict


@pytest.fixture(scope="module")
def album() -> Album:
    return Album.drawn(120, HELD_OUT, damaged=0.5)


def test_pictures_in_half_precision_are_those_of_full_precision(album: Album, monkeypatch: pytest.MonkeyPatch):
    vae = load_vae(MODELS)
    quick = decode(vae, encode(vae, album.pixels))
    monkeypatch.setattr("menagerie.datasets.pixels._fast", nullcontext)
    exact = decode(vae, encode(vae, album.pixels))
    assert np.abs(quick.astype(int) - exact).mean() < 0.004 * 255


def test_garbage_is_never_called_clean():
    rng = random.Random(0)
    for seed in range(60):
        pixels, categories = garbage(sample(seed).pixels, rng)
        assert pixels.shape == (64, 64, 3)
        assert pixels.dtype == np.uint8
        assert categories
        assert set(categories) <= set(KINDS)


def test_shuffling_keeps_the_pixels_and_loses_the_picture():
    pixels = sample(5).pixels
    laid, _ = shuffled(pixels, random.Random(1))
    assert np.array_equal(np.sort(laid.reshape(-1, 3), 0), np.sort(pixels.reshape(-1, 3), 0))
    assert not np.array_equal(laid, pixels)


@pytest.mark.parametrize("kind", [empty_scene, flat])
def test_what_is_empty_lacks_its_animal(kind):
    assert kind(random.Random(2))[1] == ("omitted",)


def test_a_smeared_picture_has_no_edges_left():
    pixels = sample(7, damaged=0).pixels
    blurred, _ = smeared(pixels, random.Random(0))
    assert np.abs(np.diff(blurred.astype(int), axis=0)).max() < np.abs(np.diff(pixels.astype(int), axis=0)).max() / 3


def test_noisy_latents_keep_less_than_half_of_the_signal():
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(24, 8, 8, generator=generator)
    for seed in range(20):
        made = noisy_latents(latents, random.Random(seed), generator)
        correlation = torch.corrcoef(torch.stack([made.flatten(), latents.flatten()]))[0, 1]
        assert correlation < 0.72


def test_exhibits_are_the_albums_pictures_through_the_decoder_and_some_garbage(album: Album):
    vae = build().eval()
    shown = Exhibits.of(album, vae, rubbish=0.2, seed=1)
    again = Exhibits.of(album, vae, rubbish=0.2, seed=1)
    assert np.array_equal(shown.pixels, again.pixels)
    rubbish = [i for i, scene in enumerate(shown.scenes) if scene is None]
    assert 0.08 < len(rubbish) / len(shown) < 0.35
    for i in range(len(shown)):
        if i in rubbish:
            assert shown.categories[i]
        else:
            assert shown.categories[i] == album.categories[i]


def test_decoding_what_was_encoded_keeps_shape_and_order(album: Album):
    vae = build().eval()
    latents = encode(vae, album.pixels[:7], batch=3)
    assert latents.shape == (7, 24, 8, 8)
    assert np.array_equal(decode(vae, latents, batch=2)[3:], decode(vae, latents[3:], batch=4))


def test_a_hard_negative_differs_in_exactly_one_word_or_place():
    rng = random.Random(0)
    for seed in range(50):
        scene = sample_scene(random.Random(seed))
        other = hard_negative(scene, rng)
        differences = [
            scene.setting != other.setting,
            *(a.species != b.species for a, b in zip(scene.creatures, other.creatures, strict=True)),
            *(a.colour != b.colour for a, b in zip(scene.creatures, other.creatures, strict=True)),
        ]
        assert sum(differences) == 1


def test_label_scores_on_hand_computed_values():
    truth = [(), ("omitted",), ("omitted", "localized blur"), ("duplicated",)]
    said = [(), ("omitted",), ("omitted",), None]
    scores = LabelScores.of(said, truth)
    assert scores.exact == pytest.approx(2 / 4)
    assert scores.precision == pytest.approx((1 + 1 + 1 + 0) / 4)
    assert scores.recall == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert scores.f1 == pytest.approx((1 + 1 + 2 / 3 + 0) / 4)


def test_calling_a_damaged_picture_clean_is_worth_nothing():
    assert LabelScores.of([()], [("omitted",)]) == LabelScores(0, 0, 0, 0)


def test_scores_of_nothing_are_refused():
    with pytest.raises(ValueError, match="0 answers for 0 pictures"):
        LabelScores.of([], [])


@pytest.mark.parametrize(
    ("values", "hit"),
    [([0.3, 0.2, 0.1], True), ([0.3, 0.3, 0.1], False), ([0.0, 0.0], False), ([None, None], False), ([-2, None], True)],
)
def test_a_caption_that_is_no_better_than_another_was_not_picked(values: list[float | None], hit: bool):
    said = [Verdict("clip", "abstain" if value is None else "ok", value) for value in values]
    assert picked_first(said) == hit
