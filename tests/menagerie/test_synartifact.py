"""The SynArtifact-1K schema, there and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from menagerie.draw import draw_dataset
from menagerie.synartifact import read_annotation, read_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "set"
    draw_dataset(131, out, seed=3)
    return out


def test_a_data_set_has_the_shares_of_the_papers(folder: Path):
    everything = list(read_folder(folder))
    assert len(everything) == 131
    assert sum(bool(a.artifacts) for a in everything) == 77  # 768 of 1,310
    assert len(list(read_folder(folder, "test"))) == 26  # 265 of 1,310
    assert len(list(read_folder(folder, "train"))) == 105


def test_what_was_written_is_read(folder: Path):
    damaged = next(a for a in read_folder(folder) if a.artifacts)
    record = json.loads(damaged.image.with_suffix(".json").read_text())
    (x1, y1, x2, y2) = record["artifacts"][0]["rectangle"]
    assert damaged.artifacts[0].box == pytest.approx((x1 / 64, y1 / 64, x2 / 64, y2 / 64))
    assert damaged.prompt == record["prompt"]
    with Image.open(damaged.image) as image:
        assert image.size == (64, 64)


def test_the_same_seed_draws_the_same_set(folder: Path, tmp_path: Path):
    draw_dataset(131, tmp_path / "again", seed=3)
    for file in sorted(folder.iterdir()):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_a_folder_that_holds_something_is_refused(folder: Path):
    with pytest.raises(FileExistsError, match="not empty"):
        draw_dataset(2, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"artifacts": None}, "artifacts"),
        ({"image": "gone.png"}, "gone.png"),
        ({"image": "../outside.png"}, "not beside it"),
        ({"image": "/dev/null"}, "not beside it"),
        ({"artifacts": [{"category": "omitted"}]}, r"artifacts\[0\]"),
        ({"artifacts": {"category": "omitted"}}, "not a record"),
        ({"image": "broken.json"}, "cannot be read"),
        ({"artifacts": [{"category": "omitted", "rectangle": ["a", 0, 1, 1]}]}, r"artifacts\[0\] needs"),
        ({"artifacts": [{"category": "omitted", "rectangle": [0, 0, 65, 3]}]}, "not inside the 64×64 image"),
    ],
)
def test_a_broken_record_is_refused_with_file_and_key(folder: Path, tmp_path: Path, change: dict, message: str):
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
    (tmp_path / "here" / "split.json").write_text(text)
    with pytest.raises(ValueError, match=rf"split\.json: .*{message}"):
        list(read_folder(tmp_path / "here", "train"))


def test_the_truth_tells_the_same_as_the_annotation(folder: Path):
    truths = {t["image"]: t for t in map(json.loads, (folder / "truth.jsonl").read_text().splitlines())}
    for annotation in read_folder(folder):
        truth = truths[annotation.image.name]
        assert truth["caption"] == annotation.prompt
        assert [a["category"] for a in truth["artifacts"]] == [a.category for a in annotation.artifacts]
        for said, known in zip(annotation.artifacts, truth["artifacts"], strict=True):
            assert said.box == pytest.approx(known["box"], abs=0.001)


def test_text_that_is_no_json_is_refused(tmp_path: Path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match=r"x\.json: not JSON"):
        read_annotation(tmp_path / "x.json")
