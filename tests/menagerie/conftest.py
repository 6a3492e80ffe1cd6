# pyright: strict
"""Data sets of drawn pictures, drawn once a session."""

from __future__ import annotations

import pytest

from menagerie.datasets.plain_pictures import HELD_OUT, PlainPictures
from menagerie.datasets.question_pairs import QuestionPairs
from menagerie.datasets.rated_pictures import RatedPictures
from menagerie.datasets.wide_pictures import WidePictures
from menagerie.training.model_folder import MODELS, load_vae


@pytest.fixture(scope="session")
def plain_pictures() -> PlainPictures:
    return PlainPictures.draw(120, HELD_OUT, damaged=0.5)


@pytest.fixture(scope="session")
def wide_pictures() -> WidePictures:
    return WidePictures.draw(150, HELD_OUT, load_vae(MODELS), garbage_share=0.2, seed=3)


@pytest.fixture(scope="session")
def question_pairs(wide_pictures: WidePictures) -> QuestionPairs:
    return QuestionPairs(wide_pictures, seed=0)


@pytest.fixture(scope="session")
def rated() -> RatedPictures:
    return RatedPictures.draw(40, 5, load_vae(MODELS))
