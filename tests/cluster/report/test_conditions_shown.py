# pyright: strict
"""Evaluations that were not made alike are not compared, and page and table say why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.report.comparison import ComparedRun
from cluster.report.report import write_report
from cluster.tracking.conditions import KEY, Conditions
from cluster.tracking.history import METRICS_FILE, PLAIN, SAMPLING

Salon = Callable[..., tuple[int, str, str]]


def conditions(steps: int = 8, judge: str = "h1", asked: str = "abc") -> dict[str, Any]:
    return Conditions(asked, 32, 4, {"steps": steps, "guidance": 1.0}, {"heldout": judge, "clip": "c1"}).row()


def record(run: Path, before: dict[str, Any], after: dict[str, Any], plain: bool = False) -> Path:
    """Puts conditions into the rows of a run; with `plain`, the same evaluations once more by plain diffusers."""
    lines: list[str] = []
    for line in (run / METRICS_FILE).read_text().splitlines():
        row = json.loads(line)
        if row["kind"] == "evaluation" and not plain:
            row[KEY] = before if row["when"] == "before" else after
        lines.append(json.dumps(row))
        if row["kind"] == "evaluation" and plain:
            lines.append(json.dumps(row | {SAMPLING: PLAIN, KEY: before if row["when"] == "before" else after}))
    (run / METRICS_FILE).write_text("\n".join(lines) + "\n")
    return run


def page(run: Path) -> str:
    return " ".join(write_report(run).read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    ("after", "why"),
    [(conditions(steps=20), "steps 8 → 20"), (conditions(asked="def"), "other prompts or metadata")],
)
def test_a_run_that_was_resumed_under_other_conditions_claims_no_change(
    make_run: Callable[..., Path], salon: Salon, tmp_path: Path, after: dict[str, Any], why: str
) -> None:
    run = record(make_run(updates=20), conditions(), after)
    text = page(run)
    assert f"were not made alike and are not compared: {why}." in text
    assert "on the same prompts and seeds" not in text
    assert "Same prompts, same seeds" not in text
    assert "free of artifacts, says a judge" not in text
    cells = ComparedRun.read(run).cells()
    assert why in cells["not compared"]
    assert "heldout: free of artifacts" not in cells
    code, _, err = salon("compare", run, "--pictures", tmp_path / "sheet.png")
    assert code == 2
    assert why in " ".join(err.split())


def test_a_judge_that_changed_is_left_out_alone(make_run: Callable[..., Path]) -> None:
    run = record(make_run(updates=20), conditions(), conditions(judge="h2"))
    cells = ComparedRun.read(run).cells()
    assert "heldout: free of artifacts" not in cells
    assert "clip: mean verdict" in cells
    assert "Judge heldout was another version before training than after it" in page(run)


def test_equal_conditions_and_those_of_earlier_releases_are_compared(make_run: Callable[..., Path]) -> None:
    run = make_run(updates=20)
    earlier = ComparedRun.read(run).cells()
    assert "heldout: free of artifacts" in earlier
    assert ComparedRun.read(record(run, conditions(), conditions())).cells() == earlier


def test_runs_that_were_evaluated_in_different_ways_are_not_called_alike(
    make_run: Callable[..., Path], salon: Salon
) -> None:
    one = record(make_run(updates=20, name="one"), conditions(), conditions())
    two = record(make_run(updates=20, name="two"), conditions(20), conditions(20))
    assert "on the same prompts and seeds" in salon("compare", one, one)[1]
    _, out, _ = salon("compare", one, two)
    assert "on the same prompts and seeds" not in out
    assert "steps 8" in out
    assert "steps 20" in out


def test_what_plain_diffusers_drew_is_shown_beside_what_was_sampled_as_in_training(
    make_run: Callable[..., Path],
) -> None:
    run = record(make_run(updates=20), conditions(50), conditions(50), plain=True)
    text = page(run)
    assert "Drawn by plain diffusers with the pipeline's own settings: " in text
    assert "32 prompts × 4: steps 50, guidance 1" in text
    cells = ComparedRun.read(run).cells()
    assert cells["heldout: free of artifacts, by plain diffusers"] == cells["heldout: free of artifacts"]
    assert len(ComparedRun.read(run).history.evaluations) == len(ComparedRun.read(run).history.plain_evaluations) == 2
