"""Wrong captions, and the words and regions at fault."""

from __future__ import annotations

import difflib
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from menagerie.labels.mismatch import WHOLE, right_prompt, wrong_prompt
from menagerie.labels.questions import answered_questions
from menagerie.labels.truth import Truth
from menagerie.world.caption import BACKDROPS, FORMS, SEEN, Form
from menagerie.world.scene import ANIMALS, Scene
from menagerie.world.wide import sample_wide

SEEDS = st.integers(0, 2**40)


def backdrop_words(scene: Scene) -> set[str]:
    """How captions speak of what a setting shows: the sun is by the sea as well, though only the meadow's says so."""
    return {word for thing, phrase in BACKDROPS.values() if thing in SEEN[scene.setting] for word in phrase.split()}


def test_what_lies_outside_the_frame_has_no_region():
    found = 0
    for seed in range(400):
        picture = sample_wide(seed, damaged=1)
        if "out of frame" in picture.categories:
            found += 1
            for x1, y1, x2, y2 in right_prompt(picture, "long").regions:
                assert x1 < x2
                assert y1 < y2
    assert found > 5


@given(SEEDS, st.sampled_from(FORMS))
@settings(max_examples=250, deadline=None)
def test_the_misaligned_words_are_those_that_differ(seed: int, form: Form):
    """Words that a plain text comparison finds changed or added are marked, and none that stayed without reason."""
    picture = sample_wide(seed, damaged=0)
    right, wrong = right_prompt(picture, form), wrong_prompt(picture, random.Random(seed), form)
    assert not any(right.misaligned)
    assert right.regions == ()
    matcher = difflib.SequenceMatcher(a=right.caption.words, b=wrong.caption.words, autojunk=False)
    differ = {j for tag, _, _, j1, j2 in matcher.get_opcodes() if tag != "equal" for j in range(j1, j2)}
    grammar = {"a", "an", *ANIMALS, *(f"{a}s" for a in ANIMALS)}  # "a dog" → "two dogs" changes the noun's form
    relations = {"left", "right", "of", "behind", "in", "front"}
    true = grammar | relations | {"and"} | backdrop_words(picture.scene)
    marked = {i for i, bad in enumerate(wrong.misaligned) if bad}
    assert marked
    for i in differ - marked:
        assert wrong.caption.words[i] in true, (right.text, wrong.text)
    # What is marked but reads the same belongs to a phrase that is wrong as a whole.
    phrases = {wrong.caption.slots[i] for i in differ}
    for i in marked - differ:
        assert wrong.caption.slots[i] in phrases | {"sign", "holding:0"}, (right.text, wrong.text)


def test_most_prompts_have_room_for_three_wrong_things():
    wrong = [wrong_prompt(sample_wide(seed, damaged=0), random.Random(seed), "long", 3) for seed in range(60)]
    slots = [len({s for s, bad in zip(p.caption.slots, p.misaligned, strict=True) if bad}) for p in wrong]
    assert sum(number >= 3 for number in slots) > 30


@given(SEEDS, st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_words_are_misaligned_exactly_where_an_answer_is_no(seed: int, damaged: float):
    """Of damaged pictures, too, and of prompts that are wrong about them."""
    truth = Truth.of(sample_wide(seed, damaged=damaged), random.Random(seed), misaligned=0.5)
    for prompt, asked in ((truth.prompt, truth.questions), (truth.wrong, truth.wrong_questions)):
        assert any(prompt.misaligned) == any(q.answer == "no" for q in asked), prompt.text


@given(SEEDS, st.sampled_from(FORMS))
@settings(max_examples=100, deadline=None)
def test_a_prompt_may_have_several_things_wrong_and_each_is_marked(seed: int, form: Form):
    picture = sample_wide(seed, damaged=0)
    one, three = (wrong_prompt(picture, random.Random(seed), form, things) for things in (1, 3))
    marked = [{s for s, bad in zip(p.caption.slots, p.misaligned, strict=True) if bad} for p in (one, three)]
    assert len(marked[1]) >= len(marked[0]) >= 1
    answers = {q.question: q.answer for q in answered_questions(three.caption, picture)}
    assert "no" in answers.values()
    right = {*right_prompt(picture, form).caption.words} | backdrop_words(picture.scene)
    for word, bad in zip(three.caption.words, three.misaligned, strict=True):
        assert bad or word in {*right, "a", "an", "and", *ANIMALS, *(f"{a}s" for a in ANIMALS)}


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_the_regions_of_a_mismatch_are_boxes_of_what_it_speaks_of(seed: int):
    picture = sample_wide(seed, damaged=0)
    wrong = wrong_prompt(picture, random.Random(seed))
    known = {box for _, box in picture.boxes} | {WHOLE, (0.63, 0.44, 0.98, 0.66)}
    assert set(wrong.regions) <= known
    bad = {s for s, m in zip(wrong.caption.slots, wrong.misaligned, strict=True) if m}
    assert wrong.regions or bad <= {"sign", "text", "material"}
