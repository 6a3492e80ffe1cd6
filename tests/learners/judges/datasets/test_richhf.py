"""The RichHF-18K schema: there and back, and what happens to broken files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from learners.judges.datasets.ratings import Consensus
from learners.judges.datasets.richhf import SPLITS, read_split, split_words, to_example
from learners.judges.datasets.tfrecords import read_examples, write_examples

PROMPT = "a red dog, asleep: really?"


def consensus(words: int = 5) -> Consensus:
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    return Consensus((0.25, 0.5, 0.75, 1.0), ramp, np.zeros_like(ramp), (False,) * (words - 1) + (True,))


def test_a_folder_as_released_has_no_images_and_no_prompts(tmp_path: Path):
    """The eight released fields; then the pictures and their prompts are put into `images/`."""
    example = {k: v for k, v in to_example("train/abc.png", PROMPT, consensus()).items() if k != "prompt"}
    write_examples(tmp_path / "train.tfrecord", [example])
    (record,) = read_split(tmp_path, "train")
    assert (record.image, record.prompt) == (None, "")
    assert record.consensus.misaligned == (False, False, False, False, True)
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "abc.png")
    (tmp_path / "images" / "abc.txt").write_text(PROMPT)
    (record,) = read_split(tmp_path, "train")
    assert record.image == tmp_path / "images" / "abc.png"
    assert record.prompt == PROMPT


def test_words_are_what_stands_between_punctuation():
    assert split_words('a "red" dog, asleep: really?') == ("a", "red", "dog", "asleep", "really")


def test_a_file_name_never_leads_out_of_the_folder(tmp_path: Path):
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "set").mkdir()
    for name in ("../secret.png", str(tmp_path / "secret.png")):
        write_examples(tmp_path / "set" / "dev.tfrecord", [to_example(name, PROMPT, consensus())])
        (record,) = read_split(tmp_path / "set", "dev")
        assert record.image is None


def test_a_file_name_that_is_too_long_for_a_file_is_not_found(tmp_path: Path):
    write_examples(tmp_path / "dev.tfrecord", [to_example("x" * 5000, PROMPT, consensus())])
    (record,) = read_split(tmp_path, "dev")
    assert record.image is None


def test_a_prompt_that_is_not_utf_8_is_refused_with_file_and_record(tmp_path: Path):
    example = {k: v for k, v in to_example("a.png", PROMPT, consensus()).items() if k != "prompt"}
    write_examples(tmp_path / "dev.tfrecord", [example])
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"dev\.tfrecord: record 0: its prompt cannot be read: .*a\.txt: not UTF-8"):
        list(read_split(tmp_path, "dev"))


@pytest.mark.parametrize("words", [4, 6])
def test_labels_that_do_not_fit_the_words_are_not_written(words: int):
    with pytest.raises(ValueError, match=rf"a\.png: {words} labels for the 5 words"):
        to_example("a.png", PROMPT, consensus(words))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filename": None}, "'filename' is missing"),
        ({"overall_score": None}, "'overall_score' is missing"),
        ({"overall_score": 3.5}, r"'overall_score' must be a number in 0\.\.1.*not 3\.5"),
        ({"artifact_score": float("nan")}, "'artifact_score' must be a number"),
        ({"aesthetics_score": b"good"}, "'aesthetics_score' must be a number"),
        ({"artifact_map": b"no image"}, "'artifact_map' must be an encoded image"),
        ({"misalignment_map": 1.0}, "'misalignment_map' must be an encoded image"),
        ({"prompt_misalignment_label": b"1 0 2 1 1"}, "'prompt_misalignment_label' must be 0s and 1s"),
        ({"prompt_misalignment_label": b"1 0"}, "has 2 labels for the 5 words"),
        ({"prompt": b"\xff"}, "'prompt' must be UTF-8"),
    ],
)
def test_a_broken_record_is_refused_with_file_record_and_field(tmp_path: Path, change: dict[str, Any], message: str):
    good = to_example("a.png", PROMPT, consensus())
    bad = {k: v for k, v in (good | change).items() if v is not None}
    write_examples(tmp_path / "test.tfrecord", [good, bad])
    with pytest.raises(ValueError, match=message) as error:
        list(read_split(tmp_path, "test"))
    assert f"{tmp_path / 'test.tfrecord'}: record 1" in str(error.value)


def test_a_split_that_is_not_there_is_refused(tmp_path: Path):
    for split in SPLITS:
        write_examples(tmp_path / f"{split}.tfrecord", [])
    with pytest.raises(ValueError, match=r"validation\.tfrecord is not there.*dev\.tfrecord, test\.tfrecord"):
        list(read_split(tmp_path, "validation"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b'{"filename": "a.png", "prompt": ""}', "is no TFRecord file"),
        (b"x", "is no TFRecord file"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "x.tfrecord").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        list(read_examples(tmp_path / "x.tfrecord"))
    assert "x.tfrecord" in str(error.value)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_no_broken_byte_and_no_cut_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    path = tmp_path_factory.getbasetemp() / "broken.tfrecord"
    write_examples(path, [{"a": b"text", "b": 0.5}, {"a": b"more", "n": 3}])
    whole = path.read_bytes()
    assert list(read_examples(path)) == [{"a": b"text", "b": 0.5}, {"a": b"more", "n": 3}]
    at = data.draw(st.integers(1, len(whole) - 1))
    first = 16 + int.from_bytes(whole[:8], "little")
    if data.draw(st.booleans()):
        broken = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    elif at == first:
        return  # a file that ends after a whole record is a shorter file, and a sound one
    else:
        broken = whole[:at]
    path.write_bytes(broken)
    with pytest.raises(ValueError, match=r"broken\.tfrecord"):
        list(read_examples(path))
