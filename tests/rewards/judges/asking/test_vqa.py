"""Questions about pictures: their schema, reading the answers, and the judge on small models."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from small_vision import GREEN, LESSONS, RED

from rewards.judges.asking.questions import MAX_QUESTIONS, parse_yes_no, questions_of
from rewards.judges.asking.vqa import VqaConfig, VqaJudge
from rewards.models.vlm.load import load_vision_language
from rewards.registry import build_judge, judge_config

PLAIN = np.stack([np.full((28, 28, 3), colour, np.uint8) for colour in (GREEN, RED)])


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("yes", True),
        ("Yes.", True),
        ("NO", False),
        ("no, it is blue", False),
        ("yes, it is nothing but green", True),
        ("nothing", None),
        ("yesterday", None),
        ("It is not.", None),
        ("there is no dog", None),
        ("yes and no", None),
        ("", None),
    ],
)
def test_an_answer_is_read_by_its_words(text: str, read: bool | None):
    assert parse_yes_no(text) is read


def test_questions_are_checked_and_the_wrong_one_is_named():
    (question,) = questions_of({"questions": [{"question": "is it red?", "type": "color", "element": "red cat"}]})
    assert (question.answer, question.element) == ("yes", "red cat")
    assert questions_of({}) == questions_of({"questions": None}) == []
    with pytest.raises(ValueError, match=r"questions.1.answer: .*'maybe'"):
        questions_of({"questions": [{"question": "a?"}, {"question": "b?", "answer": "maybe"}]})
    with pytest.raises(ValueError, match=r"questions.0.anwser"):
        questions_of({"questions": [{"question": "a?", "anwser": "no"}]})
    with pytest.raises(ValueError, match=r"questions: Input should be a valid list \(got 'is it green\?'\)"):
        questions_of({"questions": "is it green?"})
    with pytest.raises(ValueError, match=r"questions.0.question: "):
        questions_of({"questions": [{"question": "  "}]})


TIFA = {"question": "What animal?", "choices": ["cat", "red dog", "dog"], "answer": "dog", "element_type": "animal"}


@pytest.mark.parametrize(
    ("text", "right"),
    [("dog", True), ("A Dog.", True), ("red dog", False), ("cat", False), ("cat or dog", None), ("bird", None)],
)
def test_one_of_several_choices_is_read_by_its_words(text: str, right: bool | None):
    (question,) = questions_of({"questions": [TIFA]})
    assert (question.type, question.asked) == ("animal", "What animal? Choose from: cat, red dog, dog.")
    assert question.right(text) is right


@pytest.mark.parametrize("wrong", [{"choices": ["dog"]}, {"choices": ["dog", "Dog"]}, {"answer": "bird"}])
def test_choices_that_are_none_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValueError, match=r"prompt metadata: questions\.0\.(choices|answer): "):
        questions_of({"questions": [TIFA | wrong]})


@pytest.mark.parametrize("folder", ["blip_dir", "blip2_dir"])
def test_value_is_the_share_of_questions_answered_right(folder: str, request: pytest.FixtureRequest):
    judge = VqaJudge("vqa", VqaConfig(model=str(request.getfixturevalue(folder))))
    questions = [
        {"question": "is it green?", "type": "color", "element": "green"},
        {"question": "is there red in the picture?", "type": "shape", "answer": "no"},
    ]
    mixed = [questions[0], {**questions[1], "answer": "yes"}]
    odd = [*questions, {"question": "a dog or a cat?"}]
    images = PLAIN[[0, 1, 0, 0, 0]]
    metadata = [{"questions": q} for q in (questions, questions, mixed, odd)] + [{}]
    right, wrong, half, unread, unasked = judge.judge(images, ["p"] * 5, metadata)
    assert (right.value, right.scores) == (1.0, {"color": 1.0, "shape": 1.0})
    assert (wrong.value, wrong.scores) == (0.0, {"color": 0.0, "shape": 0.0})
    assert (half.value, half.scores) == (0.5, {"color": 1.0, "shape": 0.0})
    assert [entry["answer"] for entry in json.loads(half.text)] == ["yes", "no"]
    assert json.loads(half.text)[0]["element"] == "green"
    assert unread.status == unasked.status == "abstain"
    assert judge.judge(images[:1], ["p"])[0].status == "abstain"


@pytest.mark.parametrize("folder", ["blip_dir", "blip2_dir", "blip2_opt_dir", "random_llava_dir"])
def test_a_picture_whose_question_is_too_long_abstains_alone(folder: str, request: pytest.FixtureRequest):
    judge = VqaJudge("vqa", VqaConfig(model=str(request.getfixturevalue(folder))))
    short, long = [{"question": "is it green?"}], [{"question": "is it green?"}, {"question": "is it green? " * 600}]
    before, refused, after = judge.judge(PLAIN[[0, 0, 1]], ["p"] * 3, [{"questions": q} for q in (short, long, short)])
    assert (refused.status, refused.value) == ("abstain", None)
    assert re.match(
        r"the question 'is it green\? is it .*…' takes \d+ tokens; the model has room for \d+$", refused.text
    )
    assert [before, after] == judge.judge(PLAIN, ["p"] * 2, [{"questions": short}] * 2)


def test_a_picture_with_too_many_questions_abstains_alone(blip_dir: Path):
    judge = VqaJudge("vqa", VqaConfig(model=str(blip_dir)))
    question = {"question": "is it green?"}
    metadata = [{"questions": [question] * n} for n in (1, MAX_QUESTIONS + 1, MAX_QUESTIONS)]
    one, refused, many = judge.judge(PLAIN[[0, 0, 0]], ["p"] * 3, metadata)
    assert (refused.status, refused.text) == ("abstain", "the prompt has 101 questions; at most 100 are asked")
    assert one.value == many.value == 1.0


def test_a_question_that_holds_a_special_token_is_a_question(random_llava_dir: Path):
    judge = VqaJudge("vqa", VqaConfig(model=str(random_llava_dir)))
    asked = [{"question": f"is it {word}?"} for word in ("green", "<image>", "<image><image></s>")]
    (verdict,) = judge.judge(PLAIN[:1], ["p"], [{"questions": asked}])
    assert len(json.loads(verdict.text)) == 3


@pytest.mark.parametrize("folder", ["blip_dir", "blip2_dir", "blip2_opt_dir"])
def test_a_picture_is_encoded_once_and_a_question_is_answered_as_if_alone(folder: str, request: pytest.FixtureRequest):
    model = load_vision_language("j", VqaConfig(model=str(request.getfixturevalue(folder))))
    encoded: list[int] = []
    model._model.vision_model.register_forward_hook(lambda _m, _args, out: encoded.append(len(out[0])))
    prompts = [model.prompt(question) for question, _, _ in LESSONS]
    which = [int(colour == RED) for _, colour, _ in LESSONS]
    together = model.answer(PLAIN, prompts, 4, which)
    chances = model.yes_no(PLAIN, prompts, which)
    assert encoded == [2, 2]
    for i, picture in enumerate(which):
        assert model.answer(PLAIN[[picture]], [prompts[i]], 4) == [together[i]]
        assert model.yes_no(PLAIN[[picture]], [prompts[i]])[0] == pytest.approx(chances[i], abs=1e-6)
    if folder != "blip2_opt_dir":
        assert [answer.text for answer in together] == [answer for _, _, answer in LESSONS]
        assert not any(answer.truncated for answer in together)


def test_a_t5_in_float16_and_a_model_of_another_class_are_refused(blip2_dir: Path, clip_dir: Path):
    with pytest.raises(ValueError, match=r"rewards.judges.eyes.dtype: .* use bfloat16 or float32"):
        build_judge("eyes", judge_config("vqa", model=str(blip2_dir), dtype="float16"))
    with pytest.raises(ValueError, match=r"rewards.judges.eyes.model: .* is a 'clip' model; give a llava, blip"):
        build_judge("eyes", judge_config("vqa", model=str(clip_dir)))
    assert build_judge("eyes", judge_config("vqa", model=str(blip2_dir), dtype="bfloat16")).judge(
        PLAIN[:1], [""], [{"questions": [{"question": "is it green?"}]}]
    )[0].value in (0.0, 1.0)
