# pyright: basic
"""Image sets as people have them on disk, and what is said of broken ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from data_sets.forms import plain, png, write_images, write_table

from learners.sources.data_set import DataSet
from learners.sources.data_set_config import ImageSetConfig

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"


def opened(path: Path) -> DataSet:
    return ImageSetConfig(path=path).open()


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match=r".") as told:
        opened(path)
    return str(told.value)


def folder_with(folder: Path, line: str) -> Path:
    """An image folder whose second line is `line`."""
    write_images(folder, [("a.png", plain(1), "a cat"), ("b.png", plain(2), "a dog")])
    first, *_ = (folder / "metadata.jsonl").read_text().splitlines()
    (folder / "metadata.jsonl").write_text(f"{first}\n{line}\n")
    return folder


def test_a_folder_is_read_as_datasets_reads_it(tmp_path: Path):
    import datasets

    pictures = [("a.png", plain(1, 20, 30), "a cat"), ("deep/b.png", plain(2), "a dog on the beach")]
    folder = write_images(tmp_path / "cats", pictures)
    (folder / "without-a-line.png").write_bytes(png(plain(3)))
    images = opened(folder)
    theirs = datasets.load_dataset(
        "imagefolder", data_dir=str(folder), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert [*images.prompts] == [row["text"] for row in theirs]  # pyright: ignore
    for row, (_, pixels, _) in enumerate(pictures):
        (mine,) = images.pictures(row)
        assert np.array_equal(mine, pixels)
        assert np.array_equal(mine, np.asarray(theirs[row]["image"]))  # pyright: ignore
    assert images.in_words == f"2 pictures in {folder}"
    assert images.where(1) == f"{folder / 'metadata.jsonl'} line 2"


def test_parquet_with_image_and_text_is_read(tmp_path: Path):
    rows = {"image": [{"bytes": png(plain(5)), "path": "x.png"}], "text": ["a cat "]}
    images = opened(write_table(tmp_path / "set" / "train.parquet", rows).parent)
    assert images.prompts == ["a cat"]
    assert images.pictures(0)[0].mean() == 5


def test_lines_end_as_everywhere_and_empty_ones_are_skipped(tmp_path: Path):
    folder = write_images(tmp_path, [("a.png", plain(1), "x")])
    lines = ['{"file_name": "a.png", "text": "one\u2028line"}', "", '{"file_name": "a.png", "text": "two", "more": 1}']
    (folder / "metadata.jsonl").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    images = opened(folder)
    assert images.prompts == ["one\u2028line", "two"]
    assert images.where(1).endswith("line 3")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "a dog"}', "metadata.jsonl line 2: has no 'file_name'"),
        ('{"file_name": "b.png"}', "metadata.jsonl line 2: has no 'text'"),
        ("[1]", "metadata.jsonl line 2: is no JSON object"),
        ("{", "metadata.jsonl line 2: not JSON"),
        ('{"file_name": "b.png", "text": "  "}', "line 2 column 'text': is empty"),
        ('{"file_name": "b.png", "text": 3}', "line 2 column 'text': holds no text"),
        ('{"file_name": "b.png", "text": "\\ud800"}', "line 2 column 'text': holds half of a surrogate pair"),
        ('{"file_name": 3, "text": "a"}', "line 2 column 'file_name': holds no name"),
        ('{"file_name": "", "text": "a"}', "line 2 column 'file_name': holds no name"),
        ('{"file_name": "c.png", "text": "a"}', "line 2 column 'file_name': there is no file 'c.png'"),
        ('{"file_name": "\\u0000", "text": "a"}', "line 2 column 'file_name': there is no file"),
        ('{"file_name": ".", "text": "a"}', "line 2 column 'file_name': '.' is no regular file"),
        ('{"file_name": "../x.png", "text": "a"}', "line 2 column 'file_name': '../x.png' leads out of"),
        ('{"file_name": "/etc/passwd", "text": "a"}', "line 2 column 'file_name': '/etc/passwd' leads out of"),
    ],
)
def test_a_broken_line_is_named_when_the_set_is_opened(tmp_path: Path, line: str, said: str):
    assert said in refused(folder_with(tmp_path / "set", line))


def test_a_picture_that_cannot_be_one_is_named_when_the_set_is_opened(tmp_path: Path):
    folder = write_images(tmp_path, [("a.png", plain(1), "x"), ("b.png", plain(2), "y"), ("c.png", plain(3), "z")])
    (folder / "a.png").write_bytes(LFS)
    (folder / "b.png").write_bytes(b"")
    (folder / "c.png").unlink()
    os.mkfifo(folder / "c.png")
    lines = refused(folder).splitlines()
    assert "line 1 column 'file_name'" in lines[0]
    assert "a.png: is a Git LFS pointer" in lines[0]
    assert lines[1].endswith("line 2 column 'file_name': 'b.png' is an empty file")
    assert lines[2].endswith("line 3 column 'file_name': 'c.png' is no regular file")


def test_a_picture_that_is_none_is_named_when_it_is_read(tmp_path: Path):
    folder = write_images(tmp_path, [("a.png", plain(1), "x")])
    (folder / "a.png").write_bytes(b"GIF89a")
    with pytest.raises(
        ValueError, match=r"metadata.jsonl line 1 column 'file_name': .*a.png: is no PNG or JPEG picture"
    ):
        opened(folder).pictures(0)


def test_a_link_is_followed_and_one_that_leads_nowhere_is_no_file(tmp_path: Path):
    folder = write_images(tmp_path / "set", [("a.png", plain(9), "x")])
    (folder / "a.png").rename(tmp_path / "elsewhere.png")
    (folder / "a.png").symlink_to("../elsewhere.png")
    assert opened(folder).pictures(0)[0].mean() == 9
    (tmp_path / "elsewhere.png").unlink()
    assert "there is no file 'a.png'" in refused(folder)


def test_a_set_without_pictures_is_refused(tmp_path: Path):
    (tmp_path / "metadata.jsonl").write_text("\n\n")
    assert refused(tmp_path) == f"{tmp_path / 'metadata.jsonl'}: holds no picture"
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png"}).replace("a", "é"), "latin-1")
    assert "metadata.jsonl: not UTF-8 text" in refused(tmp_path)
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty").endswith("empty: there is neither a metadata.jsonl nor a parquet file in it")
    assert refused(tmp_path / "nowhere").endswith("nowhere: there is no such folder or file")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"image": [b"x"], "caption": ["a"]}, "has no column 'text'; its columns are image, caption"),
        ({"image": [b"x"], "text": [""]}, "row 0 column 'text': is empty"),
        ({"image": [b"x", None], "text": ["a", "b"]}, "row 1 column 'image': has no picture"),
    ],
)
def test_a_broken_table_is_refused(tmp_path: Path, columns: dict[str, list[object]], said: str):
    assert said in refused(write_table(tmp_path / "t.parquet", columns))
