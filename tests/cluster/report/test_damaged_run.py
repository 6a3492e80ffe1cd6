"""Reports of runs in which something is damaged: it is named and left out, the rest is shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.tracking.verdict_table import VerdictTable

Salon = Callable[..., tuple[int, str, str]]


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lambda run: append(run / "metrics.jsonl", '{"kind": "update", "update": "many"}\n'), "metrics.jsonl line 65"),
        (lambda run: append(run / "metrics.jsonl", "7\n"), "metrics.jsonl line 65: is no row"),
        (lambda run: tear(run / "pictures" / "after-001.png"), "pictures/after.json: it, or a picture of it, is dama"),
        (lambda run: (run / "pictures" / "before.json").write_text("{}"), "pictures/before.json: it, or a picture"),
        (lambda run: tear(run / "audit" / "verdicts-00001.parquet"), "audit/verdicts-00001.parquet: is damaged"),
    ],
)
def test_what_is_damaged_is_named_on_the_page_and_in_a_line(
    make_run: Callable[..., Path], salon: Salon, damage: Callable[[Path], object], names: str
) -> None:
    run = make_run(name="hurt")
    VerdictTable(run / "audit").append([{"image": "a", "judge": "clip", "update": 1, "ticket": 1}])
    damage(run)
    code, out, err = salon("report", run)
    assert (code, len(err.splitlines())) == (0, 1)
    assert out.startswith("report: ")
    assert err.startswith(f"salon: {run}/{names}")
    page = (run / "report.html").read_text()
    assert f"{run}/{names}" in page
    assert "What could not be read of this run" in page
    assert "<h3>Held-out judge, training pictures</h3>" in page


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ("updates: many", "updates: input should be a valid integer"),
        ("actors: {count: none}", "actors.count: input should be a valid integer"),
        ("rewards: 5", "rewards: "),
        ("alarm: {window: -1}", "alarm.window: "),
        ("- a\n- list", "holds no keys"),
    ],
)
@pytest.mark.parametrize("command", ["report", "compare"])
def test_a_config_that_says_nothing_is_refused_in_one_line(
    make_run: Callable[..., Path], salon: Salon, config: str, names: str, command: str
) -> None:
    run = make_run(updates=3, pictures=False)
    (run / "config.yaml").write_text(config + "\n")
    code, _, err = salon(command, run)
    assert (code, len(err.splitlines())) == (2, 1)
    assert err.startswith(f"salon: {run}/config.yaml: {names}")


def test_runs_are_compared_by_their_rows_that_can_be_read(make_run: Callable[..., Path], salon: Salon) -> None:
    run = make_run(name="a", pictures=False)
    other = shutil.copytree(run, run.with_name("b"))
    append(other / "metrics.jsonl", '{"kind": "evaluation", "update": 3, "time": 1}\n')
    code, out, err = salon("compare", run, other)
    assert code == 0
    assert err == f"salon: {other}/metrics.jsonl line 65: when: field required; the row is left out\n"
    assert "updates" in out
