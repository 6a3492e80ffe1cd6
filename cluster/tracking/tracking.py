# pyright: strict
"""Tracking: the settings of where a run's curves go besides its directory, and the trackers that they open."""

from __future__ import annotations

import importlib.util
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from cluster.errors import PreflightError
from cluster.tracking.history import TRACKING_FILE
from cluster.tracking.trackers.tracker import Tracker
from cluster.tracking.trackers.wandb_tracker import WandbMode, WandbTracker, wandb_mode
from rewards.atomic_write import atomic_write
from rewards.settings.section import Section


class TrackingConfig(Section):
    """Where the curves go besides the run's directory."""

    wandb: WandbMode = "auto"
    """auto: online when WANDB_API_KEY is set, else offline"""
    tensorboard: bool = False
    """whether to write TensorBoard's event files into RUN/tensorboard; `pip install 'salon[tensorboard]'`"""
    trackio: bool = False
    """whether to keep the curves with trackio, on this machine, too; `pip install 'salon[trackio]'`"""
    project: str = Field(default="salon", max_length=128, pattern=r"^[^/\\#?%:]+$")
    """project in W&B and trackio, whose names hold none of / \\ # ? % :"""

    def missing(self) -> list[str]:
        """A line for each tracker that is asked for and not installed."""
        return [
            f"tracking.{name}: {name} is not installed; `pip install 'salon[{name}]'`, or `--set tracking.{name}=false`"
            for name in ("tensorboard", "trackio")
            if getattr(self, name) and not _installed(name)
        ]


def open_trackers(
    settings: TrackingConfig, run_dir: Path, name: str, config: Mapping[str, Any], resumed_at: int | None = None
) -> list[Tracker]:
    """The trackers of the run `name` in `run_dir`, whose `config` they show. A resumed run goes on with those that it
    had. Raises PreflightError for one that cannot be used."""
    mode = wandb_mode(settings.wandb)
    if problems := settings.missing():
        raise PreflightError("\n".join(problems))
    if mode == "disabled" and not settings.trackio and not settings.tensorboard:
        return []
    run_dir.mkdir(parents=True, exist_ok=True)
    trackers: list[Tracker] = []
    run_id = _run_id(run_dir / TRACKING_FILE)
    if mode != "disabled":
        trackers.append(WandbTracker(run_dir, name, settings.project, mode, config, run_id))
    if settings.tensorboard:
        from cluster.tracking.trackers.tensorboard_tracker import TensorBoardTracker

        trackers.append(TensorBoardTracker(run_dir, resumed_at))
    if settings.trackio:
        from cluster.tracking.trackers.trackio_tracker import TrackioTracker

        trackers.append(TrackioTracker(name, settings.project, config, run_id))
    with atomic_write(run_dir / TRACKING_FILE) as part:
        part.write_text(json.dumps({"wandb_id": run_id, "wandb_mode": mode, "project": settings.project}) + "\n")
    return trackers


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # a module that is None in sys.modules is one that must not be imported
        return False


def _run_id(path: Path) -> str:
    """The id in the tracking file at `path`, a new one where there is none; raises PreflightError if it is damaged."""
    if not path.is_file():
        return secrets.token_hex(4)
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
