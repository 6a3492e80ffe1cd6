"""The jury on a real local Ray Serve, asked from a plain Ray actor, while its judges go wrong."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from faulty_judges import BAD, FINE, LETHAL
from ray import serve

from rewards.config import RewardsConfig
from rewards.errors import JudgeFailed, JurySilent
from rewards.panel.panel import Panel
from rewards.registry import build_judge
from rewards.serving.jury import JuryHandle, serve_jury
from rewards.verdict import Verdict

pytestmark = pytest.mark.system

SERVE = {"num_cpus": 0.05, "health_check_period_s": 1.0, "stuck_after_s": 4.0}
JUDGES = {
    "steady": {"kind": "faulty_judges:Steady"},
    "jpeg": {"kind": "jpeg", "weight": 0.5},
    "raises": {"kind": "faulty_judges:Raises"},
    "hangs": {"kind": "faulty_judges:Hangs", "options": {"hang": 1000.0}},
    "nan": {"kind": "faulty_judges:SaysNaN"},
    "little": {"kind": "faulty_judges:SaysTooLittle"},
    "nonsense": {"kind": "faulty_judges:SaysNonsense"},
    "dies": {"kind": "faulty_judges:Dies"},
    "flaky": {"kind": "faulty_judges:RaisesOnce"},
    "poisoned": {"kind": "faulty_judges:LosesItsDevice"},
}


def config(*names: str, **settings: object) -> RewardsConfig:
    """The configuration of the judges named, or of all."""
    judges = {name: JUDGES[name] | {"serve": SERVE} for name in names or JUDGES}
    return RewardsConfig.model_validate({"judges": judges, "deadline_s": 5.0, "retries": 1} | settings)


def pictures(*first: int, n: int = 2) -> np.ndarray:
    """Pictures whose last pixel is 1, 2, … and whose first pixel tells a faulty judge what to do."""
    images = np.zeros((max(n, len(first)), 8, 8, 3), np.uint8)
    images[:, 0, 0] = FINE
    for i, value in enumerate(first):
        images[i, 0, 0] = value
    images[:, -1, -1] = np.arange(1, len(images) + 1)[:, None]
    return images


@ray.remote(num_cpus=0.05)
class Caller:
    """A plain actor, as rollout actors are."""

    def __init__(self, jury: JuryHandle) -> None:
        self._jury = jury

    async def ask(
        self, images: np.ndarray, metadata: list[dict[str, Any]] | None = None
    ) -> tuple[dict[str, list[Verdict]], float]:
        start = time.monotonic()
        verdicts = await self._jury.verdicts(images, ["a cat"] * len(images), metadata)
        return verdicts, time.monotonic() - start

    async def stats(self) -> dict[str, dict[str, float]]:
        return self._jury.stats()


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    folder = tempfile.mkdtemp(prefix="jury", dir="/tmp")
    here = Path(__file__).resolve()
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=200 * 2**20,
        _temp_dir=folder,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([str(here.parents[1]), str(here.parents[3])])}},
    )
    yield
    serve.shutdown()
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def jury(cluster: None) -> JuryHandle:
    return serve_jury(config())


def caller(jury: JuryHandle, *names: str, **settings: object):
    """An actor that asks only the judges named."""
    return caller_of(jury, config(*names, **settings))


def caller_of(jury: JuryHandle, config: RewardsConfig):
    """An actor that asks the judges of `config`, which `jury` serves."""
    return Caller.remote(JuryHandle(config, {name: jury._handles[name] for name in config.judges}, jury.versions))


def ask(actor, images: np.ndarray) -> tuple[dict[str, list[Verdict]], float]:
    return ray.get(actor.ask.remote(images), timeout=120)


def values(verdicts: list[Verdict]) -> list[float | None]:
    return [verdict.value for verdict in verdicts]


def eventually(actor, images: np.ndarray, name: str, seconds: float) -> list[Verdict]:
    """The judge's verdicts once they are ok, asked again and again."""
    until = time.monotonic() + seconds
    while True:
        given = ask(actor, images)[0][name]
        if all(verdict.status == "ok" for verdict in given) or time.monotonic() > until:
            return given


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


def assert_policies(name: str, verdicts: dict[str, list[Verdict]], scored: list[bool]) -> None:
    """What the panel makes of two pictures of which the judge `name` has `scored` some, by every `on_error`."""
    dropped = Panel(config("steady", name)).score(verdicts, 2)
    assert dropped.scored.tolist() == scored
    assert np.isfinite(dropped.rewards).tolist() == scored
    alone = Panel(config("steady", name, on_error="renormalise")).score(verdicts, 2)
    assert alone.rewards.tolist() == [2, 4]
    with pytest.raises(JudgeFailed, match=f"judge {name} failed"):
        Panel(config("steady", name, on_error="stop")).score(verdicts, 2)


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


def test_a_replica_that_hangs_is_replaced(jury: JuryHandle):
    actor = caller(jury, "hangs")
    ask(actor, pictures(BAD, FINE))
    given = eventually(actor, pictures(FINE, FINE), "hangs", 60)
    assert values(given) == [1, 2]
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
    time.sleep(3)
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


def test_replicas_are_added_when_the_calls_come_from_plain_actors(jury: JuryHandle):
    scaling = {**SERVE, "max_replicas": 3, "max_batch_size": 1, "target_ongoing_requests": 1.0, "upscale_delay_s": 0.5}
    slow = {"kind": "faulty_judges:Steady", "options": {"sleep": 0.3}, "serve": scaling}
    config = RewardsConfig.model_validate({"judges": {"slow": slow}})
    actor = Caller.remote(serve_jury(config, app="scaling"))
    replicas: set[str] = set()
    until = time.monotonic() + 60
    while len(replicas) < 3 and time.monotonic() < until:
        answers = ray.get([actor.ask.remote(pictures()) for _ in range(12)], timeout=120)
        replicas |= {verdicts["slow"][0].text for verdicts, _ in answers}
    serve.delete("scaling")
    assert len(replicas) == 3


def test_a_caller_that_is_pushed_back_waits_and_is_answered(jury: JuryHandle):
    narrow = {**SERVE, "max_batch_size": 1, "max_queued_requests": 1, "batch_wait_s": 0.0}
    slow = {"kind": "faulty_judges:Steady", "options": {"sleep": 0.1}, "serve": narrow}
    config = RewardsConfig.model_validate({"judges": {"narrow": slow}})
    actor = Caller.remote(serve_jury(config, app="narrow"))
    answers = ray.get([actor.ask.remote(pictures()) for _ in range(12)], timeout=120)
    pushed_back = ray.get(actor.stats.remote())["narrow"]["pushed_back"]
    serve.delete("narrow")
    assert all(values(verdicts["narrow"]) == [1, 2] for verdicts, _ in answers)
    assert pushed_back > 0


def test_a_judge_that_cannot_load_stops_the_start_with_its_own_words(jury: JuryHandle):
    broken = {"judges": {"broken": {"kind": "faulty_judges:CannotLoad", "serve": SERVE}}, "start_timeout_s": 60}
    with pytest.raises(ValueError, match="these weights are not for me"):
        serve_jury(RewardsConfig.model_validate(broken), app="broken")


def test_judges_that_find_no_room_are_named(jury: JuryHandle):
    large = {"judges": {"large": {"kind": "jpeg", "serve": {"num_cpus": 64}}}, "start_timeout_s": 8}
    said = r"judges large were not up in 8 s; is there room for the num_cpus .* raise rewards.start_timeout_s"
    with pytest.raises(TimeoutError, match=said):
        serve_jury(RewardsConfig.model_validate(large), app="large")
