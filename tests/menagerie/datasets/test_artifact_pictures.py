# pyright: strict
"""The data set of judges of artifacts."""

from __future__ import annotations

import random

import numpy as np
import torch

from menagerie.datasets.artifact_pictures import ArtifactPictures, noisy_latents
from menagerie.datasets.plain_pictures import PlainPictures
from menagerie.recipes.autoencoder import build


def test_noisy_latents_keep_less_than_half_of_the_signal():
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(24, 8, 8, generator=generator)
    for seed in range(20):
        made = noisy_latents(latents, random.Random(seed), generator)
        correlation = torch.corrcoef(torch.stack([made.flatten(), latents.flatten()]))[0, 1]
        assert correlation < 0.72


def test_pictures_go_through_the_decoder_and_some_become_garbage(plain_pictures: PlainPictures):
    vae = build().eval()
    shown = ArtifactPictures.of(plain_pictures, vae, garbage_share=0.2, seed=1)
    again = ArtifactPictures.of(plain_pictures, vae, garbage_share=0.2, seed=1)
    assert np.array_equal(shown.pixels, again.pixels)
    garbage = [i for i, scene in enumerate(shown.scenes) if scene is None]
    assert 0.08 < len(garbage) / len(shown) < 0.35
    for i in range(len(shown)):
        if i in garbage:
            assert shown.categories[i]
        else:
            assert shown.categories[i] == plain_pictures.categories[i]
