# pyright: strict
"""The writer of a run's metrics: `metrics.jsonl` and W&B."""

from __future__ import annotations

import json
import math
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, cast

from cluster.errors import PreflightError
from cluster.tracking.history import METRICS_FILE, PLAIN, SAMPLING, is_number
from rewards.atomic_write import atomic_write
from rewards.storage_error import writing

if TYPE_CHECKING:
    from wandb import Run

TRACKING_FILE, API_KEY = "tracking.json", "WANDB_API_KEY"

WandbMode = Literal["auto", "offline", "online", "disabled"]

# The actors work while the learner does: their seconds overlap with the wall time of an update.
ACTOR_SECONDS = frozenset({"seconds/rolling", "seconds/judging"})
WALL_SECONDS = frozenset({"seconds/wall", "seconds/unaccounted"})


def wandb_mode(wanted: WandbMode) -> Literal["offline", "online", "disabled"]:
    """The W&B mode to use: `auto` is online when WANDB_API_KEY is set and offline otherwise; the rest as configured."""
    if wanted == "auto":
        return "online" if os.environ.get(API_KEY) else "offline"
    return wanted


class MetricsWriter:
    """Writes rows to `RUN/metrics.jsonl` and the same numbers to W&B; one in each run, in its driver.

    The file is append-only, one JSON object a line, flushed at every row; NaN and infinities become null. W&B curves
    have `update` as their x axis. A resumed run (`resumed_at`: the update that was restored) continues the same file
    and the same W&B run: a `resume` row supersedes what lies past the restored update (see `RunHistory`).

    `config` goes to W&B alone. Raises PreflightError when W&B cannot be used as `wandb` says.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        name: str,
        wandb: WandbMode = "auto",
        project: str = "salon",
        config: Mapping[str, Any] | None = None,
        resumed_at: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.run_dir = run_dir
        self._clock = clock
        self._last_update_at: float | None = None
        run_dir.mkdir(parents=True, exist_ok=True)
        self._wandb = self._open_wandb(wandb_mode(wandb), name, project, config or {})
        with writing(run_dir / METRICS_FILE):
            # Without a buffer, which would be written by and by, and in part, when there is room again.
            self._file = (run_dir / METRICS_FILE).open("ab+", buffering=0)
        self._end_torn_line()
        if resumed_at is not None:
            self.rewind(resumed_at)

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=kind is not None)

    def update(self, update: int, metrics: Mapping[str, float]) -> dict[str, Any]:
        """Writes the metrics of one update (1 is the first) and returns the row.

        `seconds/wall` (since the row before) and `seconds/unaccounted` (what of it no `seconds/*` of the learner
        explains) are added, so that time lost between the parts is seen rather than hidden.
        """
        now = self._clock()
        row: dict[str, Any] = _finite({"kind": "update", "update": update, "time": now, **metrics})
        if self._last_update_at is not None and "seconds/wall" not in row:
            row["seconds/wall"] = now - self._last_update_at
        if "seconds/wall" in row:
            row["seconds/unaccounted"] = max(0.0, row["seconds/wall"] - learner_seconds(row))
        self._last_update_at = now
        return self._write(row, {key: value for key, value in row.items() if is_number(value) and key != "time"})

    def evaluation(self, when: str, update: int, metrics: Mapping[str, Any], *, plain: bool = False) -> dict[str, Any]:
        """Writes an evaluation made `when` (`before`, `after` or the number of an update) and returns the row; `plain`:
        of pictures that plain diffusers drew."""
        metrics = _finite(metrics)
        numbers = {f"plain/{key}" if plain else key: value for key, value in metrics.items() if is_number(value)}
        if self._wandb is not None:
            summary: Any = self._wandb.summary
            summary.update({f"{when}/{key}": value for key, value in numbers.items()})
        return self._write(
            {
                "kind": "evaluation",
                "when": when,
                "update": update,
                "time": self._clock(),
                **({SAMPLING: PLAIN} if plain else {}),
                **metrics,
            },
            {f"evaluation/{key}": value for key, value in numbers.items()},
        )

    def pictures(self, when: str, update: int, path: Path) -> None:
        """Shows the picture file at `path` (a sample grid) in W&B."""
        if self._wandb is not None:
            import wandb

            self._wandb.log({"update": update, "pictures": wandb.Image(str(path), caption=f"{when} (update {update})")})

    def alarm(self, update: int, key: str, text: str) -> dict[str, Any]:
        """Writes that the metric `key` rang the alarm after `update`, alerts those who watch it in W&B, and returns the
        row. (An alert needs W&B's server; `alarm/KEY` in its curves and summary does not.)"""
        if self._wandb is not None:
            self._wandb.alert(title="reward hacking or collapse?", text=f"update {update}: {text}")
        return self._write(
            {"kind": "alarm", "update": update, "time": self._clock(), "key": key, "text": text}, {f"alarm/{key}": 1}
        )

    def rewind(self, update: int) -> None:
        """Writes that training went back to its state after `update`: rows past it are superseded."""
        self._last_update_at = None
        self._write({"kind": "resume", "update": update, "time": self._clock()}, {})

    def close(self, *, failed: bool = False) -> None:
        """Finishes the W&B run and closes the file. Closing twice does no harm."""
        if self._wandb is not None:
            self._wandb.finish(exit_code=int(failed))
            self._wandb = None
        self._file.close()

    def _write(self, row: dict[str, Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
        self._append(json.dumps(row, allow_nan=False) + "\n")
        if self._wandb is not None and numbers:
            self._wandb.log({**numbers, "update": row["update"]})
        return row

    def _append(self, text: str) -> None:
        """Writes all of `text` or, raising StorageError, nothing of it."""
        data, end = text.encode(), self._file.seek(0, os.SEEK_END)
        with writing(self.run_dir / METRICS_FILE):
            try:
                while data:
                    data = data[self._file.write(data) :]
            except OSError:
                self._file.truncate(end)
                raise

    def _end_torn_line(self) -> None:
        """Ends the half row of a process that was killed while writing, so that the next row has a line of its own."""
        if self._file.seek(0, os.SEEK_END) and self._file.seek(-1, os.SEEK_END) and self._file.read(1) != b"\n":
            self._append("\n")

    def _open_wandb(
        self, mode: Literal["offline", "online", "disabled"], name: str, project: str, config: Mapping[str, Any]
    ) -> Run | None:
        if mode == "disabled":
            return None
        import wandb

        tracking = self.run_dir / TRACKING_FILE
        run_id = _wandb_id(tracking) if tracking.is_file() else secrets.token_hex(4)
        try:
            run = wandb.init(
                project=project,
                name=name,
                id=run_id,
                resume="allow",
                mode=mode,
                dir=str(self.run_dir),
                config=dict(config),
                allow_val_change=True,  # A resumed run may raise its number of updates.
                settings=wandb.Settings(console="off", silent=True, disable_git=True),
            )
        except wandb.Error as error:
            raise PreflightError(
                f"tracking.wandb: W&B cannot be used {mode} ({_without_key(error)}); put the environment variable "
                f"{API_KEY} right, or use `--set tracking.wandb=offline`"
            ) from None
        run.define_metric("update")
        run.define_metric("*", step_metric="update")
        with atomic_write(tracking) as part:
            part.write_text(json.dumps({"wandb_id": run_id, "wandb_mode": mode, "project": project}) + "\n")
        return run


def learner_seconds(row: Mapping[str, Any]) -> float:
    """The learner's seconds in an update row: every `seconds/*` but those of the actors and the wall."""
    return sum(
        value
        for key, value in row.items()
        if key.startswith("seconds/") and key not in ACTOR_SECONDS | WALL_SECONDS and is_number(value)
    )


def _wandb_id(path: Path) -> str:
    """The id in the tracking file at `path`; raises PreflightError if it is damaged."""
    try:
        match json.loads(path.read_bytes()):
            case {"wandb_id": str(run_id)} if run_id:
                return run_id
            case _:
                reason = "there is no wandb_id in it"
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        reason = "it is no JSON"
    raise PreflightError(f"{path}: is damaged ({reason}); remove it, and this run goes on as a new one in W&B")


def _without_key(error: Exception) -> str:
    """The first line of W&B's message (the others are for programmers), without the API key."""
    message, key = str(error).strip().partition("\n")[0], os.environ.get(API_KEY)
    return message.replace(key, "…") if key else message


def _finite(value: Any) -> Any:
    """`value` with numpy scalars as plain numbers, and NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in cast("Sequence[Any]", value)]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
