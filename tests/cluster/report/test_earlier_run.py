# pyright: strict
"""A run folder of an earlier release: `earlier_run` has its config, its metrics and a part of its audit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cluster.report.comparison import ComparedRun
from cluster.report.jury_review import JuryReview
from cluster.report.report import write_report

CHANGES = {
    "seed": "0",
    "updates": "6",
    "heldout: free of artifacts": "54.7 % → 66.1 %, +11.5 points",
    "heldout: animal recognised": "72.4 % → 76.0 %, +3.6 points ✓",
    "heldout: colour recognised": "97.4 % → 97.4 %, +0.0 points ✓",
    "heldout: setting recognised": "100.0 % → 100.0 %, +0.0 points ✓",
    "heldout: diversity within a prompt": "0.449 → 0.428, −0.021 (−5 %) ✓",
    "artifact: mean verdict": "1.303 → 1.436, +0.134 (+10 %)",
    "artifact: free of artifacts": "40.1 % → 55.7 %, +15.6 points",
    "clip: mean verdict": "0.854 → 0.861, +0.007 (+1 %) ✓",
    "clip: diversity within a prompt": "0.342 → 0.325, −0.016 (−5 %) ✓",
    "train reward: first and last 3 updates": "2.176 → 2.282, +0.107 (+5 %)",
    "time, first to last evaluation": "2 min 36 s",
}
"""What `salon compare` of that release said of it."""


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    return shutil.copytree(Path(__file__).parent / "earlier_run", tmp_path / "old")


def test_it_is_compared_in_the_same_words_as_ever(earlier: Path) -> None:
    assert ComparedRun.read(earlier).cells() == CHANGES


def test_it_has_the_same_report(earlier: Path) -> None:
    page = write_report(earlier).read_text()
    assert ">55 →</span> 66 %" in page
    assert "of 192 pictures are free of artifacts" in page
    for title in ("Held-out judge, training pictures", "Diversity within a prompt", "Judge: artifact", "KL by lag"):
        assert f"<h3>{title}</h3>" in page
    assert "setting recognised <b>100 %</b>" in page
    assert "The alarm rang" not in page


def test_its_audit_is_read(earlier: Path) -> None:
    drifts = {drift.judge: drift for drift in JuryReview(earlier).drift()}
    assert [drift.verdicts for drift in drifts.values()] == [24, 24, 24]
    assert drifts["heldout"].versions == [("dc49a83f3a8c", 0, 4)]
