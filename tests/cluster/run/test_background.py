"""Work in another process of a real local Ray."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cluster.errors import RunStopped
from cluster.run.background import Background
from learners.sources.source import TrainingStopped

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("local_ray")]


def test_work_in_the_background_leaves_the_caller_free_and_returns_its_result(tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def waits(path: Path) -> int:
        while not path.exists():
            time.sleep(0.02)
        return os.getpid()

    work = Background("learner", waits, gate)
    work.wait(0.2)
    assert work.running()
    gate.touch()
    work.wait(30)
    assert not work.running()
    assert work.result() != os.getpid()


def test_work_in_the_background_raises_what_it_raised_and_says_if_its_process_died() -> None:
    def fails() -> None:
        raise TrainingStopped("a gradient is not finite")

    def dies() -> None:
        os._exit(1)

    with pytest.raises(TrainingStopped, match=r"^a gradient is not finite$"):
        Background("learner", fails).result()
    with pytest.raises(RunStopped, match="the process of the learner died"):
        Background("learner", dies).result()
