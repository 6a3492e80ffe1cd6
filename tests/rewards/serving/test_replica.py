"""Replicas on a real local Ray Serve: replaced when they hang or die, added under load, refused if they can't load."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import ray
from asked_jury import SERVE, Caller, ask, assert_policies, caller, eventually, pictures, values, wait_until
from faulty_judges import BAD, FINE, LETHAL
from ray import serve

from rewards.config import RewardsConfig
from rewards.serving.jury import JuryHandle, running_replicas, serve_jury

pytestmark = pytest.mark.system


def test_a_replica_that_hangs_is_replaced(jury: JuryHandle):
    actor = caller(jury, "hangs")
    ask(actor, pictures(BAD, FINE))
    verdicts = eventually(actor, pictures(FINE, FINE), "hangs", 60)
    assert values(verdicts) == [1, 2]
    assert ray.get(actor.stats.remote())["hangs"]["silent_s"] == 0


def test_a_replica_that_has_lost_its_device_is_replaced(jury: JuryHandle):
    actor = caller(jury, "poisoned")
    verdicts, _ = ask(actor, pictures(BAD, FINE))
    assert verdicts["poisoned"][0].status == "error"
    assert values(eventually(actor, pictures(FINE, FINE), "poisoned", 60)) == [1, 2]


def test_a_killed_replica_recovers_and_its_caller_waits_for_it(jury: JuryHandle):
    actor = caller(jury, "steady", deadline_s=60.0, retries=3)
    first = ask(actor, pictures())[0]["steady"]
    os.kill(int(first[0].text), signal.SIGKILL)
    again = ask(actor, pictures())[0]["steady"]
    assert values(again) == values(first)
    assert again[0].text != first[0].text


def test_a_picture_that_kills_every_replica_is_given_up_after_the_retries(jury: JuryHandle):
    actor = caller(jury, "steady", "dies", deadline_s=60.0, retries=1)
    verdicts, _ = ask(actor, pictures(LETHAL, FINE))
    assert_policies("dies", verdicts, [False, False])
    assert [verdict.status for verdict in verdicts["dies"]] == ["error", "error"]
    assert "its replica died" in verdicts["dies"][0].text
    assert ray.get(actor.stats.remote())["dies"]["died"] == 2
    assert values(eventually(actor, pictures(), "dies", 60)) == [1, 2]


def test_replicas_are_added_when_the_calls_come_from_plain_actors(jury: JuryHandle, tmp_path: Path):
    scaling = {**SERVE, "max_replicas": 3, "max_batch_size": 1, "target_ongoing_requests": 1.0, "upscale_delay_s": 0.5}
    waits = {
        "kind": "faulty_judges:Waits",
        "options": {"until": str(tmp_path / "go")},
        "serve": scaling | {"stuck_after_s": 120.0},
    }
    config = RewardsConfig.model_validate({"judges": {"waits": waits}, "deadline_s": 120.0})
    actor = Caller.remote(serve_jury(config, app="scaling"))
    asked = [actor.ask.remote(pictures()) for _ in range(12)]
    assert wait_until(lambda: running_replicas("scaling") == {"waits": 3})
    (tmp_path / "go").touch()
    replicas = {verdicts["waits"][0].text for verdicts, _ in ray.get(asked, timeout=120)}
    serve.delete("scaling")
    assert len(replicas) == 3


def test_a_caller_that_is_pushed_back_waits_and_is_answered(jury: JuryHandle, tmp_path: Path):
    narrow = {**SERVE, "max_batch_size": 1, "max_queued_requests": 1, "batch_wait_s": 0.0, "stuck_after_s": 120.0}
    waits = {"kind": "faulty_judges:Waits", "options": {"until": str(tmp_path / "go")}, "serve": narrow}
    config = RewardsConfig.model_validate({"judges": {"narrow": waits}, "deadline_s": 120.0})
    actor = Caller.remote(serve_jury(config, app="narrow"))
    asked = [actor.ask.remote(pictures()) for _ in range(12)]
    assert wait_until(lambda: ray.get(actor.stats.remote())["narrow"]["pushed_back"] > 0)
    (tmp_path / "go").touch()
    answers = ray.get(asked, timeout=120)
    serve.delete("narrow")
    assert all(values(verdicts["narrow"]) == [1, 2] for verdicts, _ in answers)


def test_a_judge_that_cannot_load_stops_the_start_with_its_own_words(jury: JuryHandle):
    broken = {"judges": {"broken": {"kind": "faulty_judges:CannotLoad", "serve": SERVE}}, "start_timeout_s": 60}
    with pytest.raises(ValueError, match="these weights are not for me"):
        serve_jury(RewardsConfig.model_validate(broken), app="broken")


def test_judges_that_find_no_room_are_named(jury: JuryHandle):
    large = {"judges": {"large": {"kind": "jpeg", "serve": {"num_cpus": 64}}}, "start_timeout_s": 8}
    reason = r"judges large were not up in 8 s; is there room for the num_cpus .* raise rewards.start_timeout_s"
    with pytest.raises(TimeoutError, match=reason):
        serve_jury(RewardsConfig.model_validate(large), app="large")
