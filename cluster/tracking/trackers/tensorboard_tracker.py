# pyright: strict
"""The tracker for TensorBoard: event files in `RUN/tensorboard`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = "tensorboard"


class TensorBoardTracker:
    """Event files that `tensorboard --logdir RUN/tensorboard` shows, or of several runs at once `--logdir runs`.

    A run that goes on after update `resumed_at` has TensorBoard discard what lies past it.
    """

    def __init__(self, run_dir: Path, resumed_at: int | None = None) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        purge = None if resumed_at is None else resumed_at + 1
        self._writer: Any = SummaryWriter(str(run_dir / FOLDER), purge_step=purge)

    def log(self, update: int, numbers: Mapping[str, float]) -> None:
        for key, value in numbers.items():
            self._writer.add_scalar(key, value, update)
        self._writer.flush()

    def summarise(self, when: str, update: int, numbers: Mapping[str, float]) -> None:
        text = "\n".join(
            [f"| {when} | |", "|---|---|", *(f"| {key} | {value:.4g} |" for key, value in numbers.items())]
        )
        self._writer.add_text(f"evaluation/{when}", text, update)

    def picture(self, update: int, path: Path, caption: str) -> None:
        from PIL import Image

        with Image.open(path) as image:
            self._writer.add_image("pictures", np.asarray(image.convert("RGB")), update, dataformats="HWC")

    def alert(self, update: int, key: str, text: str) -> None:
        self._writer.add_text("alarm", text, update)
        self.log(update, {f"alarm/{key}": 1})

    def close(self, *, failed: bool) -> None:
        self._writer.close()
