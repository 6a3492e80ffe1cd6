# pyright: strict
"""Which checkpoint a run goes on from, whatever lies in its folder."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from learners.distributed.checkpoints import LEARNER, LEDGER, CheckpointStore
from learners.manifest import NAME, Manifest


def make(run: Path, *updates: int) -> CheckpointStore:
    """A store with whole checkpoints after these updates."""
    store = CheckpointStore(run)
    for update in updates:
        folder = store.path(update)
        (folder / "engine").mkdir(parents=True)
        learner = {"version": update, "checksum": "0", "workers": 1, "zero_stage": 0, "statistics": {}}
        (folder / LEARNER).write_text(json.dumps(learner))
        (folder / LEDGER).write_text(json.dumps({"published": update}))
        with zipfile.ZipFile(folder / "engine" / "mp_rank_00_model_states.pt", "w") as shard:
            shard.writestr("data", bytes(1000))
        Manifest.seal(folder)
    return store


def newest(store: CheckpointStore, at_most: int | None = None) -> int | None:
    found = store.newest(at_most).checkpoint
    return None if found is None else found.update


def test_the_newest_whole_checkpoint_is_found_and_newer_ones_are_named(tmp_path: Path) -> None:
    store = make(tmp_path, 2, 4, 6, 8)
    assert newest(store) == 8
    (store.path(8) / LEDGER).write_text("{}")
    shutil.rmtree(store.path(6))
    store.path(6).touch()
    found = store.newest()
    assert found.checkpoint is not None
    assert (found.checkpoint.update, found.checkpoint.ledger) == (4, {"published": 4})
    assert [line.partition(": ")[0] for line in found.damaged] == [str(store.path(8) / LEDGER), str(store.path(6))]


def test_no_checkpoint_of_a_later_update_than_the_ledgers_is_used(tmp_path: Path) -> None:
    store = make(tmp_path, 2, 4, 6)
    assert [newest(store, update) for update in (7, 6, 5, 2, 1)] == [6, 6, 4, 2, None]


def test_a_checkpoint_under_another_ones_name_is_not_its(tmp_path: Path) -> None:
    store = make(tmp_path, 2, 4)
    store.path(4).rename(store.path(5))
    assert newest(store) == 2
    assert "is not of update 5" in store.newest().damaged[0]


def test_what_is_no_checkpoint_is_not_looked_at(tmp_path: Path) -> None:
    store = make(tmp_path, 2)
    for name in ("checkpoint_000004.part", "checkpoint_x", "checkpoint_manager_snapshot.json"):
        (store.folder / name).write_text("half of something")
    assert store.updates() == [2]
    assert newest(store) == 2
    assert newest(CheckpointStore(tmp_path / "nowhere")) is None


def test_a_checkpoint_of_an_earlier_release_is_held_to_what_it_has(tmp_path: Path) -> None:
    store = make(tmp_path, 2, 4, 6, 8, 10)
    for update in store.updates():
        (store.path(update) / NAME).unlink()
    assert newest(store) == 10
    shard = store.path(10) / "engine" / "mp_rank_00_model_states.pt"
    data = bytearray(shard.read_bytes())
    data[500] ^= 1
    shard.write_bytes(data)
    (store.path(8) / "engine" / "mp_rank_00_model_states.pt").unlink()
    (store.path(6) / LEARNER).write_text('{"version": 6}')
    assert newest(store) == 2 + 2
    says = store.newest().damaged
    assert f"{shard}: is damaged (data)" in says
    assert f"{store.path(8) / 'engine'}: holds 0 of 1 shards" in says
    assert f"{store.path(6) / LEARNER}: is damaged, a key is missing" in says


@pytest.mark.parametrize("damaged", [None, 6])
def test_two_whole_checkpoints_are_kept_and_none_that_the_run_has_left_behind(
    tmp_path: Path, damaged: int | None
) -> None:
    store = make(tmp_path, 2, 4, 6, 8, 10)
    (store.folder / "checkpoint_000008.part").mkdir()
    if damaged:
        (store.path(damaged) / LEARNER).write_text("")
    store.prune(8)
    assert [update for update in store.updates() if update != damaged] == ([8, 4] if damaged else [8, 6])
    assert not [*store.folder.glob("*.part")]
