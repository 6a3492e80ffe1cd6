"""SynArtifact-1K as it was released."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from learners.judges.datasets.annotation import Artifact
from learners.judges.datasets.synartifact import read_folder

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
