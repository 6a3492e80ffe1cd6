# pyright: strict
"""What the report shows of an audit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.audit import Auditor
from actors.config import AuditConfig
from actors.ticket import Ticket
from cluster.report.jury_review import JuryReview
from cluster.report.report import write_report
from cluster.tracking.audit import Audit
from rewards.verdict import Verdict

ALL = AuditConfig(best=3)


def group(index: int, clip: list[float], art: list[float], version: int, judge_version: str = "a1") -> dict[str, Any]:
    verdicts = {
        "clip": [Verdict("clip", "ok", value, version="c1") for value in clip],
        "art": [Verdict("art", "ok", value, text="<b>omitted</b>", version=judge_version) for value in art],
        "held": [Verdict("held", "abstain", text="no idea", version="h1"), *[Verdict("held", "ok", 1.0)] * 2],
    }
    images = np.random.default_rng(index).integers(0, 256, (3, 8, 8, 3), np.uint8)
    ticket = Ticket(index, index, 0, f"prompt {index}", (1, 2, 3), 0)
    rewards = np.add(clip, art)
    audit = Auditor(ALL, ["clip", "art"]).record(ticket, version, images, verdicts, rewards)
    return {"kind": "group", "index": index, "audit": audit}


@pytest.fixture
def write() -> Callable[[Path], None]:
    def write(run: Path) -> None:
        with Audit(run, ALL, groups_per_update=1) as audit:
            audit.take(group(0, [1, 2, 3], [10, 20, 30], version=0))
            audit.take({"kind": "update", "version": 1})
            audit.take(group(1, [3, 4, 5], [9, 5, 1], version=1, judge_version="a2"))
            audit.take({"kind": "update", "version": 2})

    return write


def test_the_best_the_worst_and_the_most_disputed_are_found(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path)
    review = JuryReview(tmp_path)
    assert [p.reward for p in review.best(2)] == [33, 22]
    assert [p.reward for p in review.worst(2)] == [6, 9]
    disputed = review.disputed(2)
    assert [(p.prompt, p.disagreement) for p in disputed] == [("prompt 1", 1.0), ("prompt 1", 1.0)]
    assert {p.reward for p in disputed} == {6, 12}
    worst = review.worst(1)[0]
    assert worst.verdicts == [("clip", "5", ""), ("art", "1", "<b>omitted</b>"), ("held", "1", "")]


def test_drift_is_the_mean_by_policy_version_and_a_judge_that_changed_is_caught(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path)
    clip, art, held = JuryReview(tmp_path).drift()
    assert (clip.judge, clip.policy_versions, clip.means) == ("clip", [0, 1], [2.0, 4.0])
    assert clip.versions == [("c1", 0, 1)]
    assert art.versions == [("a1", 0, 0), ("a2", 1, 1)]
    assert held.without_value == pytest.approx(1 / 3)
    assert held.means == [1.0, 1.0]


def test_the_report_shows_the_audit(make_run: Callable[..., Path], write: Callable[[Path], None]) -> None:
    run = make_run(updates=2, pictures=False)
    write(run)
    page = write_report(run).read_text()
    for words in ("Highest reward", "Lowest reward", "Where the train judges disagree most", "Each judge over the run"):
        assert words in page
    assert "Judge art was not the same all along" in page
    assert "version a2 judged policies 1 to 1." in page
    assert "&lt;b&gt;omitted&lt;/b&gt;" in page, "what a judge says is shown and not run"
    assert "prompt 1" in page


def test_a_run_without_an_audit_has_a_report_without_it(make_run: Callable[..., Path]) -> None:
    page = write_report(make_run(updates=2, pictures=False)).read_text()
    assert "The jury at work" not in page
    assert "Each judge over the run" not in page
