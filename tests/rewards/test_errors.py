"""What users read of an error in another process, and of what the system refuses to write."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import pytest

from rewards.atomic_write import atomic_write
from rewards.errors import last_line
from rewards.storage_error import StorageError


class TaskError(Exception):
    """As Ray tells of it: frames in its text, and what was raised as its cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"ray::Actor.ready() (pid=1)\n  File x.py, line 1\n{type(cause).__name__}: {cause}")
        self.cause = cause


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("Traceback (most recent call last):\n  File x.py\nValueError: no such model\n\n", "ValueError: no such model"),
        (ValueError("no room\nfor 64 CPUs "), "for 64 CPUs"),
        (TaskError(ValueError("no such model")), "no such model"),
        (TaskError(RuntimeError()), "RuntimeError"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_the_last_line_that_says_something(error: object, line: str) -> None:
    assert last_line(error) == line


def write(path: Path, number: int) -> None:
    """Half a file, and then the system says `number`."""
    with atomic_write(path) as part:
        part.write_text("as much as there was room for")
        raise OSError(number, os.strerror(number))


def test_a_block_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("old")
    with pytest.raises(StorageError):
        write(path, errno.EIO)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


def test_a_full_disk_is_told_in_one_line_that_says_where_and_leaves_the_room_it_had(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with pytest.raises(StorageError) as stopped:
        write(path, errno.ENOSPC)
    said = str(stopped.value)
    assert said.startswith(f"{path}: cannot be written (No space left on device): the disk that holds {tmp_path} is ")
    assert said.endswith("MB are free; make room there")
    assert not [*tmp_path.iterdir()]


def test_what_else_the_system_refuses_is_told_alike(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"state.json: cannot be written \(Read-only file system\); make its folder"):
        write(tmp_path / "state.json", errno.EROFS)
    with pytest.raises(StorageError, match=r"nowhere/state.json: cannot be written \(No such file or directory\)$"):
        write(tmp_path / "nowhere" / "state.json", errno.EROFS)


def test_it_keeps_its_words_on_its_way_between_processes_and_through_another_write(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as stopped, atomic_write(tmp_path / "outer"):
        write(tmp_path / "inner", errno.ENOSPC)
    assert str(pickle.loads(pickle.dumps(stopped.value))) == str(stopped.value)
    assert str(stopped.value).startswith(f"{tmp_path / 'inner'}: ")
