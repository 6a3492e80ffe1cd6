# pyright: strict
"""The checkpoints of a run, `RUN/learner/checkpoint_NNNNNN`: which of them are whole, and the newest of those.

A checkpoint is the learner's state, the ledger's, and the config, all as of one update. It has its name only when it is
complete, and then a manifest proves it. Nothing else decides what a run goes on from: neither the newest name nor
anybody's list of checkpoints is trusted.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from learners.manifest import Manifest
from rewards.atomic_write import PART

FOLDER, KEPT = "learner", 2
LEDGER, LEARNER, CONFIG = "ledger.json", "learner.json", "config.yaml"
ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint: the updates that were done, its folder, and what its `ledger.json` and `learner.json` say."""

    update: int
    folder: Path
    ledger: Mapping[str, Any]
    learner: Mapping[str, Any]

    @property
    def config(self) -> Path | None:
        """The config that the run had; None in a checkpoint of an earlier release."""
        path = self.folder / CONFIG
        return path if path.is_file() else None

    @classmethod
    def read(cls, folder: Path, update: int) -> Checkpoint:
        """The checkpoint in `folder`; raises ValueError, in one line that names the file, if it is not whole."""
        if not folder.is_dir():
            raise ValueError(f"{folder}: is no folder")
        manifest = Manifest.read(folder)
        if manifest is not None:
            if missing := {LEARNER, LEDGER} - manifest.files.keys():
                raise ValueError(f"{folder}: is damaged, its manifest does not list {min(missing)}")
            manifest.check()
        learner, ledger = _json(folder / LEARNER), _json(folder / LEDGER)
        for name, done in ((LEARNER, learner.get("version")), (LEDGER, ledger.get("published"))):
            if done != update:
                raise ValueError(f"{folder / name}: is damaged, it is not of update {update}")
        if manifest is None:
            _check_shards(folder, learner)
        return cls(update, folder, ledger, learner)


@dataclass(frozen=True, slots=True)
class Found:
    """The newest whole checkpoint, None if there is none, and why newer ones are not it, in a line each."""

    checkpoint: Checkpoint | None
    damaged: list[str] = field(default_factory=list[str])


class CheckpointStore:
    """The checkpoints in a run's folder."""

    def __init__(self, run_dir: Path) -> None:
        self.folder = run_dir / FOLDER

    def path(self, update: int) -> Path:
        """Where the checkpoint of `update` is."""
        return self.folder / f"checkpoint_{update:06d}"

    def updates(self) -> list[int]:
        """The updates after which there is a checkpoint, whole or not, the newest first."""
        names = (re.fullmatch(r"checkpoint_(\d{6,12})", path.name) for path in self.folder.glob("checkpoint_*"))
        return sorted((int(name[1]) for name in names if name), reverse=True)

    def newest(self, at_most: int | None = None, accept: Callable[[Checkpoint], object] = id) -> Found:
        """The newest whole checkpoint (of update `at_most`, or before it) that `accept` raises no ValueError for."""
        damaged: list[str] = []
        for update in self.updates():
            if at_most is None or update <= at_most:
                try:
                    checkpoint = Checkpoint.read(self.path(update), update)
                    accept(checkpoint)
                except ValueError as error:
                    damaged.append(str(error))
                else:
                    return Found(checkpoint, damaged)
        return Found(None, damaged)

    def prune(self, update: int) -> None:
        """Removes what nobody goes on from, now that the checkpoint of `update` is written: all but the `KEPT` newest
        whole ones, and those of later updates, which the run has left behind and makes again."""
        whole = 0
        for found in self.updates():
            if found > update or whole >= KEPT:
                shutil.rmtree(self.path(found), ignore_errors=True)
            else:
                newest = self.newest(found).checkpoint
                whole += newest is not None and newest.update == found
        for left in self.folder.glob(f"*{PART}"):
            shutil.rmtree(left, ignore_errors=True)


def _json(path: Path) -> dict[str, Any]:
    try:
        value: object = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: is damaged, it is no JSON") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path}: is damaged, it holds no keys")
    return cast("dict[str, Any]", value)


def _check_shards(folder: Path, learner: Mapping[str, Any]) -> None:
    """A checkpoint of version 0.1.0 has no manifest; its shards are zip files, which have check sums of their own.

    Raises ValueError, which names the file, for one that is missing or damaged."""
    stage, workers = learner.get("zero_stage"), learner.get("workers")
    if not isinstance(stage, int) or not isinstance(workers, int) or not {"checksum", "statistics"} <= learner.keys():
        raise ValueError(f"{folder / LEARNER}: is damaged, a key is missing")
    shards = sorted((folder / ENGINE).glob("*.pt"))
    wanted = {0: 1, 3: 2 * workers}.get(stage, 1 + workers)
    if len(shards) < wanted:
        raise ValueError(f"{folder / ENGINE}: holds {len(shards)} of {wanted} shards")
    for path in shards:
        try:
            with zipfile.ZipFile(path) as shard:
                broken = shard.testzip()
        except Exception as error:  # a damaged zip file may raise anything
            raise ValueError(f"{path}: is damaged ({error})") from None
        if broken is not None:
            raise ValueError(f"{path}: is damaged ({broken})")
