"""The jury on a real local Ray Serve, asked from a plain Ray actor, while its judges go wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import ray
from asked_jury import (
    JUDGES,
    SERVE,
    Caller,
    ask,
    assert_policies,
    caller,
    caller_of,
    config,
    eventually,
    pictures,
    values,
)
from faulty_judges import BAD, FINE
from ray import serve

from rewards.config import RewardsConfig
from rewards.errors import JurySilent
from rewards.panel.panel import Panel
from rewards.registry import build_judge
from rewards.serving.jury import JuryHandle, serve_jury

pytestmark = pytest.mark.system


def test_the_jury_scores_pictures_by_handle_from_a_plain_actor(jury: JuryHandle):
    actor = caller(jury, "steady", "jpeg")
    images = pictures(n=3)
    verdicts, _ = ask(actor, images)
    assert values(verdicts["steady"]) == [1, 2, 3]
    assert jury.versions["steady"] == "steady"
    assert {verdict.version for verdict in verdicts["jpeg"]} == {jury.versions["jpeg"]}
    result = Panel(config("steady", "jpeg")).score(verdicts, 3)
    expected = [1 + 0.5 * verdicts["jpeg"][0].value, 2 + 0.5 * verdicts["jpeg"][1].value]
    assert result.rewards[:2].tolist() == pytest.approx(expected)
    assert result.scored.all()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raises", "RuntimeError: this picture is too much"),
        ("hangs", "no verdict in 5 s"),
        ("nan", "value nan"),
        ("little", "1 verdicts for 2 pictures"),
        ("nonsense", "something in the list of verdicts is no verdict"),
    ],
)
def test_a_judge_that_goes_wrong_leads_to_the_policy_and_never_to_a_zero_or_a_hang(
    jury: JuryHandle, name: str, reason: str
):
    actor = caller(jury, "steady", name)
    verdicts, seconds = ask(actor, pictures(FINE, BAD))
    assert seconds < 5 + 3
    assert values(verdicts["steady"]) == [1, 2]
    # Of these only NaN leaves the other picture of the group its verdict.
    spared = name == "nan"
    assert [verdict.status for verdict in verdicts[name]] == ["ok" if spared else "error", "error"]
    assert verdicts[name][1].text == reason
    assert_policies(name, verdicts, [spared, False])


def test_a_judge_that_raised_answers_the_next_question(jury: JuryHandle):
    verdicts, _ = ask(caller(jury, "raises"), pictures(FINE, FINE))
    assert values(verdicts["raises"]) == [1, 2]


def test_a_judge_has_a_deadline_retries_and_a_policy_of_its_own(jury: JuryHandle):
    judges = {
        "steady": JUDGES["steady"],
        "flaky": JUDGES["flaky"] | {"retries": 1},
        "raises": JUDGES["raises"] | {"retries": 0, "on_error": "renormalise"},
        "hangs": JUDGES["hangs"] | {"timeout_s": 1.0, "on_error": "renormalise", "role": "train"},
    }
    mixed = RewardsConfig.model_validate({"judges": judges, "deadline_s": 60.0, "retries": 5})
    eventually(caller(jury, "hangs"), pictures(), "hangs", 60)
    verdicts, seconds = ask(caller_of(jury, mixed), pictures(BAD, BAD))
    assert seconds < 10
    assert values(verdicts["flaky"]) == [1, 2], "raised at the first call, answered the second"
    assert verdicts["raises"][0].text == "RuntimeError: this picture is too much"
    assert verdicts["hangs"][0].text == "no verdict in 1 s"
    result = Panel(mixed).score(verdicts, 2)
    assert result.rewards.tolist() == [4, 8]


def test_a_judge_is_not_asked_about_prompts_that_it_does_not_apply_to(jury: JuryHandle):
    judges = {
        "steady": JUDGES["steady"] | {"applies_if": {"key": "count"}},
        "hangs": JUDGES["hangs"] | {"applies_if": {"key": "text"}},
    }
    some = RewardsConfig.model_validate({"judges": judges, "deadline_s": 60.0})
    actor = caller_of(jury, some)
    verdicts, seconds = ray.get(actor.ask.remote(pictures(FINE, BAD), [{"count": 2}, {}]), timeout=120)
    assert seconds < 10
    assert [verdict.status for verdict in verdicts["hangs"]] == ["abstain", "abstain"]
    assert values(verdicts["steady"]) == [1, None]


def test_a_late_audit_judge_does_not_hold_up_the_reward(jury: JuryHandle):
    judges = {"steady": JUDGES["steady"], "hangs": JUDGES["hangs"] | {"role": "audit"}}
    watched = RewardsConfig.model_validate({"judges": judges, "deadline_s": 60.0, "audit_grace_s": 1.0})
    eventually(caller(jury, "hangs"), pictures(), "hangs", 60)
    actor = caller_of(jury, watched)
    verdicts, seconds = ask(actor, pictures(BAD, FINE))
    assert seconds < 5
    assert verdicts["hangs"][0].text == "more than 1 s later than the train judges"
    assert Panel(watched).score(verdicts, 2).scored.all()


def test_a_train_judge_that_never_answers_ends_the_run(jury: JuryHandle):
    actor = caller(jury, "hangs", deadline_s=1.5, retries=0, give_up_s=2.5)
    assert ask(actor, pictures(BAD))[0]["hangs"][0].status == "error"
    # Nobody asks, so nobody knows whether it would answer.
    ray.get(actor.skip.remote(3.0))
    assert ray.get(actor.stats.remote())["hangs"]["silent_s"] < 2.5
    with pytest.raises(JurySilent, match=r"judge hangs was asked for 3 s and answered nothing \(rewards.give_up_s\)"):
        ask(actor, pictures(BAD))


def test_many_callers_at_once_each_get_their_own_verdicts(jury: JuryHandle):
    actors = [caller(jury, "steady", deadline_s=60.0) for _ in range(2)]
    asked = []
    for i in range(40):
        images = pictures(n=1 + i % 3)
        images[:, -1, -1] += i
        asked.append((i, len(images), actors[i % 2].ask.remote(images)))
    for i, n, reference in asked:
        verdicts, _ = ray.get(reference, timeout=120)
        assert values(verdicts["steady"]) == [i + j + 1 for j in range(n)]


def test_served_models_say_what_they_say_in_process(
    jury: JuryHandle, llava_dir: Path, clip_dir: Path, lessons: dict[str, np.ndarray]
):
    judges = {
        "artifact": {"kind": "artifact", "model": str(llava_dir), "template": "short", "serve": SERVE},
        "clip": {"kind": "clip", "model": str(clip_dir), "serve": SERVE},
    }
    config = RewardsConfig.model_validate({"judges": judges, "deadline_s": 60.0})
    images = np.stack([lessons["No artifacts"], lessons["duplicated, chromatic irregularity"]])
    verdicts, _ = ask(Caller.remote(serve_jury(config, app="models")), images)
    serve.delete("models")
    for name, judge in config.judges.items():
        expected = build_judge(name, judge).judge(images, ["a cat"] * 2)
        assert [verdict.text for verdict in verdicts[name]] == [verdict.text for verdict in expected]
        assert values(verdicts[name]) == pytest.approx(values(expected), abs=1e-6)
        assert verdicts[name][0].version == expected[0].version
    assert Panel(config).score(verdicts, 2).scored.all()
