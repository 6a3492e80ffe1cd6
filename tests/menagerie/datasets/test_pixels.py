# pyright: strict
"""Pixels and latents."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from menagerie.datasets.pixels import decode, encode
from menagerie.datasets.plain_pictures import PlainPictures
from menagerie.recipes.autoencoder import build
from menagerie.training.model_folder import MODELS, load_vae


def test_pictures_in_half_precision_are_those_of_full_precision(
    plain_pictures: PlainPictures, monkeypatch: pytest.MonkeyPatch
):
    vae = load_vae(MODELS)
    quick = decode(vae, encode(vae, plain_pictures.pixels))
    monkeypatch.setattr("menagerie.datasets.pixels._fast", nullcontext)
    exact = decode(vae, encode(vae, plain_pictures.pixels))
    assert np.abs(quick.astype(int) - exact).mean() < 0.004 * 255


def test_decoding_what_was_encoded_keeps_shape_and_order(plain_pictures: PlainPictures):
    vae = build().eval()
    latents = encode(vae, plain_pictures.pixels[:7], batch=3)
    assert latents.shape == (7, 24, 8, 8)
    assert np.array_equal(decode(vae, latents, batch=2)[3:], decode(vae, latents[3:], batch=4))
