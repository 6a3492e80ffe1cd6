"""A checkpoint for which there is no room: the system's own words, nothing left of it, and nothing before it lost."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from plain_loop import SAMPLER, ddpo, load_policy, roll

from learners.config import LearnerConfig
from learners.engine import Engine
from learners.manifest import Manifest
from rewards.storage_error import StorageError


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may become larger than `size` bytes: the system refuses in the middle of a write, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("stage", [0, 1])
@pytest.mark.parametrize("size", [20, 3000, 30_000])
def test_a_checkpoint_without_room_leaves_the_one_before_it_and_the_learner_goes_on(
    tiny_policy_dir: Path, tmp_path: Path, stage: int, size: int
):
    learner = ddpo(load_policy(tiny_policy_dir), LearnerConfig(lr=1e-3, zero_stage=stage), 2, 4, SAMPLER)
    learner.save(tmp_path / "last", {"ledger.json": "{}"})
    learner.update(roll(learner.policy, 0, range(2), 4))
    with room_for(size), pytest.raises(StorageError, match=r"/last.*: cannot be written \(File too large\)") as full:
        learner.save(tmp_path / "last", {"ledger.json": "{}"})
    assert len(str(full.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last"]
    sealed = Manifest.read(tmp_path / "last")
    assert sealed is not None
    sealed.check()
    again = ddpo(load_policy(tiny_policy_dir), LearnerConfig(lr=1e-3, zero_stage=stage), 2, 4, SAMPLER)
    again.restore(tmp_path / "last")
    assert again.version == 0
    learner.save(tmp_path / "last", {"ledger.json": "{}"})
    again.restore(tmp_path / "last")
    assert again.version == 1
    assert again.adapter().checksum() == learner.adapter().checksum()


def test_what_one_worker_cannot_write_stops_all_of_them(monkeypatch: pytest.MonkeyPatch):
    engine = Engine.__new__(Engine)
    monkeypatch.setattr(engine, "gather", lambda its: [its, "RUN/learner: cannot be written"], raising=False)
    with pytest.raises(StorageError, match=r"^RUN/learner: cannot be written$"), engine.together():
        pass
    monkeypatch.setattr(engine, "gather", lambda its: [its, None], raising=False)
    with engine.together():
        pass
    with pytest.raises(StorageError, match=r"^mine$"), engine.together():
        raise OSError("mine")
