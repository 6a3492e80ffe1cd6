# pyright: strict
"""A row that cannot be one is named and left out; the others count."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cluster.tracking.history import RunHistory
from cluster.tracking.metrics_file import read_rows

GOOD = {"kind": "update", "update": 1, "time": 1.0, "reward/mean": 0.5, "kl": None}
DETAILS = {"jpeg/value": {"kind": "mean", "n": 2, "by_prompt": [1.0, None]}}
EVALUATION = {"kind": "evaluation", "when": "before", "update": 0, "time": 0.0, "figures": DETAILS}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (GOOD | {"update": None}, "update: input should be a valid integer"),
        (GOOD | {"update": "many"}, "update: input should be a valid integer"),
        (GOOD | {"update": -1}, "update: input should be greater than or equal to 0"),
        (GOOD | {"reward/mean": "high"}, "reward/mean: input should be a valid number"),
        ({"kind": "update"}, "update: field required"),
        ({"update": 3}, "kind: field required"),
        ({key: value for key, value in EVALUATION.items() if key != "when"}, "when: field required"),
        (EVALUATION | {"figures": {"jpeg/value": {"n": 2}}}, "figures.jpeg/value.kind: field required"),
        (EVALUATION | {"time": "noon"}, "time: input should be a valid number"),
        (7, "is no row of metrics"),
        ([], "is no row of metrics"),
        ('{"kind": "update", "upda', "is no JSON"),
        ('{"kind": "update", "update": 1, "time": 1, "a": NaN}', "is no JSON"),
        ('{"kind": "update", "update": 1, "time": 1, "a": 1e999}', "is no JSON"),
        ('{"kind": "update", "update": 1, "time": 1, "a": ' + "9" * 5000 + "}", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("\0" * 40, "is no JSON"),
    ],
)
def test_a_row_that_is_none_is_named_and_left_out(tmp_path: Path, row: object, says: str) -> None:
    path = tmp_path / "metrics.jsonl"
    line = row if isinstance(row, str) else json.dumps(row)
    path.write_text(f"{json.dumps(EVALUATION)}\n{line}\n\n{json.dumps(GOOD)}\n")
    rows, damaged = read_rows(path)
    assert rows == [EVALUATION, GOOD]
    assert len(damaged) == 1
    assert damaged[0].startswith(f"{path} line 2: {says}")
    assert damaged[0].endswith("; the row is left out")
    history = RunHistory.read(tmp_path)
    assert (history.updates, history.evaluations, history.damaged) == ([GOOD], [EVALUATION], damaged)


def test_the_row_that_is_being_written_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(GOOD) + '\n{"kind": "upda')
    assert read_rows(path) == ([GOOD], [])
    path.write_text(json.dumps(GOOD))
    assert read_rows(path) == ([GOOD], [])
    assert read_rows(tmp_path / "nowhere") == ([], [])


def test_a_pipe_in_the_place_of_the_file_is_named_and_waited_for_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metrics.jsonl")
    assert read_rows(tmp_path / "metrics.jsonl") == ([], [f"{tmp_path / 'metrics.jsonl'}: is no regular file"])
