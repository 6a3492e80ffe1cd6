# pyright: strict
"""Alarms: the reward rises while a metric outside it falls (reward hacking), or a metric collapses."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from cluster.tracking.history import is_number
from cluster.tracking.judges import RunJudges
from rewards.arrays import FloatArray
from rewards.settings.section import LARGEST, Section


class WatchConfig(Section):
    """A metric of the update rows that should stay where it is while the reward rises."""

    key: str = Field(min_length=1)
    """JUDGE/SCORE or JUDGE/diversity, such as statistics/dark_share; or any other key of an update row"""
    direction: Literal["fall", "rise", "either"] = "fall"
    """which way it must not go"""
    by: float | str
    """how far it may go: 0.1 is an amount, "20%" is relative to where it stood"""

    @field_validator("by", mode="before")
    @classmethod
    def _amount(cls, by: object) -> object:
        if isinstance(by, int | float) and not isinstance(by, bool):
            amount = by
        elif isinstance(by, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", by)) is not None:
            amount = float(match[1])
        else:
            raise ValueError(f'must be a number, or a string of per cent such as "20%", not {by!r}')
        if not 0 < amount <= LARGEST:
            raise ValueError(f"must be above 0 and at most {LARGEST:,}, not {by}")
        return by

    def limit(self, stood: float) -> float:
        """The amount by which a metric that stood at `stood` may move."""
        return float(self.by.strip().rstrip("%")) / 100 * abs(stood) if isinstance(self.by, str) else self.by


class AlarmConfig(Section):
    """When a run counts as hacking its reward, or as collapsing, and what happens then.

    Means over `window` updates are compared with the means of the earlier window in which the watched metric stood
    best. The alarm rings for a metric that moved by its limit while the reward rose (hacking), or by `collapse` limits
    whatever the reward did. Differences must also exceed `standard_errors` of their own noise. Five looks strict, but
    the best of many windows is good by luck too: with 64 pictures an update and five metrics, 3 rings in four honest
    runs of ten, 5 in one of a hundred, and a collapse is still noticed in the update that completes the second window.
    """

    on_alarm: Literal["warn", "stop", "rollback"] = "warn"
    """warn: say it and go on. stop: end the run after the update in training, with a checkpoint and exit code 3.
    rollback: the same, and RUN/lora is a policy from before the alarm. An alarm acts once: --resume goes on"""
    window: int = Field(default=6, ge=2)
    """updates whose mean is compared"""
    share_fall: float = Field(default=0.10, gt=0)
    """how far the shares of pictures that an audit judge declares may fall; 0.10 is ten points"""
    diversity_fall: float = Field(default=0.20, gt=0)
    """how far the diversity within a prompt, by an audit judge's features, may fall, relatively"""
    standard_errors: float = Field(default=5.0, gt=0)
    """how many standard errors a difference must exceed to be no accident"""
    collapse: float = Field(default=2.0, ge=1)
    """a metric that moved by this many times its limit rings although the reward did not rise"""
    watch: tuple[WatchConfig, ...] = ()
    """more metrics to watch: {key: statistics/dark_share, direction: rise, by: 0.15}"""

    def watched(self, judges: RunJudges) -> tuple[WatchConfig, ...]:
        """What is watched: shares and diversity of the audit judges, which are outside the reward, and `watch`."""
        shares = [WatchConfig(key=key, by=self.share_fall) for key in judges.audit_shares()]
        diversity = [
            WatchConfig(key=f"{judge}/diversity", by=f"{100 * self.diversity_fall}%") for judge in judges.audit
        ]
        return (*shares, *diversity, *self.watch)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A metric that moved the wrong way, with its mean and the reward's in the two windows that show it.

    `earlier` and `later` are the windows' first and last update.
    """

    key: str
    update: int
    earlier: tuple[int, int]
    later: tuple[int, int]
    reward: tuple[float, float]
    metric: tuple[float, float]
    rose: bool
    """whether the reward rose by more than its noise, which makes it hacking, not a collapse"""

    @property
    def text(self) -> str:
        """The alarm in one sentence."""
        (a, b), (c, d) = self.earlier, self.later
        hardly = "hardly " if self.reward[0] < self.reward[1] and not self.rose else ""
        return (
            f"Between updates {a}–{b} and {c}–{d} the train reward {hardly}{_moved(self.reward)} while {self.key} "
            f"{_moved(self.metric)}."
        )

    @property
    def warning(self) -> str:
        """The alarm, after what it may mean."""
        return f"This may be {'reward hacking' if self.rose else 'a collapse'}. {self.text}"


def _moved(means: tuple[float, float]) -> str:
    before, after = means
    return f"{'fell' if after < before else 'rose'} from {before:.3g} to {after:.3g}"


def find_alarms(
    updates: Sequence[Mapping[str, Any]], judges: RunJudges, config: AlarmConfig | None = None
) -> list[Alarm]:
    """The first alarm of each watched metric in update rows, in order of update; empty when all is well.

    Rows without the metric or without `reward/mean` are left out of that metric's windows. A pure function of the rows:
    to ring while a run is going, call it after each update and ring for the alarms whose `update` is the last one's.
    """
    config = config or AlarmConfig()
    first: dict[str, Alarm] = {}
    for watch in config.watched(judges):
        for sign in {"fall": (1,), "rise": (-1,), "either": (1, -1)}[watch.direction]:
            alarm = _first_alarm(updates, watch, sign, config)
            if alarm is not None and (watch.key not in first or alarm.update < first[watch.key].update):
                first[watch.key] = alarm
    return sorted(first.values(), key=lambda alarm: alarm.update)


def _first_alarm(
    updates: Sequence[Mapping[str, Any]], watch: WatchConfig, sign: int, config: AlarmConfig
) -> Alarm | None:
    """`sign` 1 looks for a fall of the metric, -1 for a rise."""
    rows = [row for row in updates if is_number(row.get(watch.key)) and is_number(row.get("reward/mean"))]
    w = config.window
    if len(rows) < 2 * w:
        return None
    rewards, values = (np.array([float(row[k]) for row in rows]) for k in ("reward/mean", watch.key))
    reward, metric = (np.lib.stride_tricks.sliding_window_view(x, w).mean(axis=1) for x in (rewards, values))
    best = 0
    for later in range(w, len(metric)):
        if sign * metric[later - w] > sign * metric[best]:
            best = later - w
        seen = later + w
        loss, rise = sign * float(metric[best] - metric[later]), float(reward[later] - reward[best])
        limit, errors = watch.limit(float(metric[best])), config.standard_errors
        rose = rise > errors * _noise(rewards[:seen], w)
        if loss >= limit * (1 if rose else config.collapse) and loss > errors * _noise(values[:seen], w):
            return Alarm(
                watch.key,
                update=int(rows[seen - 1]["update"]),
                earlier=(int(rows[best]["update"]), int(rows[best + w - 1]["update"])),
                later=(int(rows[later]["update"]), int(rows[seen - 1]["update"])),
                reward=(float(reward[best]), float(reward[later])),
                metric=(float(metric[best]), float(metric[later])),
                rose=rose,
            )
    return None


def _noise(values: FloatArray, window: int) -> float:
    """Standard error of the difference between the means of two windows.

    The variance of one value comes from successive differences (von Neumann 1941) of all values so far: a trend
    does not inflate it, and a window that happens to be calm does not hide it.
    """
    variance = float(np.mean(np.diff(values) ** 2)) / 2
    return math.sqrt(2 * variance / window)
