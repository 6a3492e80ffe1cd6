# pyright: strict
"""The learner: what the worker group drives, and what all algorithms share."""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from actors.adapter import Adapter
from learners.manifest import Manifest
from learners.maths.schedule import BatchArithmetic
from learners.settings import TrainingSpec
from rewards.arrays import Float32Array
from rewards.atomic_write import PART
from rewards.storage_error import StorageError, writing

if TYPE_CHECKING:  # an algorithm's settings, in one file with its learner, are read without torch
    from torch import Tensor

    from actors.diffusion.policy import Policy

# What `AlgorithmLearner.arrays` gives, in a checkpoint.
ARRAYS = "arrays.safetensors"

Batch = TypeVar("Batch")
Batch_contra = TypeVar("Batch_contra", contravariant=True)


class Learner(Protocol[Batch_contra]):
    """Turns batches into policy versions. One object per worker; all workers make the same calls in the same order.

    version  updates done, and the version of the policy that `adapter()` gives
    """

    version: int

    def update(self, batch: Batch_contra) -> dict[str, float]:
        """One update on this worker's share of the batch; its statistics, the same on every worker."""
        ...

    def adapter(self) -> Adapter:
        """The weights to publish, stamped with `version`."""
        ...

    def evaluated(self) -> Adapter | None:
        """The weights that evaluations and the run's end take, stamped with `version`; None: those of `adapter()`."""
        ...

    def save(self, folder: Path, beside: Mapping[str, str] | None = None) -> None:
        """Writes a checkpoint, with the files of rank 0 `beside` the learner's (name → text); every worker calls it.

        A folder by that name is always whole, and proves it by its `Manifest`. Raises StorageError, on every worker, if
        it cannot be written; then there is nothing of it."""
        ...

    def restore(self, folder: Path) -> None:
        """Continues from a checkpoint, bit for bit by as many workers as saved it; raises ValueError if it is of
        another policy or algorithm, or damaged."""
        ...

    def gather(self, item: Any) -> list[Any]:
        """Every worker's `item`, in rank order, on every worker."""
        ...

    def barrier(self) -> None:
        """Waits until every worker is here."""
        ...


class AlgorithmLearner(ABC, Generic[Batch]):
    """The engine, the batch's geometry, the learning rate and the checkpoints: everything but an algorithm's maths.

    A subclass gives the losses of an update (`losses`), and what it remembers from update to update (`state`,
    `restore_state`).

    Invariant: optimizer state, `state()` and `version` are the whole state of a learner. So nothing may draw from a
    generator that lives on; what is random in an update is a function of (seed, version, index).
    """

    def __init__(self, policy: Policy, spec: TrainingSpec, algorithm: str, arithmetic: BatchArithmetic) -> None:
        """A learner of the kind `algorithm`; raises ValueError if workers cannot share, or if the learning rate depends
        on `spec.updates` and there are none."""
        from learners.engine import Engine

        settings = spec.learner
        if spec.updates is None and settings.lr_schedule != "constant":
            raise ValueError(
                f"learner.lr_schedule: {settings.lr_schedule} needs to know how many updates there will be"
            )
        self.policy, self.spec, self.settings = policy, spec, settings
        self.version = 0
        self.arithmetic = arithmetic
        self.engine = Engine(policy, settings, arithmetic.accumulation)
        if self.engine.world != settings.workers:
            raise ValueError(
                f"learner.workers is {settings.workers}, but the worker group has {self.engine.world} workers"
            )
        self._algorithm = algorithm

    @abstractmethod
    def losses(self, batch: Batch, stats: dict[str, float]) -> Iterator[Iterable[Tensor]]:
        """Yields, for each optimizer step of an update, its micro-batches' losses `[b]`, one number a pair.

        They must be lazy, as every step changes the weights; steps and micro-batches are as many as `arithmetic` says,
        a micro-batch may hold fewer losses. A step descends their sum over the number of its pairs, the mean over all
        workers. No step at all, on any worker, is an update that leaves the policy as it is. Statistics go into
        `stats`, before the first step or after the last.
        Start-up checks belong before the first step: an error there leaves the policy untouched.
        """

    def state(self) -> Mapping[str, Any]:
        """What is remembered from update to update besides the optimizer's state, as JSON types; the same on every
        worker."""
        return {}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state()`."""

    def arrays(self) -> Mapping[str, Float32Array]:
        """What is remembered besides as arrays, too large for `state`; the same on every worker."""
        return {}

    def restore_arrays(self, arrays: Mapping[str, Float32Array]) -> None:
        """Continues from an `arrays()`; raises ValueError if something is missing."""

    def update(self, batch: Batch) -> dict[str, float]:
        """See `Learner.update`; raises FloatingPointError if a gradient is not finite, and what `losses` raises."""
        lr = self.settings.rate(self.version, self.spec.updates or 1)
        self.engine.set_rate(lr)
        stats: dict[str, float] = {}
        norms: list[float] = []
        for step in self.losses(batch, stats):
            for loss in step:
                self.engine.accumulate(loss.sum() / self.arithmetic.pairs)
            norms.append(self.engine.grad_norm)
        self.version += 1
        norm = float(np.mean(norms)) if norms else 0.0
        return stats | {"lr": lr, "grad_norm": norm, "optimizer_steps": float(len(norms))}

    def adapter(self) -> Adapter:
        """See `Learner.adapter`."""
        return self.engine.adapter(self.version)

    def evaluated(self) -> Adapter | None:
        """See `Learner.evaluated`."""
        return self.engine.evaluated(self.version)

    def gather(self, item: Any) -> list[Any]:
        """See `Learner.gather`."""
        return self.engine.gather(item)

    def barrier(self) -> None:
        """See `Learner.barrier`."""
        self.engine.barrier()

    def save(self, folder: Path, beside: Mapping[str, str] | None = None) -> None:
        """See `Learner.save`; it is written beside `folder`, sealed by a manifest, and renamed."""
        part, engine = folder.with_name(folder.name + PART), self.engine
        with engine.together(), writing(folder):
            if engine.rank == 0:
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
        try:
            engine.save(part)
            adapter, arrays = engine.adapter(self.version), self.arrays()
            with engine.together(), writing(folder):
                if engine.rank == 0:
                    for name, text in {"learner.json": json.dumps(self._described(adapter)), **(beside or {})}.items():
                        (part / name).write_text(text, encoding="utf-8")
                    if arrays:
                        (part / ARRAYS).write_bytes(save_arrays(dict(arrays)))
                    Manifest.seal(part)
                    shutil.rmtree(folder, ignore_errors=True)
                    os.replace(part, folder)
        except StorageError:
            if engine.rank == 0:  # what is left of it would only take room
                shutil.rmtree(part, ignore_errors=True)
            raise

    def _described(self, adapter: Adapter) -> dict[str, Any]:
        return {
            "algorithm": self._algorithm,
            "version": self.version,
            "checksum": adapter.checksum(),
            "statistics": self.state(),
        }

    def restore(self, folder: Path) -> None:
        """See `Learner.restore`."""
        path = folder / "learner.json"
        if not path.is_file():
            raise ValueError(f"{folder} is no learner checkpoint: it holds no learner.json")
        state: dict[str, Any] = json.loads(path.read_text())
        # Checkpoints of version 0.1.0 do not name their algorithm; there was one.
        if (saved := state.get("algorithm", self._algorithm)) != self._algorithm:
            raise ValueError(f"{folder} was saved with learner.algorithm.kind {saved}; this run has {self._algorithm}")
        if "workers" in state:
            # Version 0.1.0 kept shards. DeepSpeed notices half-way through loading, and leaves the engine unusable.
            for key, mine in (("workers", self.engine.world), ("zero_stage", self.settings.zero_stage)):
                if state[key] != mine:
                    raise ValueError(
                        f"{folder} is of version 0.1.0 and was saved with learner.{key} {state[key]}; this run has "
                        f"{mine}"
                    )
            self.engine.load_shards(folder)
        else:
            self.engine.load(folder)
        self.version = state["version"]
        self.restore_state(state["statistics"])
        try:
            self.restore_arrays(load_arrays((folder / ARRAYS).read_bytes()) if (folder / ARRAYS).is_file() else {})
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from None
        checksum = self.engine.adapter(self.version).checksum()
        if checksum != state["checksum"]:
            raise ValueError(
                f"{folder} is damaged: the adapter loads with checksum {checksum}, saved was {state['checksum']}"
            )
