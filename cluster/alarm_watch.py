"""What a run does about its hacking alarms: `alarm.on_alarm` in the config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray.actor import ActorHandle

from actors.adapter import Adapter
from actors.policy import Policy
from cluster.alarm import Alarm
from cluster.config import ExperimentConfig
from cluster.shelf import AdapterShelf
from cluster.stopped import AlarmRang


class AlarmWatch:
    """warn: nothing. stop: ends the training at the next update. rollback: that, and an earlier policy is published."""

    def __init__(
        self, config: ExperimentConfig, run_dir: Path, ledger: ActorHandle, weights: ActorHandle, done: int
    ) -> None:
        self._config, self._run_dir, self._ledger, self._weights = config, run_dir, ledger, weights
        self._action = config.alarm.on_alarm
        self._shelf = AdapterShelf(run_dir, config.checkpoint_every) if self._action == "rollback" else None
        if self._shelf is not None:
            self._shelf.rewind(done)

    def look(self, alarms: Sequence[Alarm]) -> None:
        """Acts on the `alarms` that have rung; to be called as often as there may be new ones, or new policies."""
        if self._shelf is not None and (newest := self._newest()) is not None:
            self._shelf.keep(newest)
        if alarms and self._action != "warn":
            ray.get(self._ledger.stop.remote())

    def adapter(self, alarms: Sequence[Alarm]) -> Adapter:
        """The adapter to publish at the end: the newest, or after a rollback the one from before the `alarms`."""
        if self._shelf is None or not alarms:
            return self._newest()
        return self._shelf.before(alarms) or Policy.load(self._config.policy, self._config.seed).adapter(0)

    def close(self, alarms: Sequence[Alarm], published: Adapter) -> None:
        """Raises AlarmRang, with what has become of the run, when the alarms have ended it."""
        if not alarms or self._action == "warn":
            return
        told = f"the hacking alarm ended the run (alarm.on_alarm: {self._action}): {alarms[0].text}"
        if self._shelf is not None:
            told += f" {self._run_dir / 'lora'} is the policy of update {published.version}, from before the alarm."
        raise AlarmRang(told)

    def _newest(self) -> Any:
        return ray.get(self._weights.latest.remote())
