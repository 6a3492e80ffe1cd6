"""What a ledger tells again when a run is resumed, without Ray."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from cluster.ledger.ray_actors import LedgerActor

SETTINGS: dict[str, Any] = {"seed": 0, "groups_per_update": 1, "samples_per_prompt": 2, "max_lag": 0, "updates": 4}


def ledger(state: Any = None) -> LedgerActor:
    return LedgerActor(lambda index: (f"prompt {index}", {}), state=state, **SETTINGS)


def test_an_update_that_is_told_again_and_again_keeps_its_time() -> None:
    async def run() -> None:
        row = {"version": 0, "groups": [], "loss": 0.5}
        state = {**await ledger().state(), "unreported": [row | {"time": 1000.0}]}
        for _ in range(2):
            resumed = ledger(state)
            update, resume = await resumed.events(0)
            assert (update["number"], update["kind"], update["time"], update["loss"]) == (1, "update", 1000.0, 0.5)
            assert (resume["number"], resume["kind"]) == (2, "resume")
            assert resume["time"] > 1000.0
            state = json.loads(json.dumps(await resumed.state()))
        (update, _) = await ledger({**state, "unreported": [row]}).events(0)
        assert update["time"] > 1000.0, "a checkpoint of before has no time to keep"

    asyncio.run(run())
