"""VQAScore on small models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from small_vision import GREEN, RED

from rewards.kinds import judge_config
from rewards.vqascore import VqaScoreJudge

PLAIN = np.stack([np.full((28, 28, 3), colour, np.uint8) for colour in (GREEN, RED)])


def test_value_is_the_probability_of_yes(blip2_dir: Path):
    judge = VqaScoreJudge("score", str(blip2_dir), question="is it {prompt}?")
    green, red = judge.judge(PLAIN, ["green", "green"])
    assert green.value is not None
    assert red.value is not None
    assert green.value > 0.5 > red.value >= 0
    assert green.scores["yes"] == green.value
    assert red.scores["no"] > red.scores["yes"]
    assert sum(red.scores.values()) <= 1


def test_a_prompt_with_braces_is_a_prompt_and_a_question_without_one_is_refused(random_llava_dir: Path):
    (verdict,) = VqaScoreJudge("score", str(random_llava_dir)).judge(PLAIN[:1], ["a {cat} {prompt} {0}"])
    assert verdict.status == "ok"
    with pytest.raises(ValidationError, match=r"no \{prompt\} in it"):
        judge_config("vqascore", model="m", question="Is it good?")
