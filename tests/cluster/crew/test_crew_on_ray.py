"""The crew with real Ray actors, which have no model: what they are asked to do, they die or fail of."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from actors.adapter import Adapter
from actors.error_budget import ErrorBudget
from cluster.config.experiment import load_config
from cluster.crew.crew import RolloutCrew
from cluster.crew.health import CrewLost

pytestmark = pytest.mark.usefixtures("local_ray")

MENAGERIE = Path(__file__).parents[3] / "configs" / "menagerie.yaml"
ADAPTER = Adapter(0, ("a",), ((1,),), np.zeros(1, np.float32))


class Actor:
    """Rolls for ever; `sick` ones meet the same error at once."""

    def __init__(self, name: str, sick: bool) -> None:
        self._name, self._sick, self._rolls = name, sick, 0

    async def ready(self) -> bool:
        return True

    async def roll(self) -> None:
        self._rolls += 1
        while not self._sick:
            await asyncio.sleep(0.1)
        budget = ErrorBudget(self._name, 1)
        try:
            raise RuntimeError("CUDA error: device-side assert")
        except RuntimeError as error:
            budget.failed(error, "ticket 1")
        assert budget.fatal is not None
        raise budget.fatal

    async def stats(self) -> dict[str, Any]:
        return {"name": self._name, "pid": os.getpid(), "rolls": self._rolls, "groups": 0}

    async def initial(self) -> Adapter:
        return ADAPTER

    async def stop(self) -> None: ...


class Ledger:
    """Keeps the names of the actors whose tickets were given back."""

    def __init__(self) -> None:
        self.released: list[str] = []

    def release(self, actor: str) -> None:
        self.released.append(actor)


class Crew:
    """A crew of such actors that rolls, and what it said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int, sick: Callable[[int], bool], restarts: int = 0):
        self.ledger, self.said, self.spawned = Ledger(), list[str](), list[str]()

        def spawn(crew: RolloutCrew, name: str) -> Any:
            self.spawned.append(name)
            options: Any = ray.remote(Actor).options(num_cpus=0.01, max_restarts=restarts)
            return options.remote(name, sick(len(self.spawned)))

        monkeypatch.setattr(RolloutCrew, "_spawn", spawn)
        settings = [f"actors.count={count}", "actors.call_deadline_s=2", "cluster.stalled_after_s=300"]
        ledger: Any = self.ledger
        jury: Any = None
        self.crew = RolloutCrew(load_config(MENAGERIE, settings), ledger, jury)
        self.crew.ready()
        self.crew.roll()
        self.until(lambda: len(self.crew.stats) == count)

    def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.said
            self.said += self.crew.check(wait_s=0.2)
            time.sleep(0.05)

    def stats_of(self, name: str) -> dict[str, Any]:
        return next((its for its in self.crew.stats if its["name"] == name), {})


def test_one_sick_actor_of_three_is_replaced_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch):
    its = Crew(monkeypatch, 3, sick=lambda life: life == 2)
    its.until(lambda: "actor-1 has been replaced" in its.said)
    assert any("actor-1 is sick: actor-1: the same error" in line and "CUDA error" in line for line in its.said)
    its.until(lambda: len(its.crew.stats) == 3)
    assert its.spawned == ["actor-0", "actor-1", "actor-2", "actor-1"]
    assert its.ledger.released == ["actor-1"]
    its.crew.dismiss()


@pytest.mark.parametrize("count", [1, 2])
def test_when_all_fail_alike_the_run_ends_with_the_reason(monkeypatch: pytest.MonkeyPatch, count: int):
    its: list[Crew] = []
    with pytest.raises(CrewLost, match=r"ended by the same error: .*CUDA error: device-side assert"):  # noqa: PT012
        its.append(Crew(monkeypatch, count, sick=lambda life: True))
        its[0].until(lambda: False)


def test_a_dead_actor_gives_back_its_tickets_and_rolls_again_when_ray_has_started_it(monkeypatch: pytest.MonkeyPatch):
    its = Crew(monkeypatch, 2, sick=lambda life: False, restarts=3)
    os.kill(its.stats_of("actor-0")["pid"], signal.SIGKILL)
    its.until(lambda: "actor-0" in its.ledger.released, 20)
    assert its.crew.initial().names == ADAPTER.names, "another can be asked meanwhile"
    its.until(lambda: its.stats_of("actor-0").get("rolls") == 1)
    assert its.ledger.released == ["actor-0"]
    its.crew.dismiss()


def test_an_actor_without_restarts_is_replaced(monkeypatch: pytest.MonkeyPatch):
    its = Crew(monkeypatch, 2, sick=lambda life: False)
    os.kill(its.stats_of("actor-1")["pid"], signal.SIGKILL)
    its.until(lambda: "actor-1 has been replaced" in its.said)
    its.until(lambda: len(its.crew.stats) == 2)
    assert set(its.ledger.released) == {"actor-1"}
    its.crew.dismiss()


def test_a_frozen_actor_holds_nobody_up(monkeypatch: pytest.MonkeyPatch):
    its = Crew(monkeypatch, 2, sick=lambda life: False)
    pid = its.stats_of("actor-0")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        its.until(lambda: its.crew.reachable == ["actor-1"], 20)
        start = time.monotonic()
        its.crew.check(wait_s=5.0)
        assert time.monotonic() - start < 2.0, "it was waited for"
    finally:
        os.kill(pid, signal.SIGCONT)
    assert its.ledger.released == ["actor-0"]
    its.until(lambda: "actor-0 is back" in its.said)
    its.crew.dismiss()
