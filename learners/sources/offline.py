"""The offline source: batches of a data set, in an order that is a function of the run's seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from learners.sources.data_set import DataSet
from learners.sources.framing import framed
from learners.sources.source import TrainingStopped, answer
from rewards.arrays import ImageArray, IntArray

FLIP = 1
"""Tells the generator of the flips from that of the order."""


@dataclass(frozen=True, slots=True)
class PictureBatch:
    """A worker's rows of one update.

    indices   of the rows in the run: update u trains the indices from u · batch on, whatever row of the set that is
    prompts   one a row
    pictures  `[m, p, H, W, 3]` uint8, p pictures a row, as large as the policy draws them; of a pair the better first
    """

    indices: Sequence[int]
    prompts: Sequence[str]
    pictures: ImageArray

    def __len__(self) -> int:
        return len(self.prompts)


class OfflineSource:
    """One worker's rows (indices `rank::world` of each batch of `batch` rows).

    Epochs over the whole set follow each other without a gap, each shuffled anew by (seed, epoch), so that the batch of
    an update is a function of (seed, version). Rows are read, decoded and framed to `size` (height, width) by a thread,
    while the batch before is trained.

    `begin` asks the run's ledger whether there is another update after a version, and is asked again where it has no
    answer yet, for `deadline_s` at most (`learner.batch_deadline_s`); `gather` gives every worker's item to
    all of them, so that a row that one of them cannot read stops them all.
    """

    def __init__(
        self,
        data: DataSet,
        batch: int,
        size: tuple[int, int],
        *,
        seed: int,
        begin: Callable[[int, float], bool | None],
        deadline_s: float = 3600.0,
        flip: bool = False,
        rank: int = 0,
        world: int = 1,
        gather: Callable[[Any], Sequence[Any]] = lambda item: [item],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data, self._batch, self._size, self._seed, self._flip = data, batch, size, seed, flip
        self._rank, self._world = rank, world
        self._begin, self._deadline_s, self._gather, self._clock = begin, deadline_s, gather, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._ahead: tuple[int, Future[PictureBatch]] | None = None

    def next_batch(self, version: int) -> PictureBatch | None:
        """See `Source.next_batch`; raises TrainingStopped for a row that cannot be read."""
        if not self._there_is_another(version):
            return None
        if self._ahead is None or self._ahead[0] != version:
            self._ahead = version, self._thread.submit(self._read, version)
        batch, problem = None, ""
        try:
            batch = self._ahead[1].result()
        except ValueError as error:
            problem = str(error)
        self._ahead = version + 1, self._thread.submit(self._read, version + 1)
        for its in self._gather(problem):
            if its:
                raise TrainingStopped(its)
        return batch

    def _there_is_another(self, version: int) -> bool:
        another = answer(partial(self._begin, version), self._deadline_s, self._clock)
        if another is None:
            raise TrainingStopped(
                f"version {version} was not published within learner.batch_deadline_s {self._deadline_s:g}; look for a "
                "worker of the learner that hangs"
            )
        return another

    def _read(self, version: int) -> PictureBatch:
        indices = range(version * self._batch, (version + 1) * self._batch)[self._rank :: self._world]
        places = [divmod(index, len(self._data)) for index in indices]
        rows = [int(_shuffled(len(self._data), self._seed, epoch)[place]) for epoch, place in places]
        pictures: dict[int, ImageArray] = {}
        for i in sorted(range(len(rows)), key=rows.__getitem__):  # files are read in their order
            pictures[i] = self._framed(rows[i], places[i][0])
        prompts = [self._data.prompts[row] for row in rows]
        return PictureBatch(indices, prompts, np.stack([pictures[i] for i in range(len(rows))]))

    def _framed(self, row: int, epoch: int) -> ImageArray:
        """A row's pictures `[p, H, W, 3]`, all of them mirrored or none."""
        mirrored = self._flip and np.random.default_rng([self._seed, epoch, row, FLIP]).random() < 0.5
        return np.stack([framed(picture, *self._size, mirrored=mirrored) for picture in self._data.pictures(row)])


@lru_cache(maxsize=2)
def _shuffled(count: int, seed: int, epoch: int) -> IntArray:
    return np.random.default_rng([seed, epoch]).permutation(count)
