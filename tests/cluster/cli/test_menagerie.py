"""`salon menagerie` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from commands import Salon, refused


def test_pictures_are_drawn_and_never_over_others(salon: Salon, tmp_path: Path) -> None:
    code, out, _ = salon("menagerie", "draw", "--count", 6, "--out", tmp_path / "drawn", "--seed", 3)
    assert code == 0
    assert "6 pictures" in out
    first = sorted((tmp_path / "drawn" / "images").glob("0*.json"))
    assert len(first) == 6
    assert json.loads(first[0].read_text())["image"] == "000000.png"
    assert "drawn is not empty" in refused(salon("menagerie", "draw", "--count", 6, "--out", tmp_path / "drawn"))


def test_ratings_and_prompts_are_written(salon: Salon, tmp_path: Path) -> None:
    code, _, _ = salon("menagerie", "draw", "--count", 6, "--out", tmp_path / "rated", "--schema", "richhf")
    assert code == 0
    assert {p.stem for p in (tmp_path / "rated").glob("*.tfrecord")} == {"train", "dev", "test"}
    prompts = tmp_path / "prompts.txt"
    assert salon("menagerie", "prompts", "--count", 1, "--out", prompts)[:2] == (0, f"11 prompts in {prompts}\n")
    assert "is there already" in refused(salon("menagerie", "prompts", "--out", prompts))
