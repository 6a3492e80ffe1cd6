"""A jury of faulty judges on Ray Serve, and plain actors that ask it, as rollout actors do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import ray
from faulty_judges import FINE

from rewards.config import RewardsConfig
from rewards.errors import JudgeFailed
from rewards.panel.panel import Panel
from rewards.serving.jury import JuryHandle
from rewards.verdict import Verdict

SERVE = {"num_cpus": 0.05, "health_check_period_s": 1.0, "stuck_after_s": 4.0}
JUDGES = {
    "steady": {"kind": "faulty_judges:Steady"},
    "jpeg": {"kind": "jpeg", "weight": 0.5},
    "raises": {"kind": "faulty_judges:Raises"},
    "hangs": {
        "kind": "faulty_judges:Hangs",
    },
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
    """A plain actor, as rollout actors are, whose clock can be put forward."""

    def __init__(self, jury: JuryHandle) -> None:
        self._skipped_s = 0.0
        self._jury = JuryHandle(
            jury.config, jury._handles, jury.versions, clock=lambda: time.monotonic() + self._skipped_s
        )

    async def ask(
        self, images: np.ndarray, metadata: list[dict[str, Any]] | None = None
    ) -> tuple[dict[str, list[Verdict]], float]:
        start = time.monotonic()
        verdicts = await self._jury.verdicts(images, ["a cat"] * len(images), metadata)
        return verdicts, time.monotonic() - start

    async def stats(self) -> dict[str, dict[str, float]]:
        return self._jury.stats()

    async def skip(self, seconds: float) -> None:
        """Puts the clock forward."""
        self._skipped_s += seconds


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
        verdicts = ask(actor, images)[0][name]
        if all(verdict.status == "ok" for verdict in verdicts) or time.monotonic() > until:
            return verdicts


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether `holds` before `seconds` are over; looked at ten times a second."""
    until = time.monotonic() + seconds
    while not (there := holds()) and time.monotonic() < until:
        time.sleep(0.1)
    return there


def assert_policies(name: str, verdicts: dict[str, list[Verdict]], scored: list[bool]) -> None:
    """What the panel makes of two pictures of which the judge `name` has `scored` some, by every `on_error`."""
    dropped = Panel(config("steady", name)).score(verdicts, 2)
    assert dropped.scored.tolist() == scored
    assert np.isfinite(dropped.rewards).tolist() == scored
    alone = Panel(config("steady", name, on_error="renormalise")).score(verdicts, 2)
    assert alone.rewards.tolist() == [2, 4]
    with pytest.raises(JudgeFailed, match=f"judge {name} failed"):
        Panel(config("steady", name, on_error="stop")).score(verdicts, 2)
