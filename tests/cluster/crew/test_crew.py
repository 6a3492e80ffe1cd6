# pyright: strict
"""What the crew says when its actors do not come up; the tests of the whole system have real ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.exceptions import GetTimeoutError

from cluster.config.experiment import load_config
from cluster.crew.crew import RolloutCrew
from cluster.crew.health import CrewLost

MENAGERIE = Path(__file__).parents[3] / "configs" / "menagerie.yaml"


def test_actors_that_are_not_up_in_time_end_the_run_and_the_keys_that_help_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []

    def get(calls: list[Any], timeout: float) -> None:
        waited.append(timeout)
        raise GetTimeoutError

    actor = SimpleNamespace(ready=SimpleNamespace(remote=lambda: None))

    def spawn(crew: RolloutCrew, name: str) -> Any:
        return actor

    monkeypatch.setattr(RolloutCrew, "_spawn", spawn)
    monkeypatch.setattr(ray, "get", get)
    nobody: Any = None
    crew = RolloutCrew(load_config(MENAGERIE, ["actors.start_timeout_s=7", "actors.count=2"]), nobody, nobody)
    with pytest.raises(CrewLost) as lost:
        crew.ready()
    assert waited == [7.0]
    assert str(lost.value) == (
        "rollout actors were not up in 7 s; is there room for actors.count 2 × actors.num_cpus 0.5, or is the model "
        "still being downloaded? raise actors.start_timeout_s"
    )
