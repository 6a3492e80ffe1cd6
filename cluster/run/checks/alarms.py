# pyright: strict
"""What is watched for an alarm, and whether a row of the curves will ever have it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from fnmatch import fnmatchcase

from cluster.config.experiment import ExperimentConfig
from cluster.tracking.judges import RunJudges
from learners.config import statistics_charts

KEYS = (
    *("reward/*", "ticket/*", "seconds/*", "idle/*", "dropped/*", "lag/*", "ratio/*", "kl/*", "weight/*"),
    *("advantage/*", "prompts/*", "loss", "clip_fraction", "clip_fraction/*", "ess_pooled", "kl_base", "lr"),
    *("grad_norm", "optimizer_steps", "startup_ratio_off", "images", "images_per_s"),
)
"""Keys of an update's row that are no judge's own (docs/curves.md)."""


def alarm_problems(config: ExperimentConfig) -> Iterator[str]:
    """A line for each key of `alarm.watch` that begins with the name of nothing that is measured."""
    judges = RunJudges.from_settings(config.rewards)
    own = [key for chart in statistics_charts(config.learner.algorithm.kind) for key in chart.keys]
    known = (*KEYS, *(f"{key}*" for key in own), "judge/*", *(f"{judge}/*" for judge in judges.roles))
    for number, watch in enumerate(config.alarm.watch):
        if not any(fnmatchcase(watch.key, pattern) for pattern in known):
            declared = [f"{judge}/{score}" for judge, scores in judges.declared.items() for score in scores]
            near = difflib.get_close_matches(watch.key, [*declared, *(f"{judge}/value" for judge in judges.roles)], n=1)
            hint = f"did you mean {near[0]}?" if near else f"the judges are {', '.join(judges.roles)}"
            yield f"alarm.watch.{number}.key: no update has a metric {watch.key!r}; {hint}"
