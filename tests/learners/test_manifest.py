"""A folder proves that it is whole, and says which file is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from learners.manifest import NAME, Manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.json").write_text('{"a": 1}')
    (folder / "inner" / "b.pt").write_bytes(bytes(range(256)))
    Manifest.seal(folder)
    return folder


def check(folder: Path) -> None:
    manifest = Manifest.read(folder)
    assert manifest is not None
    manifest.check()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_sealed_folder_is_whole_and_lists_every_file(folder: Path) -> None:
    check(folder)
    assert json.loads((folder / NAME).read_text())["files"].keys() == {"a.json", "inner/b.pt"}


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: flip(f / "inner" / "b.pt"), "inner/b.pt: is damaged, its content is not what was saved"),
        (lambda f: (f / "a.json").write_text("{"), "a.json: is damaged, it has 1 bytes and had 8"),
        (lambda f: (f / "a.json").unlink(), "a.json: cannot be read (No such file or directory)"),
        (lambda f: ((f / "a.json").unlink(), (f / "a.json").mkdir()), "a.json: "),
        (lambda f: (f / NAME).write_text(""), f"{NAME}: is damaged"),
        (lambda f: (f / NAME).write_text("{}"), f"{NAME}: is damaged"),
        (lambda f: (f / NAME).write_bytes(b"\xff\x00"), f"{NAME}: is damaged"),
        (lambda f: ((f / NAME).unlink(), (f / NAME).mkdir()), f"{NAME}: cannot be read (Is a directory)"),
    ],
)  # fmt: skip
def test_whatever_is_not_as_it_was_is_named_in_one_line(
    folder: Path, damage: Callable[[Path], object], says: str
) -> None:
    damage(folder)
    with pytest.raises(ValueError, match=folder.name) as refused:
        check(folder)
    assert str(refused.value).startswith(f"{folder}/{says}")
    assert len(str(refused.value).splitlines()) == 1


def test_a_folder_without_a_manifest_has_none(tmp_path: Path) -> None:
    assert Manifest.read(tmp_path) is None
