# pyright: strict
"""Noticing that the reward rises at the cost of what it stands for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.history import is_number

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AlarmLimits:
    """When a run counts as hacking its reward.

    Means over `window` updates are compared with the means of the earlier window in which the watched figure stood
    highest. Both differences must also exceed `standard_errors` of their own noise. Five looks strict, but the highest
    of many windows is high by luck too: with 64 pictures an update and five figures, 3 rings in four honest runs of
    ten, 5 in one of a hundred, and a collapse is still noticed in the update that completes the second window.
    """

    window: int = 6
    share_fall: float = 0.10  # artifact-free and recognition shares: points of a share
    diversity_fall: float = 0.20  # within-prompt diversity: relative
    standard_errors: float = 5.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """One figure that fell while the train reward rose, and the two windows (first and last update) that show it."""

    key: str
    update: int
    earlier: tuple[int, int]
    later: tuple[int, int]
    reward: tuple[float, float]
    figure: tuple[float, float]

    @property
    def text(self) -> str:
        """The alarm in one sentence."""
        (a, b), (c, d) = self.earlier, self.later
        return (
            f"Between updates {a}–{b} and {c}–{d} the train reward rose from {self.reward[0]:.3g} to "
            f"{self.reward[1]:.3g} while {self.key} fell from {self.figure[0]:.3g} to {self.figure[1]:.3g}."
        )


SHARES = ("artifact_free", "animal", "colour", "setting")


def watched_keys(heldout: Sequence[str]) -> tuple[str, ...]:
    """The keys of an update row that should not fall, for judges that stand outside the reward."""
    return tuple(f"{judge}/{score}" for judge in heldout for score in (*SHARES, "diversity"))


def hacking_alarms(
    updates: Sequence[Mapping[str, Any]], watched: Sequence[str], limits: AlarmLimits | None = None
) -> list[Alarm]:
    """The first alarm of each watched figure in update rows, in order of update; empty when all is well.

    `watched` holds keys such as `heldout/animal` (a share) or `heldout/diversity`. Rows without the key or without
    `reward/mean` are left out of that key's windows. A pure function of the rows: to ring while a run is going, call it
    after each update and ring for the alarms whose `update` is the last one's.
    """
    limits = limits or AlarmLimits()
    alarms = [alarm for key in watched if (alarm := _first_alarm(updates, key, limits)) is not None]
    return sorted(alarms, key=lambda alarm: alarm.update)


def _first_alarm(updates: Sequence[Mapping[str, Any]], key: str, limits: AlarmLimits) -> Alarm | None:
    rows = [row for row in updates if is_number(row.get(key)) and is_number(row.get("reward/mean"))]
    w = limits.window
    if len(rows) < 2 * w:
        return None
    rewards, figures = (np.array([float(row[k]) for row in rows]) for k in ("reward/mean", key))
    reward, figure = (np.lib.stride_tricks.sliding_window_view(x, w).mean(axis=1) for x in (rewards, figures))
    best = 0
    for later in range(w, len(figure)):
        if figure[later - w] > figure[best]:
            best = later - w
        seen = later + w
        fall, rise = float(figure[best] - figure[later]), float(reward[later] - reward[best])
        enough = limits.diversity_fall * abs(figure[best]) if key.endswith("/diversity") else limits.share_fall
        if (
            fall >= enough
            and fall > limits.standard_errors * _noise(figures[:seen], w)
            and rise > limits.standard_errors * _noise(rewards[:seen], w)
        ):
            return Alarm(
                key,
                update=int(rows[seen - 1]["update"]),
                earlier=(int(rows[best]["update"]), int(rows[best + w - 1]["update"])),
                later=(int(rows[later]["update"]), int(rows[seen - 1]["update"])),
                reward=(float(reward[best]), float(reward[later])),
                figure=(float(figure[best]), float(figure[later])),
            )
    return None


def _noise(values: Floats, window: int) -> float:
    """Standard error of the difference between the means of two windows.

    The variance of one value comes from successive differences (von Neumann 1941) of all values so far: a trend
    does not inflate it, and a window that happens to be calm does not hide it.
    """
    variance = float(np.mean(np.diff(values) ** 2)) / 2
    return math.sqrt(2 * variance / window)
