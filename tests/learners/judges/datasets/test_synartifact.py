"""The SynArtifact-1K schema, there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from learners.judges.datasets.annotation import Annotation, Artifact
from learners.judges.datasets.synartifact import read_annotation, read_folder, write_annotation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two annotated images of 64 × 64, the second one damaged."""
    out = tmp_path_factory.mktemp("written")
    omitted = Artifact("omitted", "the dog has no legs", (0.25, 0.5, 0.75, 1.0))
    for stem, artifacts in (("000000", ()), ("000001", (omitted,))):
        annotation = Annotation(out / f"{stem}.png", "a red dog in the meadow", "dog", artifacts)
        write_annotation(annotation, np.full((64, 64, 3), 90, np.uint8))
    return out


def test_what_was_written_is_read(folder: Path):
    damaged = next(a for a in read_folder(folder) if a.artifacts)
    record = json.loads(damaged.image.with_suffix(".json").read_text())
    (x1, y1, x2, y2) = record["artifacts"][0]["rectangle"]
    assert damaged.artifacts[0].box == pytest.approx((x1 / 64, y1 / 64, x2 / 64, y2 / 64))
    assert damaged.prompt == record["prompt"]
    with Image.open(damaged.image) as image:
        assert image.size == (64, 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"artifacts": None}, "artifacts"),
        ({"image": "gone.png"}, "gone.png"),
        ({"image": "../outside.png"}, "not beside it"),
        ({"image": "/dev/null"}, "not beside it"),
        ({"artifacts": [{"category": "omitted"}]}, r"artifacts\[0\]"),
        ({"image": "x" * 5000}, "not beside it"),
        ({"artifacts": {"category": "omitted"}}, "not a record"),
        ({"artifacts": ["omitted"]}, r"artifacts\[0\] needs"),
        ({"artifacts": [{"category": None, "rectangle": [0, 0, 1, 1]}]}, r"artifacts\[0\] needs a 'category'"),
        ({"image": "broken.json"}, "cannot be read"),
        ({"artifacts": [{"category": "omitted", "rectangle": ["a", 0, 1, 1]}]}, r"artifacts\[0\] needs"),
        ({"artifacts": [{"category": "omitted", "rectangle": [0, 0, 65, 3]}]}, "not inside the 64×64 image"),
    ],
)
def test_a_broken_record_is_refused_with_file_and_key(
    folder: Path, tmp_path: Path, change: dict[str, Any], message: str
):
    first = next(read_folder(folder)).image
    (tmp_path / "here").mkdir()
    for copy in ("outside.png", f"here/{first.name}"):
        (tmp_path / copy).write_bytes(first.read_bytes())
    record = json.loads(first.with_suffix(".json").read_text()) | change
    record = {k: v for k, v in record.items() if v is not None}
    path = tmp_path / "here" / "broken.json"
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=message) as error:
        read_annotation(path)
    assert "broken.json" in str(error.value)


def test_a_list_is_no_record_and_a_split_needs_its_file(tmp_path: Path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(ValueError, match=r"x\.json: not a record"):
        read_annotation(tmp_path / "x.json")
    with pytest.raises(ValueError, match=r"split\.json is not there"):
        list(read_folder(tmp_path, "train"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no split 'train'; it has no object"),
        ('{"test": []}', "no split 'train'; it has test"),
        ('{"train": null}', "no split 'train'; it has train"),
        ('{"train": ["gone"]}', r"'train' lists 'gone', and gone\.json is not beside it"),
        ('{"train": ["../x"]}', r"\.\./x\.json is not beside it"),
    ],
)
def test_a_split_that_cannot_be_read_is_refused_by_name(tmp_path: Path, text: str, message: str):
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "y.json").write_text("{}")
    (tmp_path / "here" / "split.json").write_text(text)
    with pytest.raises(ValueError, match=rf"split\.json: .*{message}"):
        list(read_folder(tmp_path / "here", "train"))


def test_text_that_is_no_json_is_refused(tmp_path: Path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match=r"x\.json: not JSON"):
        read_annotation(tmp_path / "x.json")


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A folder with one record, written by hand, that has nothing but what is needed."""
    Image.new("RGB", (8, 4)).save(tmp_path / "a.png")
    artifact = {"category": "omitted", "rectangle": [6, 3, 2, 1], "caption": None}
    record = {"image": "a.png", "prompt": None, "class": None, "artifacts": [artifact]}
    (tmp_path / "a.json").write_text(json.dumps(record))
    return tmp_path


def test_null_is_nothing_corners_may_be_swapped_and_a_byte_order_mark_is_no_harm(one: Path):
    (one / "a.json").write_bytes(b"\xef\xbb\xbf" + (one / "a.json").read_bytes())
    (one / "split.json").write_bytes(b'\xef\xbb\xbf{"train": ["a"]}')
    (found,) = read_folder(one, "train")
    assert (found.prompt, found.label) == ("", "")
    assert found.artifacts == (Artifact("omitted", "", (0.25, 0.25, 0.75, 0.75)),)


def test_text_that_is_not_utf_8_is_refused(one: Path):
    (one / "a.json").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"a\.json: not UTF-8"):
        list(read_folder(one))


def test_a_folder_without_annotations_is_refused_by_name(tmp_path: Path):
    with pytest.raises(ValueError, match="gone is no folder"):
        list(read_folder(tmp_path / "gone"))
    with pytest.raises(ValueError, match=f"{tmp_path} holds no annotation"):
        list(read_folder(tmp_path))


def test_an_image_is_refused_wherever_it_is_cut_off(one: Path):
    whole = (one / "a.png").read_bytes()
    for length in range(len(whole) - 20):  # the last 20 bytes are checksums and the end, after all pixels
        (one / "a.png").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"a\.json: image '.*a\.png' cannot be read"):
            list(read_folder(one))


def test_an_image_of_far_too_many_pixels_is_refused(one: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
    with pytest.raises(ValueError, match=r"a\.json: image '.*a\.png' cannot be read .*far too large"):
        list(read_folder(one))
