"""Records of others name files of their own folder only."""

from __future__ import annotations

from pathlib import Path

import pytest

from learners.judges.datasets.annotation import beneath, file_beneath


@pytest.mark.parametrize("name", ["a.png", "images/a.png", "./a.png"])
def test_names_in_the_folder_are_found(tmp_path: Path, name: str) -> None:
    assert beneath(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.png", "images/../../a.png", "images/.."])
def test_names_that_lead_out_of_it_are_not(tmp_path: Path, name: str) -> None:
    assert beneath(tmp_path, name) is None


def test_a_file_that_is_not_there_or_cannot_be_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert file_beneath(tmp_path, "a.png") == tmp_path / "a.png"
    for name in ("b.png", ".", f"../{tmp_path.name}/a.png", "x" * 5000, "a\0b"):
        assert file_beneath(tmp_path, name) is None
