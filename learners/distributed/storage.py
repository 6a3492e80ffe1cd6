# pyright: strict
"""Whether every node sees the same run directory."""

from __future__ import annotations

import secrets
from pathlib import Path

from rewards.atomic_write import atomic_write

TOKEN_FILE = "learner.token"


def leave_token(run_dir: Path) -> str:
    """Writes a random token into `run_dir` and returns it; a directory of that name on another node will lack it."""
    token = secrets.token_hex(8)
    with atomic_write(run_dir / TOKEN_FILE) as part:
        part.write_text(token)
    return token


def check_storage(run_dir: Path, token: str, node: str) -> None:
    """Raises FileNotFoundError if `run_dir` is not, on this `node`, the directory in which `token` was left.

    It would be noticed only at the first checkpoint, whose shards would lie in two places. Ranks on other nodes may see
    it, so this one must fail and not merely stop.
    """
    file = run_dir / TOKEN_FILE
    if not file.is_file() or file.read_text() != token:
        raise FileNotFoundError(
            f"a learner worker on node {node} does not see the run's directory {run_dir}; give `--runs` a directory "
            "that all nodes share"
        )
