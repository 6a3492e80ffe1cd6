"""The plain world, on which the shipped models were trained, stays what it is.

Clean pictures and captions stay bit for bit; damaged ones stay unless a value here is changed on purpose.
"""

from __future__ import annotations

import hashlib
import random

from menagerie.datasets.plain_pictures import HELD_OUT, PlainPictures
from menagerie.world.scene import sample_scene


def digest(data: bytes | str) -> str:
    return hashlib.blake2b(data.encode() if isinstance(data, str) else data, digest_size=8).hexdigest()


def test_the_scenes_and_captions_of_old_seeds_stay():
    captions = [sample_scene(random.Random(seed)).caption(form) for seed in range(200) for form in range(3)]
    assert digest("\n".join(captions)) == "3b3f5bc9204b7f0b"


def test_the_clean_pictures_of_old_seeds_stay():
    pictures = PlainPictures.draw(150, damaged=0.0)
    assert digest(pictures.pixels.tobytes()) == "f0c8cdcad5970c99"
    assert digest("\n".join(pictures.captions)) == "570ce1fef965139c"


def test_the_damaged_pictures_of_old_seeds_stay():
    pictures = PlainPictures.draw(150, damaged=1.0)
    assert digest(pictures.pixels.tobytes()) == "4576b60301d9b538"
    assert digest("\n".join(pictures.captions)) == "8c61d8e142702082"
    assert digest(repr(pictures.categories)) == "a9f94e59c98f648b"


def test_the_held_out_pictures_stay():
    assert digest(PlainPictures.draw(50, HELD_OUT).pixels.tobytes()) == "6d662ed7c5ccae00"
