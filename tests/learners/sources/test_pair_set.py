# pyright: basic
"""Pair sets as people have them on disk, and what is said of broken ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from data_sets.forms import plain, png, write_pairs, write_table

from learners.sources.data_set_config import PairSetConfig
from learners.sources.pair_set import PairSet

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"


def levels(pairs: PairSet, row: int) -> list[int]:
    """The grey levels of a row's pictures, the better first."""
    return [int(picture[0, 0, 0]) for picture in pairs.pictures(row)]


def test_the_better_picture_comes_first_and_ties_are_left_out_and_counted(tmp_path: Path):
    pairs = PairSet(write_pairs(tmp_path / "pairs.parquet", [1, 0.5, 0, 0.5, 1.0]))
    assert len(pairs) == 3
    assert pairs.prompts == ["a cat, number 0", "a cat, number 2", "a cat, number 4"]
    assert [levels(pairs, row) for row in range(3)] == [[0, 1], [5, 4], [8, 9]]
    assert pairs.in_words == f"3 pairs in {tmp_path / 'pairs.parquet'} (2 more are ties, and left out)"


def test_files_of_a_folder_are_one_set_in_the_order_of_their_names_and_a_pattern_picks_a_split(tmp_path: Path):
    write_pairs(tmp_path / "data" / "train-00001.parquet", [0, 0])
    write_pairs(tmp_path / "data" / "train-00000.parquet", [1, 1, 1], rows_a_group=2)
    write_pairs(tmp_path / "data" / "test-00000.parquet", [1])
    train = PairSet(tmp_path / "data" / "train-*.parquet")
    assert [levels(train, row) for row in range(5)] == [[0, 1], [2, 3], [4, 5], [1, 0], [3, 2]]
    assert train.where(2) == f"{tmp_path / 'data' / 'train-00000.parquet'} row 2"
    assert train.where(3) == f"{tmp_path / 'data' / 'train-00001.parquet'} row 0"
    assert len(PairSet(tmp_path)) == 6


def test_a_set_that_datasets_has_written_is_read(tmp_path: Path):
    import datasets

    first, second = plain(10, 32, 48), plain(20, 32, 48)
    features = datasets.Features(
        {
            "caption": datasets.Value("string"),
            "jpg_0": datasets.Image(),
            "jpg_1": datasets.Image(),
            "label_0": datasets.Value("float64"),
            "are_different": datasets.Value("bool"),
        }
    )
    rows: dict[str, Any] = {"caption": ["a cat"], "jpg_0": [first], "jpg_1": [second], "label_0": [0.0]}
    datasets.Dataset.from_dict(rows | {"are_different": [True]}, features).to_parquet(tmp_path / "a.parquet")
    better, worse = PairSet(tmp_path).pictures(0)
    assert np.array_equal(better, second)
    assert np.array_equal(worse, first)


def test_a_picture_may_be_a_file_beside_the_table(tmp_path: Path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "1.png").write_bytes(png(plain(7)))
    cells = [{"bytes": None, "path": "cats/1.png"}]
    pairs = PairSet(write_pairs(tmp_path / "p.parquet", [1], jpg_0=cells))
    assert levels(pairs, 0) == [7, 1]
    outside = PairSet(
        write_pairs(tmp_path / "cats" / "q.parquet", [1], jpg_0=[{"bytes": None, "path": "../p.parquet"}])
    )
    with pytest.raises(
        ValueError, match=r"q.parquet row 0 column 'jpg_0': has no bytes, and '../p.parquet' is no file"
    ):
        outside.pictures(0)


def broken(path: Path, **changes: Any) -> str:
    """What is said when a set of three pairs is opened that has these columns changed."""
    with pytest.raises(ValueError, match=r".") as told:
        PairSet(write_pairs(path / "p.parquet", [1, 0, 1], **changes))
    return str(told.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"caption": ["a", None, "b"]}, "p.parquet row 1 column 'caption': holds no text"),
        ({"caption": ["a", "b", " \n"]}, "p.parquet row 2 column 'caption': is empty"),
        ({"caption": ["a" * 200_000, "b", "c"]}, "row 0 column 'caption': has 200,000 characters"),
        ({"caption": [1, 2, 3]}, "p.parquet: the column 'caption' holds int64; it must hold text"),
        ({"label_0": [1, 2, 0]}, "row 1 column 'label_0': is 2; 1 says that jpg_0 is better"),
        ({"label_0": [1.0, float("nan"), 0.0]}, "row 1 column 'label_0': is nan"),
        ({"label_0": [1, None, 0]}, "row 1 column 'label_0': is empty"),
        ({"label_0": ["1", "0", "1"]}, "the column 'label_0' holds string; it must hold numbers"),
        ({"label_0": [True, False, True]}, "the column 'label_0' holds bool"),
        ({"label_0": [0.5, 0.5, 0.5]}, "p.parquet: holds no pair; all 3 rows are ties"),
        ({"jpg_1": [b"x", None, b"y"]}, "row 1 column 'jpg_1': has no picture"),
        (
            {"jpg_1": [{"bytes": b"x", "path": None}, None, {"bytes": b"y", "path": None}]},
            "row 1 column 'jpg_1': has no",
        ),
        ({"jpg_1": ["a.png", "b.png", "c.png"]}, "the column 'jpg_1' holds string; it must hold encoded pictures"),
        (
            {"jpg_1": [{"path": "a"}] * 3},
            "the column 'jpg_1' holds struct<path: string>; it must hold encoded pictures",
        ),
    ],
)
def test_a_broken_row_is_named_when_the_set_is_opened(tmp_path: Path, changes: dict[str, Any], said: str):
    assert said in broken(tmp_path, **changes)


def test_of_many_broken_rows_the_first_are_named_and_the_others_counted(tmp_path: Path):
    with pytest.raises(ValueError, match=r".") as told:
        PairSet(write_pairs(tmp_path / "p.parquet", [7.0] * 100))
    lines = str(told.value).splitlines()
    assert len(lines) == 6
    assert lines[-1] == f"{tmp_path / 'p.parquet'}: 95 more rows are broken"


def test_text_that_is_not_utf_8_is_a_broken_row(tmp_path: Path):
    bad = pa.array([b"a cat", b"caf\xe9", b"a dog"]).view(pa.string())
    assert "row 1 column 'caption': holds no text" in broken(tmp_path, caption=bad)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (b"", "row 1 column 'jpg_0': the file is empty"),
        (b"GIF89a", "row 1 column 'jpg_0': is no PNG or JPEG picture"),
        (LFS, "row 1 column 'jpg_0': is no PNG or JPEG picture"),
        (png(plain(0))[:60], "row 1 column 'jpg_0': cannot be decoded"),
        (png(plain(0, 4, 400)), "row 1 column 'jpg_0': is 400 × 4: one side may be at most 16 times the other"),
    ],
)
def test_a_picture_that_is_none_is_named_when_it_is_read(tmp_path: Path, cell: bytes, said: str):
    good = png(plain(1))
    pairs = PairSet(write_pairs(tmp_path / "p.parquet", [1, 1], jpg_0=[good, cell]))
    assert levels(pairs, 0) == [1, 1]
    with pytest.raises(ValueError, match=r".") as told:
        pairs.pictures(1)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_a_column_that_is_missing_is_named_with_those_that_are_there(tmp_path: Path):
    write_table(tmp_path / "p.parquet", {"caption": ["a"], "jpg_0": [b"x"], "label_0": [1]})
    with pytest.raises(ValueError, match=r"p.parquet: has no column 'jpg_1'; its columns are caption, jpg_0, label_0"):
        PairSetConfig(path=tmp_path).open()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LFS, "p.parquet: is a Git LFS pointer, not the file itself; run `git lfs pull`"),
        (b"", "p.parquet: is torn or no parquet file"),
        (b"PAR1 and no more", "p.parquet: is torn or no parquet file"),
        (b"a,b\n1,2\n" * 100, "p.parquet: is torn or no parquet file"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str):
    (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r".") as told:
        PairSet(tmp_path)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_a_set_without_files_or_rows_and_one_that_is_no_file_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="there is no parquet file"):
        PairSet(tmp_path)
    with pytest.raises(ValueError, match="nowhere: there is no parquet file"):
        PairSet(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"p.parquet: holds no pair$"):
        PairSet(empty(write_pairs(tmp_path / "p.parquet", [1])))
    with pytest.raises(ValueError, match="/dev/zero: is a device"):
        PairSet(Path("/dev/zero"))
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="gone: there is no such file"):
        PairSet(tmp_path / "gone")


def empty(path: Path) -> Path:
    """The table at `path` without its rows."""
    import pyarrow.parquet as pq

    table: Any = pq.read_table(path)
    pq.write_table(table.slice(0, 0), path)
    return path


def test_links_are_followed_as_the_hub_s_cache_has_them(tmp_path: Path):
    write_pairs(tmp_path / "blobs" / "0a1b", [1])
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "train.parquet").symlink_to("../blobs/0a1b")
    assert len(PairSet(tmp_path / "snapshot")) == 1
