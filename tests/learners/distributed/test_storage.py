"""A node that does not share the run's directory is found and named before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from learners.distributed.storage import check_storage, leave_token


def test_the_directory_that_holds_the_token_is_the_right_one(tmp_path: Path) -> None:
    check_storage(tmp_path, leave_token(tmp_path), "10.0.0.1")


def test_a_token_is_left_anew_at_every_start(tmp_path: Path) -> None:
    former, token = leave_token(tmp_path), leave_token(tmp_path)
    check_storage(tmp_path, token, "10.0.0.1")
    with pytest.raises(FileNotFoundError):
        check_storage(tmp_path, former, "10.0.0.1")


@pytest.mark.parametrize("folder", ["another", "nowhere"])
def test_a_node_that_sees_another_directory_or_none_is_named(tmp_path: Path, folder: str) -> None:
    (tmp_path / "another").mkdir()
    leave_token(tmp_path / "another")
    token = leave_token(tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"on node 10.0.0.2 does not see .*{folder}; give `--runs` a dir"):
        check_storage(tmp_path / folder, token, "10.0.0.2")
