# pyright: strict
"""The tracker for trackio, which keeps curves on this machine: `trackio show --project PROJECT`."""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any


class TrackioTracker:
    """A trackio run in the folder that TRACKIO_DIR names (trackio's own if it names none); `run_id` tells runs of the
    same name apart, and one with the id of an earlier run goes on with it."""

    def __init__(self, name: str, project: str, config: Mapping[str, Any], run_id: str) -> None:
        import trackio

        self._trackio: Any = trackio
        with _quiet():
            self._run: Any = self._trackio.init(
                project=project,
                name=f"{name}-{run_id}",
                config=dict(config),
                resume="allow",
                auto_log_cpu=False,
                auto_log_gpu=False,
            )

    def log(self, update: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=update)

    def summarise(self, when: str, update: int, numbers: Mapping[str, float]) -> None:
        self._run.log({f"{when}/{key}": value for key, value in numbers.items()}, step=update)

    def picture(self, update: int, path: Path, caption: str) -> None:
        self._run.log({"pictures": self._trackio.Image(str(path), caption=caption)}, step=update)

    def alert(self, update: int, key: str, text: str) -> None:
        with _quiet():
            self._run.alert(title="reward hacking or collapse?", text=text)
        self.log(update, {f"alarm/{key}": 1})

    def close(self, *, failed: bool) -> None:
        with _quiet():
            self._trackio.finish()


@contextmanager
def _quiet() -> Generator[None]:
    """Context manager: trackio's notes, which it prints between the lines of the run's progress, are not shown."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield
