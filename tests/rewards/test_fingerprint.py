"""Versions follow the files of a model and its settings, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewards import fingerprint as module
from rewards.fingerprint import fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "model" / "config.json").write_text("{}")
    return tmp_path / "model"


def test_a_copy_has_the_same_version_and_a_card_changes_nothing(folder: Path, tmp_path: Path):
    before = fingerprint(str(folder), alpha=1)
    (folder / "README.md").write_text("a card")
    moved = folder.rename(tmp_path / "elsewhere")
    assert fingerprint(str(moved), alpha=1) == before


def test_every_file_its_name_and_every_setting_count(folder: Path):
    versions = {fingerprint(str(folder)), fingerprint(str(folder), alpha=1), fingerprint(str(folder), alpha=2)}
    (folder / "config.json").write_text("{ }")
    versions.add(fingerprint(str(folder)))
    (folder / "config.json").rename(folder / "other.json")
    versions.add(fingerprint(str(folder)))
    assert len(versions) == 5


@pytest.mark.parametrize("index", [0, -1])
def test_a_large_file_is_sampled_from_its_first_to_its_last_byte(
    folder: Path, index: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "WHOLE", 1000)
    monkeypatch.setattr(module, "SAMPLE", 16)
    before = fingerprint(str(folder))
    data = bytearray((folder / "weights.bin").read_bytes())
    data[index] ^= 1
    (folder / "weights.bin").write_bytes(data)
    assert fingerprint(str(folder)) != before


def test_a_hub_name_counts_by_name_and_commit():
    assert fingerprint("owner/a", commit="1") == fingerprint("owner/a", commit="1")
    assert len({fingerprint("owner/a", commit="1"), fingerprint("owner/a", commit="2"), fingerprint("owner/b")}) == 3
