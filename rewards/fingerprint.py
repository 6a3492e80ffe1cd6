# pyright: strict
"""Judge versions: a short hash of everything that could change a verdict."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

WHOLE = 256 * 2**20
SAMPLE = 2**20


def fingerprint(folder: str | None, **settings: Any) -> str:
    """Twelve hex digits of the files in a model folder and of the settings.

    A file above 256 MiB is sampled (its size and 64 pieces of 1 MiB, first and last included), so that a replica of a
    7B model does not read 14 GB twice to start. A name that is not a folder (a hub model) counts by its name; pass the
    commit that was loaded among the settings.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    root = Path(folder) if folder is not None else None
    if root is None or not root.is_dir():
        digest.update(str(folder).encode())
        return digest.hexdigest()[:12]
    for file in sorted(path for path in root.rglob("*") if path.is_file() and not path.name.endswith(".md")):
        digest.update(f"{file.relative_to(root)}:{file.stat().st_size}:".encode())
        _add(digest, file)
    return digest.hexdigest()[:12]


def _add(digest: hashlib._Hash, file: Path) -> None:  # pyright: ignore[reportPrivateUsage]
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= WHOLE:
            for block in iter(lambda: stream.read(SAMPLE), b""):
                digest.update(block)
            return
        for i in range(64):
            stream.seek((size - SAMPLE) * i // 63)
            digest.update(stream.read(SAMPLE))
