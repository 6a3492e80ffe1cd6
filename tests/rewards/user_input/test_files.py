# pyright: strict
"""Files that users name: what is no regular file of a sensible size is refused, and nothing is waited for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from rewards.user_input.files import read_user_file, read_user_text


def test_a_file_is_read_also_by_its_place_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfa\r\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_user_file("~/file", 6) == b"\xef\xbb\xbfa\r\n"
    assert read_user_text(tmp_path / "file") == "a\r\n"


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path, why in {
            tmp_path: "is a folder, not a regular file",
            tmp_path / "pipe": "is a pipe, not a regular file",
            Path("/dev/zero"): "is a device, not a regular file",
            tmp_path / "socket": "cannot be read",
            tmp_path / "nothing": "there is no such file",
            tmp_path / ("a" * 300): "cannot be read",
            "nul\0": "no file can have that name",
        }.items():
            with pytest.raises(ValueError, match=why):
                read_user_file(path)


def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with pytest.raises(ValueError, match=r"link: cannot be read \(Too many levels of symbolic links\)"):
        read_user_file(tmp_path / "link")


def test_a_file_without_end_is_not_read_to_the_end(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="large: is larger than 16 MiB"):
        read_user_file(tmp_path / "large")
    (tmp_path / "small").write_bytes(b"abc")
    with pytest.raises(ValueError, match="small: is larger than 2 bytes"):
        read_user_file(tmp_path / "small", 2)


def test_what_is_no_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("a".encode("utf-16"))
    with pytest.raises(ValueError, match="not UTF-8 text"):
        read_user_text(tmp_path / "file")
