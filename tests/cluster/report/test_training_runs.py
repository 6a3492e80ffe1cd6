# pyright: strict
"""What studies of training read off runs that have ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.algorithms import CONFIGS, VARIANTS, row
from benchmarks.staleness import per_minute, per_thousand, variants
from benchmarks.training_runs import TrainedRun, Variant, markdown, spread, trained_runs
from cluster.config.experiment import load_config
from cluster.tracking.metrics import MetricsWriter

MENAGERIE = Path(__file__).parents[3] / "configs" / "menagerie.yaml"


def test_a_run_is_read_as_its_gain_its_pictures_and_its_time(run: Path):
    trained = TrainedRun.read(run)
    before, after = (trained.history.evaluation(when) for when in ("before", "after"))
    assert before is not None
    assert after is not None
    gain = 100 * (after["heldout/artifact_free"] - before["heldout/artifact_free"])
    assert trained.points("artifact_free") == pytest.approx(gain)
    assert trained.pictures == 64 * 60
    # The clock of the run's writer moves by 8.2 s a row, and evaluations are rows, too.
    assert trained.seconds == pytest.approx((59 + 2) * 8.2 * 60 / 59)
    assert per_thousand(trained) == pytest.approx(gain / 3.84)
    assert per_minute(trained) == pytest.approx(gain / (trained.seconds / 60))
    lost = after["heldout/diversity"] / before["heldout/diversity"] - 1
    assert trained.diversity == pytest.approx(100 * lost)
    assert trained.first_alarm is None
    assert row(Variant("ddpo", ()), [trained])["first alarm, update"] == "none"


def test_the_first_alarm_counts_and_what_was_not_measured_is_a_dash(run: Path):
    with MetricsWriter(run) as writer:
        writer.alarm(31, "heldout/animal", "falls")
        writer.alarm(12, "heldout/diversity", "falls")
    found = row(Variant("ddpo", ()), [TrainedRun.read(run)])
    assert found["first alarm, update"] == "12"
    assert found["gain by plain diffusers"] == "–"


def test_a_run_that_is_not_at_its_end_is_no_figure(tmp_path: Path):
    with MetricsWriter(tmp_path) as writer:
        writer.update(1, {"reward/mean": 1.0})
    with pytest.raises(ValueError, match="has not come to its end"):
        TrainedRun.read(tmp_path)


def test_runs_that_have_ended_are_not_made_again(make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    run = make_run(name="ddpo-3")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a run was started")

    monkeypatch.setattr("subprocess.run", refuse)
    ((variant, runs),) = trained_runs(Path("any.yaml"), [Variant("ddpo", ())], [3], run.parent)
    assert (variant.name, [each.folder for each in runs]) == ("ddpo", [run])


def test_every_variant_of_staleness_is_a_config_that_can_be_run():
    names = [variant.name for variant in variants((0, 1, 4))]
    assert names == ["lag0-corrected", "lag1-corrected", "lag1-uncorrected", "lag4-corrected", "lag4-uncorrected"]
    for variant in variants((0, 1, 4)):
        assert load_config(MENAGERIE, variant.overrides).updates == 50


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_algorithm_on_equal_terms_is_a_config_that_can_be_run(config: Path, variant: Variant):
    experiment, plain = load_config(config, variant.overrides), load_config(config)
    assert experiment.learner.algorithm.kind == variant.name.split("-")[0]
    drawn = ("updates", "groups_per_update", "samples_per_prompt", "seed", "policy", "evaluation")
    assert [getattr(experiment, key) for key in drawn] == [getattr(plain, key) for key in drawn]


def test_a_spread_has_its_ends_and_a_table_all_columns():
    assert spread([1.0, 3.0, float("nan")]) == "+2.0 (+1.0 … +3.0)"
    assert spread([float("nan")]) == "–"
    assert markdown([{"a": 1}, {"b": 2}]).splitlines() == ["| a | b |", "| --- | --- |", "| 1 | – |", "| – | 2 |"]
