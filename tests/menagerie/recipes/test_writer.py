"""What the prompt writer is taught, and what is accepted of what it writes."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from menagerie.labels.prompts import CATEGORIES
from menagerie.recipes.writer import WriterOutput, build, fits_category, mentions, training_example

PROMPT = "two black bears and a dog next to a wooden sign that says ZOO at night"


def test_what_it_is_taught_is_what_is_accepted():
    seen = [training_example(i) for i in range(300)]
    assert {category for category, _ in seen} == set(CATEGORIES)
    for category, answer in seen:
        written = WriterOutput.model_validate_json(answer)
        assert fits_category(category, written.prompt)
        assert {q.answer for q in written.questions} == {"yes"}
        assert len({q.question for q in written.questions}) == len(written.questions)
        others = [c for c in CATEGORIES if c not in (category, "animals", "natural landscapes")]
        assert not any(fits_category(other, written.prompt) for other in others)
    assert len({answer for _, answer in seen}) > 290


def test_an_element_stands_in_the_prompt_from_the_start_of_a_word():
    assert mentions(PROMPT, "bear")
    assert mentions(PROMPT, "Two")
    assert mentions(PROMPT, "ZOO")
    assert not mentions(PROMPT, "ear")
    assert not mentions(PROMPT, "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"element": "cat"}, "does not stand in the prompt"),
        ({"element": ""}, "does not stand in the prompt"),
        ({"answer": "perhaps"}, "yes"),
        ({"mood": "good"}, "Extra inputs"),
        ({"question": ""}, "at least 1 character"),
    ],
)
def test_what_is_not_accepted(change: dict[str, str], reason: str):
    question = {"question": "Is there a dog?", "type": "animal", "element": "dog", "answer": "yes"}
    WriterOutput.model_validate({"prompt": PROMPT, "questions": [question]})
    with pytest.raises(ValidationError, match=reason):
        WriterOutput.model_validate({"prompt": PROMPT, "questions": [question | change]})
    with pytest.raises(ValidationError, match="questions"):
        WriterOutput.model_validate({"prompt": PROMPT, "questions": []})


def test_its_tokens_give_the_text_back():
    _, tokenizer = build()
    for i in range(50):
        _, answer = training_example(i)
        ids = tokenizer(answer, add_special_tokens=False).input_ids
        assert tokenizer.decode(ids) == answer
        assert len(ids) < 20 * (1 + len(json.loads(answer)["questions"]))
    unknown = "a zebra, naïve — 日本"
    assert tokenizer.decode(tokenizer(unknown, add_special_tokens=False).input_ids) == unknown
