# pyright: strict
"""The summary: what a run that has ended did, where it lies, and what to do next, in a few lines of plain text."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cluster.config.stored import stored_config
from cluster.report.change_table import change_rows, not_compared, run_changes
from cluster.report.measured_balance import MeasuredBalance
from cluster.tracking.history import RunHistory, is_number
from cluster.tracking.judges import RunJudges


def run_summary(run_dir: Path) -> Iterator[str]:
    """The lines about the run in `run_dir`, whose last update is made."""
    _, config = stored_config(run_dir)
    history, judges = RunHistory.read(run_dir), RunJudges.from_yaml(config)
    last = history.updates[-1] if history.updates else {}
    pictures = f", {int(last['images']):,} pictures" if is_number(last.get("images")) else ""
    done = int(last.get("update", 0))
    yield f"done: {done} update{'s' if done != 1 else ''}{pictures}"
    sampled, plain = (_own(config, section) for section in ("sampler", "plain"))
    yield from _changes(history, judges, sampled or "as in training", plain=False)
    yield from _changes(history, judges, f"by plain diffusers, {plain or 'as others will draw'}", plain=True)
    if balance := MeasuredBalance.of(history, config, os.cpu_count() or 1):
        yield f"balance {balance.in_words()}"
    yield f"run     {run_dir}"
    policy: Mapping[str, Any] = config.get("policy") or {}
    what, folder = ("policy", "policy") if policy.get("train") == "full" else ("LoRA", "lora")
    yield f"{what:<7} {run_dir / folder}, for plain diffusers"
    yield f"report  salon report {run_dir}  (writes {run_dir / 'report.html'}, which shows how to draw with the {what})"


def _changes(history: RunHistory, judges: RunJudges, how: str, *, plain: bool) -> Iterator[str]:
    """What the evaluations that were drawn in one way say."""
    changes = [
        row
        for row in change_rows(run_changes(history, judges, plain=plain), history, judges)
        if not plain or row["judge"] in judges.roles
    ]
    what = [f"{row['judge']}{' (watches only)' if row['watches'] else ''}: {row['label']}" for row in changes]
    width = max(map(len, what), default=0)
    if changes:
        yield f"before → after training, drawn {how}:"
    for name, row in zip(what, changes, strict=True):
        interval = f", 95 % interval {row['interval']}" if row["interval"] else ""
        yield f"  {name:{width}}  {row['before'][0]} → {row['after'][0]}  ({row['change']}{interval})"
    yield from not_compared(history, plain=plain)


def _own(config: Mapping[str, Any], section: str) -> str:
    """That evaluations draw with settings of their own in a section; empty if they do not."""
    evaluation: Mapping[str, Any] = config.get("evaluation") or {}
    settings: Mapping[str, Any] = evaluation.get(section) or {}
    return f"with evaluation.{section}'s settings" if any(value is not None for value in settings.values()) else ""
