# pyright: strict
"""What a run does when its alarm rings, without a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actors.adapter import Adapter
from cluster.config.experiment import load_config
from cluster.errors import AlarmRang
from cluster.run.adapter_archive import AdapterArchive
from cluster.run.alarm_watch import AlarmWatch
from cluster.tracking.alarm import Alarm

MENAGERIE = Path(__file__).parents[3] / "configs" / "menagerie.yaml"
RANG = Alarm("heldout/animal", 12, (3, 6), (9, 12), reward=(0.1, 0.5), metric=(0.9, 0.2), rose=True)


class Run:
    """A run's ledger and weight store, as far as a watch knows them."""

    def __init__(self, folder: Path, action: str, done: int = 0) -> None:
        config = load_config(MENAGERIE, [f"alarm.on_alarm={action}", "checkpoint_every=2"])
        self.version, self.stopped, self.fetched = done, 0, 0
        self.watch = AlarmWatch(
            config, folder, done, stop=self._stop, newest=self._newest, initial=lambda: Adapter.pack(0, {})
        )

    def _stop(self) -> None:
        self.stopped += 1

    def _newest(self) -> Adapter:
        self.fetched += 1
        return Adapter.pack(self.version, {"up.lora_A": np.full((2, 3), self.version)})

    def settle(self, version: int, *alarms: Alarm) -> None:
        self.version = version
        self.watch.look(alarms)


def test_a_warning_changes_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path, "warn")
    run.settle(12, RANG)
    assert (run.stopped, run.fetched) == (0, 0)
    assert run.watch.adapter([RANG]).version == 12
    run.watch.close([RANG], run.watch.adapter([RANG]))
    assert not list(tmp_path.iterdir())


def test_stop_ends_the_training_and_publishes_the_newest(tmp_path: Path) -> None:
    run = Run(tmp_path, "stop")
    run.settle(11)
    assert run.stopped == 0
    run.settle(12, RANG)
    assert (run.stopped, run.fetched) == (1, 0), "nothing is fetched that nobody keeps"
    published = run.watch.adapter([RANG])
    assert published.version == 12
    with pytest.raises(AlarmRang, match=r"on_alarm: stop.*heldout/animal") as rang:
        run.watch.close([RANG], published)
    assert "lora" not in str(rang.value)


def test_rollback_publishes_what_the_earlier_window_drew(tmp_path: Path) -> None:
    run = Run(tmp_path, "rollback")
    for version in range(1, 12):
        run.settle(version)
    run.settle(12, RANG)
    assert run.stopped == 1
    published = run.watch.adapter([RANG])
    assert published.version == 4, "the earlier window ends with update 6, whose pictures policy 5 drew; 4 was kept"
    with pytest.raises(AlarmRang, match=r"lora is the policy of update 4, from before the alarm"):
        run.watch.close([RANG], published)


def test_a_rollback_to_before_anything_was_kept_publishes_the_base_policy(tmp_path: Path) -> None:
    run = Run(tmp_path, "rollback")
    run.settle(8, RANG)
    assert run.watch.adapter([RANG]).version == 0


def test_a_resumed_run_forgets_what_it_makes_again(tmp_path: Path) -> None:
    run = Run(tmp_path, "rollback")
    for version in range(1, 8):
        run.settle(version)
    Run(tmp_path, "rollback", done=5)
    assert AdapterArchive(tmp_path, 2).versions() == [1, 2, 4]


def test_without_an_alarm_the_newest_is_published(tmp_path: Path) -> None:
    run = Run(tmp_path, "rollback")
    run.settle(3)
    published = run.watch.adapter([])
    assert published.version == 3
    run.watch.close([], published)
