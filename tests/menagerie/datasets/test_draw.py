# pyright: strict
"""Drawn data sets: read back, they have the papers' shares, and the same seed draws the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import load_dataset  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
from PIL import Image

from learners.judges.datasets.ratings import Rating, consolidate
from learners.judges.datasets.richhf import SPLITS, read_split, split_words
from learners.judges.datasets.synartifact import read_folder
from menagerie.datasets.draw import draw_dataset


@pytest.fixture(scope="module")
def synartifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "set"
    draw_dataset(131, out, seed=3)
    return out


@pytest.fixture(scope="module")
def richhf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("richhf") / "set"
    draw_dataset(60, out, seed=2, schema="richhf")
    return out


def test_a_data_set_has_the_shares_of_the_papers(synartifact: Path):
    everything = list(read_folder(synartifact))
    assert len(everything) == 131
    assert sum(bool(a.artifacts) for a in everything) == 77  # 768 of 1,310
    assert len(list(read_folder(synartifact, "test"))) == 26  # 265 of 1,310
    assert len(list(read_folder(synartifact, "train"))) == 105


def test_the_same_seed_draws_the_same_synartifact_set(synartifact: Path, tmp_path: Path):
    draw_dataset(131, tmp_path / "again", seed=3)
    files = [file for file in sorted(synartifact.rglob("*")) if file.is_file()]
    assert len(files) > 131 * 2
    for file in files:
        assert file.read_bytes() == (tmp_path / "again" / file.relative_to(synartifact)).read_bytes(), file.name


def test_datasets_opens_what_was_drawn(synartifact: Path, tmp_path: Path):
    rows: Any = load_dataset(
        "imagefolder", data_dir=str(synartifact / "images"), cache_dir=str(tmp_path), split="train"
    )
    annotations = list(read_folder(synartifact))
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


def test_a_folder_that_holds_something_is_refused(synartifact: Path):
    with pytest.raises(FileExistsError, match="not empty"):
        draw_dataset(2, synartifact)


def test_the_truth_is_that_of_the_annotations(synartifact: Path):
    truths = {t["image"]: t for t in map(json.loads, (synartifact / "truth.jsonl").read_text().splitlines())}
    for annotation in read_folder(synartifact):
        truth = truths[annotation.image.name]
        assert truth["caption"] == annotation.prompt
        assert [a["category"] for a in truth["artifacts"]] == [a.category for a in annotation.artifacts]
        for said, known in zip(annotation.artifacts, truth["artifacts"], strict=True):
            assert said.box == pytest.approx(known["box"], abs=0.001)


def rating(record: Any) -> Rating:
    a, b, c, d = record["scores"]
    points = [tuple((x, y) for x, y in record[key]) for key in ("artifact_points", "misalignment_points")]
    return Rating((a, b, c, d), points[0], points[1], tuple(record["misaligned"]))


def test_the_consensus_of_the_raters_is_what_is_read(richhf: Path):
    records = {f.filename: f for split in SPLITS for f in read_split(richhf, split)}
    lines = [json.loads(line) for line in (richhf / "raters.jsonl").read_text().splitlines()]
    truths = [json.loads(line) for line in (richhf / "truth.jsonl").read_text().splitlines()]
    assert len(records) == len(lines) == len(truths) == 60
    for line, truth in zip(lines, truths, strict=True):
        found = records[line["filename"]]
        expected = consolidate([rating(r) for r in line["ratings"]], 64, 64)
        assert found.prompt == truth["prompt"]["text"]
        assert found.image == richhf / "images" / truth["image"]
        assert found.consensus.scores == pytest.approx(expected.scores)
        assert found.consensus.misaligned == expected.misaligned
        assert np.abs(found.consensus.artifact_map - expected.artifact_map).max() < 1 / 255
        assert np.abs(found.consensus.misalignment_map - expected.misalignment_map).max() < 1 / 255
        assert len(split_words(found.prompt)) == len(found.consensus.misaligned)


def test_a_richhf_set_has_shares_and_a_sheet(richhf: Path):
    truths = [json.loads(line) for line in (richhf / "truth.jsonl").read_text().splitlines()]
    assert sum(bool(t["artifacts"]) for t in truths) == 35  # 768 of 1,310
    assert 0.3 < np.mean([any(t["prompt"]["misaligned"]) for t in truths]) < 0.8
    assert all(any(q["answer"] == "no" for q in t["wrong_questions"]) for t in truths)
    with Image.open(richhf / "contact-sheet.png") as sheet:
        assert sheet.width > 1200


def test_the_same_seed_draws_the_same_richhf_set(richhf: Path, tmp_path: Path):
    draw_dataset(60, tmp_path / "again", seed=2, schema="richhf")
    files = [file for file in sorted(richhf.rglob("*")) if file.is_file()]
    assert len(files) > 60
    for file in files:
        assert file.read_bytes() == (tmp_path / "again" / file.relative_to(richhf)).read_bytes(), file.name
