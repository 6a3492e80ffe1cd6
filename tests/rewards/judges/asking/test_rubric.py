"""CCSR's rubric: its two rules, its gate, and the judge on a small LLaVA."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from rewards.judges.asking.rubric import RubricConfig, RubricJudge
from rewards.judges.asking.rubric_rules import GATED, QUESTIONS, points

TABLE_1 = (7, 7, 7, 5, 8, 7, 8, 8, 7, 8)
"""The totals of the paper's Table 1. The ten answers behind each are not known to us."""


def total(rule, **answers: bool) -> int:
    return sum(points([answers[question] for question in QUESTIONS], rule).values())


GOOD = dict.fromkeys(QUESTIONS, True) | {"patterns": False, "mistaken": False, "deviations": False}


def test_equation_1_rewards_a_good_yes_or_no_and_punishes_a_bad_yes():
    assert total("equation1", **GOOD) == 10
    assert total("equation1", **{question: not good for question, good in GOOD.items()}) == -2
    assert total("equation1", **(GOOD | {"patterns": True})) == 8
    assert total("equation1", **(GOOD | {"light": False})) == 9


def test_table_1_reads_questions_2_6_and_9_otherwise():
    assert total("table1", **GOOD) == 8
    assert total("table1", **(GOOD | {"mistaken": True})) == 9
    assert total("table1", **(GOOD | {"patterns": True})) == 7
    assert total("table1", **(GOOD | {"deviations": True})) == 7


@pytest.mark.parametrize("rule", ["equation1", "table1"])
def test_questions_4_to_7_count_only_for_a_visible_object(rule):
    hidden = GOOD | {"visible": False}
    assert len({total(rule, **(hidden | {gated: answer})) for gated in GATED for answer in (True, False)}) == 1
    assert all(points([hidden[q] for q in QUESTIONS], rule)[gated] == 0 for gated in GATED)


def test_the_totals_of_table_1_can_be_reached():
    reachable = {sum(points(answers, "table1").values()) for answers in itertools.product((True, False), repeat=10)}
    assert set(TABLE_1) <= reachable
    assert (min(reachable), max(reachable)) == (-1, 9)


def test_the_picture_is_encoded_once_and_the_class_comes_from_the_prompt(random_llava_dir: Path, noise: np.ndarray):
    judge = RubricJudge("rubric", RubricConfig(model=str(random_llava_dir), min_mass=0.0))
    encoded: list[int] = []
    tower = judge._model._model.model.vision_tower
    tower.register_forward_hook(lambda _m, _args, out: encoded.append(len(out[0])))
    cat, dog, neither = judge.judge(noise[[0, 0, 0]], ["a red cat"] * 3, [{"class": "cat"}, {"class": "dog"}, {}])
    assert encoded == [3]
    assert neither.status == "abstain"
    assert list(json.loads(cat.text)) == list(QUESTIONS)
    assert cat.value == sum(cat.scores.values())
    default = RubricJudge("rubric", RubricConfig(model=str(random_llava_dir), class_name="dog", min_mass=0.0)).judge(
        noise[:1], ["a red cat"]
    )
    assert (default[0].value, default[0].text) == (dog.value, dog.text)


def test_a_model_that_says_neither_yes_nor_no_is_an_abstention(random_llava_dir: Path, noise: np.ndarray):
    (verdict,) = RubricJudge("rubric", RubricConfig(model=str(random_llava_dir))).judge(
        noise[:1], ["a cat"], [{"class": "cat"}]
    )
    assert verdict.status == "abstain"
    assert set(json.loads(verdict.text).values()) == {None}


def test_the_class_is_a_name_a_list_of_one_or_null_and_never_several(random_llava_dir: Path, noise: np.ndarray):
    judge = RubricJudge("rubric", RubricConfig(model=str(random_llava_dir), class_name="dog", min_mass=0.0))
    classes = ("cat", ["cat"], None, "dog", ["cat", "dog"], [])
    cat, listed, null, dog, several, none = judge.judge(
        noise[[0] * 6], ["a red cat"] * 6, [{"class": named} for named in classes]
    )
    assert (listed.scores, null.scores) == (cat.scores, dog.scores)
    assert (several.status, several.text) == ("abstain", "the prompt has 2 classes; the questions are about one")
    assert (none.status, none.text) == ("abstain", "the prompt has no class")


def test_prompts_and_classes_are_words_and_too_many_of_them_abstain_alone(random_llava_dir: Path, noise: np.ndarray):
    judge = RubricJudge("rubric", RubricConfig(model=str(random_llava_dir), min_mass=0.0))
    words, prompt, long = judge.judge(
        noise[[0, 0, 0]], ["a cat", "an <image></s>", "a cat"], [{"class": c} for c in ("<image>", "cat", "cat " * 300)]
    )
    assert (words.status, prompt.status, long.status) == ("ok", "ok", "abstain")
    assert "; the model has room for " in long.text
