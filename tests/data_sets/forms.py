# pyright: basic
"""Small data sets of grey pictures in the forms that are found in the wild."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def png(pixels: np.ndarray) -> bytes:
    """`pixels` `[h, w, 3]` uint8 as a PNG."""
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()


def plain(value: int, height: int = 64, width: int = 64) -> np.ndarray:
    """A picture of one grey level."""
    return np.full((height, width, 3), value, np.uint8)


def write_table(path: Path, columns: dict[str, Any], rows_a_group: int | None = None) -> Path:
    """A parquet file with these columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=rows_a_group)
    return path


def write_pairs(path: Path, labels: Sequence[float | None], rows_a_group: int | None = None, **changes: Any) -> Path:
    """Pairs of grey pictures: the first of row i has the level 2 i, the second 2 i + 1, if nothing else is said."""
    rows = range(len(labels))
    columns: dict[str, Any] = {
        "caption": [f"a cat, number {i}" for i in rows],
        "jpg_0": [png(plain(2 * i)) for i in rows],
        "jpg_1": [png(plain(2 * i + 1)) for i in rows],
        "label_0": list(labels),
    }
    return write_table(path, columns | changes, rows_a_group)


def write_images(folder: Path, pictures: Sequence[tuple[str, np.ndarray, str]]) -> Path:
    """An image folder of (file name, pixels, caption)."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, pixels, caption in pictures:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(pixels))
        lines.append(json.dumps({"file_name": name, "text": caption}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder
