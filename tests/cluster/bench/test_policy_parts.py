"""Sampler and learner are measured on the small world's policies, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.bench.policy_parts import load, measure_learner, measure_sampler
from cluster.config.experiment import ExperimentConfig, load_config

SMALL = ["sampler.steps=4", "samples_per_prompt=2", "learner.micro_batch=2"]


@pytest.fixture(params=["menagerie", "flow"])
def config(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ExperimentConfig:
    monkeypatch.chdir(Path(__file__).parents[3])
    return load_config(Path("configs") / f"{request.param}.yaml", SMALL)


def test_the_sampler_is_measured_in_pictures_of_whole_groups(config: ExperimentConfig) -> None:
    measured = measure_sampler(config, "cpu", 0)
    assert (measured.part, measured.unit, measured.count, measured.pictures) == ("sampler", "pictures", 2, 2)
    assert measured.note == "4 steps"
    assert measured.memory > 1e8, "the whole process, with torch"


def test_the_learner_is_measured_in_the_pairs_that_its_algorithm_trains(config: ExperimentConfig) -> None:
    measured = measure_learner(config, "cpu", 0)
    trained = 2  # timestep_window 0.5 of 4 steps, all of them
    assert (measured.unit, measured.count, measured.pictures) == ("pairs", 2 * trained, 2)
    assert measured.rate == pytest.approx(trained * measured.pictures_a_second)


def test_a_policy_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    config = load_config(Path("configs/menagerie.yaml"), ["policy.model=nobody/knows-this"])
    with pytest.raises(ValueError, match=r"policy.model: nobody/knows-this has no entry in configs/shapes"):
        load(config, "cpu")
