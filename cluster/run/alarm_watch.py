# pyright: strict
"""What happens when an alarm rings: `alarm.on_alarm` in the config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from actors.adapter import Adapter
from cluster.config.experiment import ExperimentConfig
from cluster.errors import AlarmRang
from cluster.run.adapter_archive import AdapterArchive
from cluster.tracking.alarm import Alarm


class AlarmWatch:
    """Acts on alarms: stop ends the training at the next update, rollback publishes an earlier policy as well.

    `stop` ends the training after the update in hand, `newest` fetches the newest adapter, `initial` that of version
    0. `done` is the number of updates that a resumed run begins with.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        run_dir: Path,
        done: int,
        *,
        stop: Callable[[], object],
        newest: Callable[[], Adapter],
        initial: Callable[[], Adapter],
    ) -> None:
        self._trained = run_dir / config.policy.export_folder
        self._stop, self._newest, self._initial = stop, newest, initial
        self._action = config.alarm.on_alarm
        self._archive = AdapterArchive(run_dir, config.checkpoint_every) if self._action == "rollback" else None
        if self._archive is not None:
            self._archive.rewind(done)

    def look(self, alarms: Sequence[Alarm]) -> None:
        """Acts on the `alarms` that have rung; to be called whenever an update has been settled."""
        if self._archive is not None:
            self._archive.keep(self._newest())
        if alarms and self._action != "warn":
            self._stop()

    def adapter(self, alarms: Sequence[Alarm]) -> Adapter:
        """The adapter to publish at the end: the newest, or after a rollback the one from before the `alarms`."""
        if self._archive is None or not alarms:
            return self._newest()
        return self._archive.before(alarms) or self._initial()

    def close(self, alarms: Sequence[Alarm], published: Adapter) -> None:
        """Raises AlarmRang, which says what was published, when the alarms have ended the run."""
        if not alarms or self._action == "warn":
            return
        text = f"the alarm ended the run (alarm.on_alarm: {self._action}): {alarms[0].text}"
        if self._archive is not None:
            text += f" {self._trained} is the policy of update {published.version}, from before the alarm."
        raise AlarmRang(text)
