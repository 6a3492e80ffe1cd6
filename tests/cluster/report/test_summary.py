# pyright: strict
"""The last lines of a training."""

from __future__ import annotations

from pathlib import Path

from cluster.report.summary import run_summary
from cluster.tracking.metrics import MetricsWriter


def test_a_run_that_ended_says_what_changed_and_where_things_lie(run: Path):
    lines = list(run_summary(run))
    assert lines[0].startswith("done: 60 updates, ")
    before_after = next(line for line in lines if line.lstrip().startswith("heldout (watches only): "))
    assert " → " in before_after
    assert "95 % interval" in before_after
    assert lines[-3] == f"run     {run}"
    assert lines[-2] == f"LoRA    {run / 'lora'}, for plain diffusers"
    assert lines[-1].startswith(f"report  salon report {run}  ")


def test_a_run_of_all_weights_leaves_a_policy(tmp_path: Path):
    (tmp_path / "config.yaml").write_text("name: full\npolicy: {model: m, train: full}\nrewards: {judges: {}}\n")
    with MetricsWriter(tmp_path) as writer:
        writer.update(1, {"reward/mean": 1.0})
    lines = list(run_summary(tmp_path))
    assert lines[-2] == f"policy  {tmp_path / 'policy'}, for plain diffusers"
    assert lines[-1].endswith("which shows how to draw with the policy)")


def test_evaluations_with_settings_of_their_own_are_not_said_to_be_drawn_as_in_training(run: Path):
    def drawn() -> str:
        return next(line for line in run_summary(run) if line.startswith("before → after training, drawn "))

    assert drawn().endswith(" as in training:")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("samples: 4}", "samples: 4, sampler: {steps: null, guidance: null}}"))
    assert drawn().endswith(" as in training:")
    config.write_text(config.read_text().replace("steps: null", "steps: 20"))
    assert drawn().endswith(" with evaluation.sampler's settings:")


def test_evaluations_that_were_not_made_are_no_error(tmp_path: Path):
    run = tmp_path / "bare"
    run.mkdir()
    (run / "config.yaml").write_text("name: bare\nrewards: {judges: {size: {kind: jpeg}}}\n")
    with MetricsWriter(run) as writer:
        writer.update(1, {"reward/mean": 1.0})
    assert next(run_summary(run)) == "done: 1 update"
