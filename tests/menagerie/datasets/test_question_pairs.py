"""Question pairs for the VQA model."""

from __future__ import annotations

from menagerie.datasets.question_pairs import EACH, QuestionPairs
from menagerie.datasets.wide_pictures import WidePictures
from menagerie.labels.questions import answered_questions
from menagerie.world.caption import write_caption


def test_the_question_pairs_know_the_true_answers_and_ask_for_both(
    wide_pictures: WidePictures, question_pairs: QuestionPairs
):
    for i, picture in enumerate(wide_pictures.pictures):
        if picture is None:
            assert not question_pairs.right[i].any()
            continue
        assert question_pairs.right[i].tolist() == [[False, True]] * EACH
        answered = {q.question: q for q in answered_questions(write_caption(picture.scene, "long"), picture)}
        pairs = [[answered.get(question_pairs.questions[k]) for k in pair] for pair in question_pairs.asked[i]]
        for no, yes in pairs:
            assert no is None or no.answer == "no"
            assert yes is None or yes.answer == "yes"
            assert no is None or yes is None or no.type == yes.type
        assert any(yes for _, yes in pairs)
