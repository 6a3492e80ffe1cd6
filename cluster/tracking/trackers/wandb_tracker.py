# pyright: strict
"""The tracker for Weights & Biases, online or offline."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from cluster.errors import PreflightError

API_KEY = "WANDB_API_KEY"

WandbMode = Literal["auto", "offline", "online", "disabled"]


def wandb_mode(wanted: WandbMode) -> Literal["offline", "online", "disabled"]:
    """The W&B mode to use: `auto` is online when WANDB_API_KEY is set and offline otherwise; the rest as configured."""
    if wanted == "auto":
        return "online" if os.environ.get(API_KEY) else "offline"
    return wanted


class WandbTracker:
    """A W&B run, in `RUN/wandb`; one with the `run_id` of an earlier one goes on with it.

    Curves have `update` as their x axis. Raises PreflightError when W&B cannot be used in this mode.
    """

    def __init__(
        self,
        run_dir: Path,
        name: str,
        project: str,
        mode: Literal["offline", "online"],
        config: Mapping[str, Any],
        run_id: str,
    ) -> None:
        import wandb

        try:
            self._run = wandb.init(
                project=project,
                name=name,
                id=run_id,
                resume="allow",
                mode=mode,
                dir=str(run_dir),
                config=dict(config),
                allow_val_change=True,  # A resumed run may raise its number of updates.
                settings=wandb.Settings(console="off", silent=True, disable_git=True),
            )
        except wandb.Error as error:
            raise PreflightError(
                f"tracking.wandb: W&B cannot be used {mode} ({_without_key(error)}); put the environment variable "
                f"{API_KEY} right, or use `--set tracking.wandb=offline`"
            ) from None
        self._run.define_metric("update")
        self._run.define_metric("*", step_metric="update")

    def log(self, update: int, numbers: Mapping[str, float]) -> None:
        self._run.log({**numbers, "update": update})

    def summarise(self, when: str, update: int, numbers: Mapping[str, float]) -> None:
        summary: Any = self._run.summary
        summary.update({f"{when}/{key}": value for key, value in numbers.items()})

    def picture(self, update: int, path: Path, caption: str) -> None:
        import wandb

        self._run.log({"update": update, "pictures": wandb.Image(str(path), caption=caption)})

    def alert(self, update: int, key: str, text: str) -> None:
        # An alert needs W&B's server; the number beside it does not.
        self._run.alert(title="reward hacking or collapse?", text=f"update {update}: {text}")
        self.log(update, {f"alarm/{key}": 1})

    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


def _without_key(error: Exception) -> str:
    """The first line of W&B's message (the others are for programmers), without the API key."""
    message, key = str(error).strip().partition("\n")[0], os.environ.get(API_KEY)
    return message.replace(key, "…") if key else message
