"""Tokenizers on the words of the drawn world."""

from __future__ import annotations

import pytest

from menagerie.datasets.question_pairs import QuestionPairs
from menagerie.datasets.visible_objects import PHRASES
from menagerie.recipes import vqa
from menagerie.training.tokenizers import VOCABULARY, clip_tokenizer


def test_a_question_has_a_token_for_each_word(question_pairs: QuestionPairs):
    tokenizer = clip_tokenizer(words=vqa.WORDS)
    for question in question_pairs.questions:
        words = question.replace("?", " ?").split()
        assert len(tokenizer(question)["input_ids"]) == len(words) + 2, question


@pytest.mark.parametrize("words", [VOCABULARY, vqa.WORDS, (*VOCABULARY, *PHRASES[0].split())])
def test_every_word_of_a_vocabulary_is_one_token(words: tuple[str, ...]):
    tokenizer = clip_tokenizer(words=words)
    assert [w for w in words if len(tokenizer(w)["input_ids"]) != 3] == []
    spelt = tokenizer("Zebra crossing")["input_ids"]
    assert tokenizer.decode(spelt, skip_special_tokens=True).split() == ["zebra", "crossing"]
