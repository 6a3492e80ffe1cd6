# pyright: strict
"""Pictures of the wider world: as drawn, as decoded, garbage; and the objects that are visible in them."""

from __future__ import annotations

import numpy as np

from menagerie.datasets.plain_pictures import HELD_OUT
from menagerie.datasets.visible_objects import NAMES, PHRASES, visible_objects
from menagerie.datasets.wide_pictures import WidePictures
from menagerie.training.model_folder import MODELS, load_vae
from menagerie.world.picture import Picture
from menagerie.world.wide import sample_wide


def shown(wide_pictures: WidePictures) -> list[Picture]:
    return [picture for picture in wide_pictures.pictures if picture]


def test_pictures_are_as_drawn_or_as_decoded_or_garbage(wide_pictures: WidePictures):
    drawn = [
        np.array_equal(sample_wide(HELD_OUT + i, damaged=0.5).pixels, p) for i, p in enumerate(wide_pictures.pixels)
    ]
    assert 0.25 < np.mean(drawn) < 0.55
    assert 0.03 < np.mean([picture is None for picture in wide_pictures.pictures]) < 0.25
    for i, picture in enumerate(wide_pictures.pictures):
        assert picture is None or np.array_equal(picture.pixels, wide_pictures.pixels[i])
    again = WidePictures.draw(150, HELD_OUT, load_vae(MODELS), garbage_share=0.2, seed=3)
    assert np.array_equal(wide_pictures.pixels, again.pixels)


def test_all_that_a_caption_names_is_visible_with_its_look(wide_pictures: WidePictures):
    for picture in shown(wide_pictures):
        seen = visible_objects(picture)
        assert {s.name for s in seen} <= set(NAMES)
        assert {s.phrase for s in seen} <= set(PHRASES)
        named = [c.species for c in picture.scene.creatures]
        assert sorted(s.name for s in seen if s.name in named) == sorted(named) or "out of frame" in picture.categories
        assert sum(s.name == "sign" for s in seen) == (picture.scene.sign is not None)
        for creature in picture.scene.creatures:
            assert any((s.name, s.look) == (creature.species, creature.colour) for s in seen)
