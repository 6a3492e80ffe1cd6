"""The SynArtifact-1K schema, there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from PIL import Image

from learners.judges.datasets.annotation import Artifact
from learners.judges.datasets.synartifact import read_annotation, read_folder
from menagerie.datasets.draw import draw_dataset


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
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    assert len(files) > 131 * 2
    for file in files:
        assert file.read_bytes() == (tmp_path / "again" / file.relative_to(folder)).read_bytes(), file.name


def test_datasets_opens_what_was_drawn(folder: Path, tmp_path: Path):
    rows = load_dataset("imagefolder", data_dir=str(folder / "images"), cache_dir=str(tmp_path), split="train")
    annotations = list(read_folder(folder))
    assert rows.column_names == ["image", "prompt", "class", "artifacts"]
    assert rows["prompt"][:] == [a.prompt for a in annotations]
    assert rows["class"][:] == [a.label for a in annotations]
    number = next(i for i, a in enumerate(annotations) if a.artifacts)
    row, known = rows[number], annotations[number]
    assert row["image"].size == (64, 64)
    assert [(a["category"], a["caption"]) for a in row["artifacts"]] == [
        (a.category, a.caption) for a in known.artifacts
    ]
    assert [v / 64 for v in row["artifacts"][0]["rectangle"]] == pytest.approx(known.artifacts[0].box)
    assert not next(r for r, a in zip(rows, annotations, strict=True) if not a.artifacts)["artifacts"]


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
        ({"image": "x" * 5000}, "not beside it"),
        ({"artifacts": {"category": "omitted"}}, "not a record"),
        ({"artifacts": ["omitted"]}, r"artifacts\[0\] needs"),
        ({"artifacts": [{"category": None, "rectangle": [0, 0, 1, 1]}]}, r"artifacts\[0\] needs a 'category'"),
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
    (tmp_path / "here" / "y.json").write_text("{}")
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


CAT = {"rect_start": [90, 5], "rect_end": [10, 45], "artifacts_caption": "two tails", "artifacts_class": "2"}
PLACES = {
    "beside": ("cats/7.jpg", "cats/annotation_json_artifacts_class/7.json", "./cats/7.jpg"),
    "apart": ("images/7.jpg", "data/annotation_json_artifacts_class/7.json", "images/7.jpg"),
    "nested": ("images/cats/7.webp", "data/annotation_json_artifacts_class/7.json", "cats/7.webp"),
    "inside": ("cats/images/7.JPEG", "cats/annotation_json_artifacts_class/7.json", "cats/images/7.JPEG"),
}
"""Where the picture lies, its annotation, and what `eval.txt` calls it."""


def released(root: Path, image: str, annotation: str, record: Any) -> None:
    """A picture of 100 × 50 and its annotation, as the release has them."""
    for name in (image, annotation):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (100, 50)).save(root / image)
    (root / annotation).write_text(json.dumps(record))


@pytest.mark.parametrize("place", PLACES)
def test_the_released_layout_is_read(tmp_path: Path, place: str):
    image, annotation, line = PLACES[place]
    released(tmp_path, image, annotation, {"Artifacts annotation": [CAT], "Other artifacts caption": "It is blurred."})
    whole, clean = (name.replace("7.", "8.") for name in (image, annotation))
    released(tmp_path, whole, clean, {"Artifacts annotation": [], "Other artifacts caption": "None"})
    (tmp_path / "eval.txt").write_text(f"{line}\n\n")
    seven, eight = read_folder(tmp_path)
    assert (seven.image, seven.prompt, seven.label) == (tmp_path / image, "", "")
    assert seven.artifacts == (
        Artifact("2", "two tails", (0.1, 0.1, 0.9, 0.9)),
        Artifact("other", "It is blurred.", (0.0, 0.0, 1.0, 1.0)),
    )
    assert (eight.image, eight.artifacts) == (tmp_path / whole, ())
    assert list(read_folder(tmp_path, "test")) == [seven]
    assert list(read_folder(tmp_path, "train")) == [eight]
    (named,) = read_folder(tmp_path, "test", {"2": "duplicated"})
    assert [a.category for a in named.artifacts] == ["duplicated", "other"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([], "key 'Artifacts annotation' must be a list"),
        ({"Other artifacts caption": "None"}, "key 'Artifacts annotation' must be a list"),
        ({"Artifacts annotation": ["2"]}, r"'Artifacts annotation'\[0\] needs 'artifacts_class'"),
        ({"Artifacts annotation": [CAT | {"rect_end": [1]}]}, r"\[0\] needs 'artifacts_class', and 'rect_start'"),
        ({"Artifacts annotation": [CAT | {"rect_end": None}]}, r"\[0\] needs 'artifacts_class', and 'rect_start'"),
        ({"Artifacts annotation": [CAT | {"artifacts_class": None}]}, r"\[0\] needs an 'artifacts_class'"),
        ({"Artifacts annotation": [CAT, CAT | {"rect_end": [101, 3]}]}, r"\[1\]: from rect_start .* the 100×50 image"),
        ({"Artifacts annotation": [CAT | {"artifacts_class": "3"}]}, r"artifacts_class '3' is none .*\(2\)"),
    ],
)
def test_a_broken_released_record_is_refused_with_file_and_key(tmp_path: Path, record: Any, message: str):
    image, annotation, _ = PLACES["beside"]
    released(tmp_path, image, annotation, record)
    with pytest.raises(ValueError, match=rf"7\.json: .*{message}"):
        list(read_folder(tmp_path, classes={"2": "duplicated"}))


def test_a_released_picture_that_is_missing_twofold_or_cut_off_is_refused(tmp_path: Path):
    image, annotation, _ = PLACES["beside"]
    released(tmp_path, image, annotation, {"Artifacts annotation": []})
    Image.new("RGB", (100, 50)).save(tmp_path / "cats" / "7.png")
    with pytest.raises(ValueError, match=r"7\.json: its picture may be .*7\.jpg or .*7\.png"):
        list(read_folder(tmp_path))
    (tmp_path / image).unlink()
    (tmp_path / "cats" / "7.png").write_bytes((tmp_path / "cats" / "7.png").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"7\.json: image '.*7\.png' cannot be read"):
        list(read_folder(tmp_path))
    (tmp_path / "cats" / "7.png").unlink()
    with pytest.raises(ValueError, match=r"7\.json: no picture 7 "):
        list(read_folder(tmp_path))


def test_a_released_split_that_cannot_be_made_is_refused(tmp_path: Path):
    image, annotation, _ = PLACES["beside"]
    released(tmp_path, image, annotation, {"Artifacts annotation": []})
    with pytest.raises(ValueError, match=r"no split 'dev'; the released data set has train and test"):
        list(read_folder(tmp_path, "dev"))
    with pytest.raises(ValueError, match=r"eval\.txt is not there"):
        list(read_folder(tmp_path, "train"))
    (tmp_path / "eval.txt").write_text("cats/7.jpg\ncats/9.jpg\n")
    with pytest.raises(ValueError, match=r"eval\.txt: line 2 lists 'cats/9\.jpg'"):
        list(read_folder(tmp_path, "train"))
