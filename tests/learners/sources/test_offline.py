"""The order of offline batches: a function of seed and version, shared by ranks, the same after a resume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from data_sets.forms import plain, write_images, write_pairs

from learners.sources.data_set import DataSet
from learners.sources.data_set_config import ImageSetConfig, PairSetConfig
from learners.sources.framing import framed
from learners.sources.offline import OfflineSource, PictureBatch
from learners.sources.source import TrainingStopped

ROWS, BATCH = 10, 4


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Ten pairs of grey pictures in row groups of three; the better of row i has the level 2 i."""
    return PairSetConfig(
        path=write_pairs(tmp_path_factory.mktemp("p") / "p.parquet", [1] * ROWS, rows_a_group=3)
    ).open()


def at_once(version: int, wait_s: float) -> bool:
    """Every update may begin."""
    return True


def source(data: DataSet, **changes: Any) -> OfflineSource:
    settings: dict[str, Any] = {"seed": 3, "begin": at_once}
    return OfflineSource(data, BATCH, (8, 8), **(settings | changes))


def batch(of: OfflineSource, version: int) -> PictureBatch:
    found = of.next_batch(version)
    assert found is not None
    return found


def rows(of: PictureBatch) -> list[int]:
    """The rows of the set, told by their prompts, which the pictures must belong to."""
    numbers = [int(prompt.rpartition(" ")[2]) for prompt in of.prompts]
    assert of.pictures.shape == (len(numbers), 2, 8, 8, 3)
    assert of.pictures[:, 0, 0, 0, 0].tolist() == [2 * number for number in numbers]
    assert of.pictures[:, 1, 0, 0, 0].tolist() == [2 * number + 1 for number in numbers]
    return numbers


def test_every_epoch_has_every_row_once_in_an_order_of_its_own(pairs: DataSet):
    its = source(pairs)
    seen = [row for version in range(5) for row in rows(batch(its, version))]
    assert len(seen) == 2 * ROWS
    assert sorted(seen[:ROWS]) == sorted(seen[ROWS:]) == [*range(ROWS)]
    assert seen[:ROWS] != seen[ROWS:]
    assert seen[:ROWS] != [*range(ROWS)]


def test_indices_go_on_over_the_whole_run(pairs: DataSet):
    assert [*batch(source(pairs), 7).indices] == [28, 29, 30, 31]


def test_a_source_that_is_made_in_the_middle_goes_on_as_if_it_had_been_there(pairs: DataSet):
    whole = source(pairs)
    for version in range(5):
        its = batch(whole, version)
        late = batch(source(pairs), version)
        assert [*its.prompts] == [*late.prompts]
        assert np.array_equal(its.pictures, late.pictures)


def test_what_was_read_ahead_is_not_taken_for_another_update_s(pairs: DataSet):
    its = source(pairs)
    first = rows(batch(its, 0))
    assert rows(batch(its, 3)) == rows(batch(source(pairs), 3))
    assert rows(batch(its, 0)) == first, "after a rollback"


def test_another_seed_is_another_order(pairs: DataSet):
    assert rows(batch(source(pairs), 0)) != rows(batch(source(pairs, seed=4), 0))


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_a_batch_without_overlap(pairs: DataSet, world: int):
    whole = batch(source(pairs), 2)
    parts = [batch(source(pairs, rank=rank, world=world), 2) for rank in range(world)]
    for rank, part in enumerate(parts):
        assert [*part.indices] == [*whole.indices][rank::world]
        assert [*part.prompts] == [*whole.prompts][rank::world]
        assert np.array_equal(part.pictures, whole.pictures[rank::world])


def test_a_set_that_is_smaller_than_a_batch_is_gone_over_more_than_once(tmp_path: Path):
    data = PairSetConfig(path=write_pairs(tmp_path / "p.parquet", [1, 1, 1])).open()
    its = source(data)
    seen = Counter(row for version in range(3) for row in rows(batch(its, version)))
    assert seen == {0: 4, 1: 4, 2: 4}


def test_a_run_that_was_ended_has_no_further_batch(pairs: DataSet):
    asked: list[int] = []

    def begin(version: int, wait_s: float) -> bool:
        asked.append(version)
        return version < 2

    its = source(pairs, begin=begin)
    assert [its.next_batch(version) is None for version in range(3)] == [False, False, True]
    assert asked == [0, 1, 2]


def test_a_worker_that_is_ahead_asks_again_but_not_for_ever(pairs: DataSet):
    answers: list[bool | None] = [None, None, True]

    now = [0.0]

    def begin(version: int, wait_s: float) -> bool | None:
        now[0] += wait_s
        return answers.pop(0) if answers else None

    its = source(pairs, begin=begin, deadline_s=30.0, clock=lambda: now[0])
    assert len(batch(its, 0)) == BATCH
    assert not answers
    with pytest.raises(TrainingStopped, match=r"version 0 was not published within learner.batch_deadline_s 30"):
        its.next_batch(0)
    assert now == [60.0]


def test_a_row_that_one_rank_cannot_read_stops_them_all(tmp_path: Path):
    folder = write_images(tmp_path, [(f"{i}.png", plain(i), f"cat {i}") for i in range(BATCH)])
    (folder / "1.png").write_bytes(b"GIF89a")
    data = ImageSetConfig(path=folder).open()

    def everyone(item: str) -> Sequence[str]:
        return ["", item]

    with pytest.raises(TrainingStopped, match=r"line 2 column 'file_name': .*1.png: is no PNG or JPEG picture"):
        source(data, gather=everyone).next_batch(0)

    def another(item: str) -> Sequence[str]:
        return ["", "of another rank"]

    good = source(data, rank=0, world=1, gather=another)
    with pytest.raises(TrainingStopped, match="of another rank"):
        good.next_batch(1)


def test_flips_are_a_function_of_seed_row_and_epoch_and_alike_for_both_of_a_pair(tmp_path: Path):
    slope = np.tile(np.arange(8, dtype=np.uint8)[None, :, None], (8, 1, 3))
    folder = write_images(tmp_path, [(f"{i}.png", slope, f"cat {i}") for i in range(16)])
    data = ImageSetConfig(path=folder).open()

    def mirrored(**changes: Any) -> list[bool]:
        settings: dict[str, Any] = {"seed": 1, "flip": True, "begin": at_once}
        its = OfflineSource(data, 16, (8, 8), **(settings | changes))
        return [bool(p[0, 0, 0, 0] == 7) for version in range(4) for p in batch(its, version).pictures]

    flips = mirrored()
    assert flips == mirrored()
    assert flips != mirrored(seed=2)
    assert 16 < sum(flips) < 48
    assert not any(mirrored(flip=False))
    assert flips[:16] != flips[16:32]


def test_a_picture_of_the_right_size_is_kept_and_another_is_cropped_in_the_middle_and_scaled():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert np.array_equal(framed(noise, 64, 64), noise)
    assert np.array_equal(framed(noise, 64, 64, mirrored=True), noise[:, ::-1])
    wide = plain(0, 10, 30)
    wide[:, 10:20] = 200
    assert np.array_equal(framed(wide, 10, 10), plain(200, 10, 10))
    tall = plain(0, 40, 10)
    tall[15:25] = 100
    assert framed(tall, 4, 4).shape == (4, 4, 3)
    assert framed(tall, 4, 4).min() > 80
    assert framed(plain(3, 8, 8), 16, 32).tolist() == plain(3, 16, 32).tolist()


def test_of_a_row_group_that_is_asked_for_in_order_each_is_read_once(pairs: DataSet, monkeypatch: pytest.MonkeyPatch):
    from learners.sources import parquet_table

    monkeypatch.setattr(parquet_table, "KEPT_BYTES", 0)
    reads: list[int] = []
    table: Any = cast(Any, pairs)._table
    inside: Any = table._pictures

    def counted(group: Any) -> Any:
        if group not in table._kept:
            reads.append(group.number)
        return inside(group)

    monkeypatch.setattr(table, "_pictures", counted)
    table._kept.clear()
    found = OfflineSource(pairs, ROWS, (8, 8), seed=3, begin=at_once)._read(0)  # pyright: ignore
    assert len(found) == ROWS
    assert reads == [0, 1, 2, 3]
