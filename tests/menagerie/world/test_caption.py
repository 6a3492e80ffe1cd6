"""The grammar of captions."""

from __future__ import annotations

from dataclasses import replace

from menagerie.world.caption import FORMS, write_caption
from menagerie.world.scene import Creature, Scene
from menagerie.world.wide import sample_wide


def test_longer_forms_say_more():
    for seed in range(60):
        scene = sample_wide(seed).scene
        short, plain, long = (write_caption(scene, form) for form in FORMS)
        assert set(short.questions) <= set(plain.questions) <= set(long.questions)
        assert len(short.words) < len(long.words)
        for caption in (short, plain, long):
            assert 3 <= len(caption.words) <= 40
            assert len({q.question for q in caption.questions}) == len(caption.questions)


def test_the_forms_read_as_english():
    creature = Creature("elephant", "orange", 0.5, 0.9, 0.7, False)
    scene = Scene("beach", 0.55, (creature,), "ZOO", "metal")
    assert write_caption(scene, "short").text == "an orange elephant on the beach"
    assert write_caption(scene, "plain").text == "an orange elephant next to a metal sign that says ZOO on the beach"
    assert write_caption(scene, "long").text == (
        "a picture of a big orange elephant with a trunk next to a metal sign that says ZOO"
        " on the beach by the blue sea"
    )
    two = replace(scene, creatures=(creature, replace(creature, x=0.2)), sign=None)
    assert write_caption(two, "short").text == "two orange elephants on the beach"
