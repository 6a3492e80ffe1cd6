# pyright: strict
"""The data set of the rich-feedback model."""

from __future__ import annotations

import numpy as np

from menagerie.datasets.rated_pictures import RatedPictures
from menagerie.training.model_folder import MODELS, load_vae


def test_pictures_are_drawn_from_their_numbers_alone(rated: RatedPictures):
    again = RatedPictures.draw(20, 25, load_vae(MODELS))
    assert again.prompts == rated.prompts[20:]
    assert np.array_equal(again.scores, rated.scores[20:])
    assert np.array_equal(again.maps, rated.maps[20:])
    assert rated.maps[:, 0].any((1, 2)).mean() > 0.3
    assert set(np.unique(rated.maps)) <= {0, 85, 170, 255}


def test_another_panel_rates_the_same_pictures(rated: RatedPictures):
    other = RatedPictures.draw(40, 5, load_vae(MODELS), raters=24, panel=1)
    assert other.prompts == rated.prompts
    assert np.array_equal(other.qualities, rated.qualities)
    assert not np.array_equal(other.scores, rated.scores)
    truth, few, many = rated.qualities[:, 0], rated.scores[:, 0], other.scores[:, 0]
    assert np.abs(many - truth).mean() < np.abs(few - truth).mean()
