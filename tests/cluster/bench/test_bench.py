"""The bench as a whole: processes of their own, what it concludes, and what a user types."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from commands import Salon, refused

from cluster.bench.bench import bench, conclusions
from cluster.bench.isolated import isolated
from cluster.bench.measurement import Measurement
from cluster.config.experiment import load_config

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def refuse() -> Measurement:
    raise ValueError("policy.model: is\nnone")


def die() -> Measurement:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.slow
def test_what_a_process_cannot_measure_is_one_line() -> None:
    assert isolated(refuse) == "policy.model: is none"
    assert "was killed" in str(isolated(die))


def test_the_slowest_part_is_named_and_the_others_shares_are_of_its_speed() -> None:
    config = load_config(Path("configs/menagerie.yaml"), ["actors.count=2"])
    sampler = Measurement("sampler", "pictures", 10, 10, seconds=1, memory=0)
    learner = Measurement("learner", "pairs", 16, 4, seconds=1, memory=0)
    first, second = conclusions(config, [sampler, learner])
    assert first == "learner (× 1) is what the run waits for; the others would be busy: sampler 20%"
    assert second == "one rollout actor draws what 2.50 learner workers train"


@pytest.mark.slow
def test_the_small_world_is_measured_part_by_part() -> None:
    config = load_config(Path("configs/menagerie.yaml"), ["sampler.steps=4", "samples_per_prompt=2"])
    lines: list[str] = []
    assert bench(config, ["sampler", "judges"], "cpu", 0, lines.append)
    named = [line[:20].strip() for line in lines]
    assert named[:5] == ["part", "sampler", "judge artifact", "judge clip", "judge heldout"]


def test_a_gpu_that_is_not_there_is_refused(salon: Salon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "--device cuda" in refused(salon("bench", "configs/menagerie.yaml", "--device", "cuda"))
