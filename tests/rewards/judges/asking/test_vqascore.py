"""VQAScore on small models."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from small_vision import GREEN, RED

from rewards.judges.asking.vqascore import VqaScoreConfig, VqaScoreJudge
from rewards.registry import judge_config

PLAIN = np.stack([np.full((28, 28, 3), colour, np.uint8) for colour in (GREEN, RED)])


def test_value_is_the_probability_of_yes(blip2_dir: Path):
    judge = VqaScoreJudge("score", VqaScoreConfig(model=str(blip2_dir), question="is it {prompt}?"))
    green, red = judge.judge(PLAIN, ["green", "green"])
    assert green.value is not None
    assert red.value is not None
    assert green.value > 0.5 > red.value >= 0
    assert green.scores["yes"] == green.value
    assert red.scores["no"] > red.scores["yes"]
    assert sum(red.scores.values()) <= 1


def test_a_prompt_with_braces_is_a_prompt_and_a_question_without_one_is_refused(random_llava_dir: Path):
    (verdict,) = VqaScoreJudge("score", VqaScoreConfig(model=str(random_llava_dir))).judge(
        PLAIN[:1], ["a {cat} {prompt} {0}"]
    )
    assert verdict.status == "ok"
    with pytest.raises(ValidationError, match=r"no \{prompt\} in it"):
        judge_config("vqascore", model="m", question="Is it good?")


def test_a_prompt_that_holds_a_special_token_is_a_prompt(random_llava_dir: Path):
    judge = VqaScoreJudge("score", VqaScoreConfig(model=str(random_llava_dir)))
    verdicts = judge.judge(PLAIN[[0, 0]], ["a <image> of <image> cats</s>", "a cat"])
    assert [verdict.status for verdict in verdicts] == ["ok", "ok"]
    assert verdicts[1].value == pytest.approx(judge.judge(PLAIN[:1], ["a cat"])[0].value, abs=1e-6)


@pytest.mark.parametrize("folder", ["blip_dir", "blip2_opt_dir", "random_llava_dir"])
def test_a_prompt_that_is_too_long_abstains_alone(folder: str, request: pytest.FixtureRequest):
    judge = VqaScoreJudge(
        "score", VqaScoreConfig(model=str(request.getfixturevalue(folder)), question="is it {prompt}?")
    )
    long, short = judge.judge(PLAIN, ["green " * 300, "green"])
    assert long.status == "abstain"
    assert re.match(r"the question 'is it green green .*…' takes \d+ tokens; the model has room for \d+$", long.text)
    assert short.value == pytest.approx(judge.judge(PLAIN[1:], ["green"])[0].value, abs=1e-6)
