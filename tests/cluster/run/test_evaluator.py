# pyright: strict
"""Evaluations on actors that may die: no Ray, which the tests of the whole system have."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from actors.adapter import Adapter
from cluster.config.experiment import load_config
from cluster.crew.health import CrewLost
from cluster.crew.outcome import Outcome
from cluster.run.evaluator import Evaluator
from cluster.tracking.judges import RunJudges
from cluster.tracking.metrics import MetricsWriter
from rewards.verdict import Verdict

CONFIGS = Path(__file__).parents[3] / "configs"


class Crew:
    """Draws pictures that show their seed, of which the held-out judge finds every second free of artifacts.

    A call ends when it is collected; a name in `dying` loses that actor's next call, one in `failing` fails it.
    """

    def __init__(self, audit_judges: Sequence[str] = (), actors: Sequence[str] = ("a", "b")) -> None:
        self.reachable = list(actors)
        self.dying: list[str] = []
        self.failing: list[str] = []
        self.drawn: list[str] = []
        self.silent = ""
        self._audit_judges = audit_judges
        self._calls: dict[int, tuple[str, Sequence[str], Sequence[int], Any]] = {}

    def share(self, adapter: Any) -> Any:
        return adapter

    def draw(
        self, name: str, prompts: Sequence[str], seeds: Sequence[int], metadata: Any, adapter: Any, *, plain: bool
    ) -> Any:
        call = len(self.drawn)
        self.drawn.append(name)
        self._calls[call] = name, prompts, seeds, adapter
        return call

    def collect(self, calls: Sequence[Any], wait_s: float = 0.0) -> dict[Any, Outcome]:
        return {call: self._end(*self._calls[call]) for call in calls}

    def _end(self, name: str, prompts: Sequence[str], seeds: Sequence[int], adapter: Any) -> Outcome:
        if name in self.dying:
            self.dying.remove(name)
            return Outcome(error=RuntimeError("its node is gone"), lost=True)
        if name in self.failing:
            return Outcome(error=RuntimeError("out of memory"))
        said = [
            Verdict("heldout", "ok", seed % 2, {"artifact_free": seed % 2}, ["omitted", "No artifacts"][seed % 2])
            for seed in seeds
        ]
        other = [Verdict("other", "ok", 0.25, {"cosine": 0.25}, "0.25")] * len(seeds)
        failed = [Verdict(self.silent, "error", text="CUDA is gone")] * len(seeds)
        images = np.stack([np.full((8, 8, 3), seed % 256, np.uint8) for seed in seeds])
        verdicts = {j: said if j == "heldout" else other for j in self._audit_judges}
        verdicts |= {self.silent: failed} if self.silent else {}
        return Outcome({"images": images, "verdicts": verdicts, "version": adapter.version, "drawn": {"steps": 8}})


class Writer:
    def __init__(self) -> None:
        self.rows: list[tuple[str, int]] = []

    def evaluation(self, when: str, update: int, metrics: Any, *, plain: bool) -> None:
        self.rows.append((f"{when}, plain" if plain else when, update))

    def pictures(self, *row: Any) -> None: ...


SMALL = ("evaluation.prompts=2", "evaluation.samples=2", "evaluation.plain_samples=0")
ADAPTER = Adapter(3, ("a",), ((1,),), np.zeros(1, np.float32))


class Sitting:
    """An evaluator on a crew, and what it said."""

    def __init__(self, folder: Path, crew: Crew, name: str = "menagerie", *overrides: str) -> None:
        config = load_config(CONFIGS / f"{name}.yaml", [*SMALL, *overrides])
        crew.__init__(config.audit_judges, crew.reachable)
        self.folder, self.writer, self.said = folder, Writer(), list[str]()
        judges = RunJudges.from_settings(config.rewards)
        writer = cast(MetricsWriter, self.writer)
        self.evaluator = Evaluator(config, crew, folder, judges, None, writer, self.said.append)

    def finish(self, ticks: int = 20) -> dict[str, Any]:
        """Ticks until nothing is left; the one sheet that was saved."""
        while self.evaluator.busy:
            assert (ticks := ticks - 1), "it never ended"
            self.evaluator.tick()
        (sheet,) = (self.folder / "pictures").glob("*.json")
        return json.loads(sheet.read_text())


@pytest.mark.parametrize("name", ["menagerie", "hacking", "sd35"])
def test_pictures_are_marked_by_a_judge_that_looks_for_artifacts_or_by_none(name: str, tmp_path: Path):
    sitting = Sitting(tmp_path, Crew(), name)
    sitting.evaluator.begin("before", ADAPTER)
    saved = sitting.finish()
    config = load_config(CONFIGS / f"{name}.yaml")
    if "heldout" in config.audit_judges:
        assert saved["clean"] == [[seed % 2 == 1 for seed in row] for row in saved["seeds"]]
        assert saved["answers"] == [[["omitted", "No artifacts"][seed % 2] for seed in row] for row in saved["seeds"]]
    else:
        assert saved["clean"] == [[None] * 2] * 2
    assert sitting.writer.rows == [("before", 3)]


def test_what_a_dead_actor_has_not_drawn_another_draws_and_the_result_is_the_same(tmp_path: Path):
    results: list[dict[str, Any]] = []
    for dying in ([], ["a"], ["b", "a"]):
        crew = Crew()
        sitting = Sitting(tmp_path / str(len(dying)), crew, "menagerie", "sampler.max_batch=1", "actors.count=2")
        crew.dying = list(dying)
        sitting.evaluator.begin("before", ADAPTER)
        results.append(sitting.finish())
    assert results[0] == results[1] == results[2]


def test_an_actor_that_cannot_be_reached_holds_nothing_up(tmp_path: Path):
    crew = Crew()
    sitting = Sitting(tmp_path, crew, "menagerie", "sampler.max_batch=1")
    sitting.evaluator.begin("before", ADAPTER)
    sitting.evaluator.tick()
    assert set(crew.drawn) == {"a", "b"}
    crew.reachable = ["b"]
    crew.collect = lambda calls, wait_s=0.0: {}  # nobody answers
    sitting.evaluator.tick()
    del crew.collect
    sitting.finish()
    assert "a" not in crew.drawn[4:]


def test_while_nobody_can_be_reached_it_waits_and_does_not_block(tmp_path: Path):
    crew = Crew()
    sitting = Sitting(tmp_path, crew)
    crew.reachable = []
    sitting.evaluator.begin("10", ADAPTER)
    for _ in range(5):
        sitting.evaluator.tick()
    assert sitting.evaluator.busy
    crew.reachable = ["b"]
    sitting.finish()


def test_pictures_that_fail_everywhere_end_the_run_with_the_reason(tmp_path: Path):
    crew = Crew()
    sitting = Sitting(tmp_path, crew)
    crew.failing = ["a", "b"]
    sitting.evaluator.begin("before", ADAPTER)
    with pytest.raises(CrewLost, match=r"the evaluation failed 3 times, the last at [ab]: out of memory"):
        sitting.finish()


@pytest.mark.parametrize(("when", "named"), [("5", "of update 5"), ("after", "after training")])
def test_a_run_that_has_trained_is_not_lost_for_an_evaluation(tmp_path: Path, when: str, named: str):
    crew = Crew()
    sitting = Sitting(tmp_path, crew)
    crew.failing = ["a", "b"]
    sitting.evaluator.begin(when, ADAPTER)
    sitting.evaluator.begin("later", ADAPTER)
    while not sitting.said:
        sitting.evaluator.tick()
    assert sitting.said[0].startswith(
        f"the evaluation {named} is left out: the evaluation failed 3 times, the last at "
    )
    crew.failing = []
    sitting.finish()
    assert sitting.writer.rows == [("later", 3)]


def test_an_actor_that_fails_alone_costs_nothing(tmp_path: Path):
    crew = Crew()
    sitting = Sitting(tmp_path, crew, "menagerie", "sampler.max_batch=1")
    crew.failing = ["a"]
    sitting.evaluator.begin("before", ADAPTER)
    sitting.finish()


def test_evaluations_wait_for_each_other_and_those_of_a_policy_that_is_gone_are_forgotten(tmp_path: Path):
    sitting = Sitting(tmp_path, Crew())
    for when, version in (("5", 5), ("10", 10)):
        sitting.evaluator.begin(when, dataclasses.replace(ADAPTER, version=version))
    sitting.evaluator.rewind(7)
    sitting.finish()
    assert sitting.writer.rows == [("5", 5)]


def test_a_judge_that_fails_on_every_picture_is_named(tmp_path: Path):
    crew = Crew()
    sitting = Sitting(tmp_path, crew)
    crew.silent = "heldout"
    sitting.evaluator.begin("before", ADAPTER)
    sitting.finish()
    assert sitting.said == ["judge heldout failed on every picture of the evaluation: CUDA is gone"]


def test_plain_diffusers_draws_the_same_prompts_once_more_and_what_is_made_is_not_made_again(tmp_path: Path):
    sitting = Sitting(tmp_path, Crew(), "menagerie", "evaluation.plain_samples=1")
    sitting.evaluator.begin("before", ADAPTER)
    while sitting.evaluator.busy:
        sitting.evaluator.tick()
    assert sitting.writer.rows == [("before", 3), ("before, plain", 3)]
    ours, plain = (
        json.loads((tmp_path / "pictures" / f"{name}.json").read_text()) for name in ("before", "before-plain")
    )
    assert plain["prompts"] == ours["prompts"]
    assert plain["seeds"] == [row[:1] for row in ours["seeds"]]
    made = [{"when": "before", "update": 3}, {"when": "before", "update": 2, "sampling": "plain"}]
    sitting.evaluator.begin("before", ADAPTER, made)
    while sitting.evaluator.busy:
        sitting.evaluator.tick()
    assert sitting.writer.rows[2:] == [("before, plain", 3)]
