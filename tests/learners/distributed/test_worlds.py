"""One worker and two, under every ZeRO stage: the same losses, and checkpoints that go from one number to the other."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import ddpo, load_policy, roll

from learners.algorithms.ddpo import DDPOLearner
from learners.config import LearnerConfig

GROUPS, SAMPLES, STAGES = 2, 4, (0, 1, 2, 3)
Updates = dict[str, tuple[float, np.ndarray]]


def make(folder: Path, workers: int, stage: int) -> DDPOLearner:
    # An epsilon far above the gradients: else AdamW's first steps turn the last bit of a gradient near zero into a
    # whole step.
    config = LearnerConfig(workers=workers, zero_stage=stage, micro_batch=8, lr=1e-2, epsilon=1e-3)
    return ddpo(load_policy(folder), config, GROUPS, SAMPLES)


def update(learner: DDPOLearner, batch: Any) -> tuple[float, np.ndarray]:
    rank, world = learner.engine.rank, learner.engine.world
    return learner.update(batch[rank::world])["loss"], learner.adapter().values


def updates(folder: Path, work: Path, world: int) -> Updates:
    """What `world` workers make of two batches: straight on, and from the other number's checkpoint."""
    batches = pickle.loads((work / "batches").read_bytes())
    made: Updates = {}
    for stage in STAGES:
        learner = make(folder, world, stage)
        made[f"first {stage}"] = update(learner, batches[0])
        learner.save(work / f"{world} workers, stage {stage}")
        made[f"second {stage}"] = update(learner, batches[1])
    if world == 2:
        learner = make(folder, world, 2)
        learner.restore(work / "1 workers, stage 1")
        made["resumed"] = update(learner, batches[1])
    return made


def worker(rank: int, folder: Path, work: Path) -> None:
    """One of two workers in a process of its own."""
    import os

    torch.set_num_threads(1)
    os.environ |= {"LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": "2", "DS_ACCELERATOR": "cpu"}
    torch.distributed.init_process_group("gloo", init_method=f"file://{work / 'meeting'}", rank=rank, world_size=2)
    made = updates(folder, work, 2)
    if rank == 0:
        (work / "two").write_bytes(pickle.dumps(made))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def made(tiny_policy_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Updates, Updates]:
    work = tmp_path_factory.mktemp("worlds")
    policy = load_policy(tiny_policy_dir)
    batches = [roll(policy, 0, range(version * GROUPS, (version + 1) * GROUPS), SAMPLES) for version in range(2)]
    (work / "batches").write_bytes(pickle.dumps(batches))
    one = updates(tiny_policy_dir, work, 1)
    torch.multiprocessing.spawn(worker, (tiny_policy_dir, work), nprocs=2)
    return work, one, pickle.loads((work / "two").read_bytes())


@pytest.mark.parametrize("when", ["first", "second"])
@pytest.mark.parametrize("stage", STAGES)
def test_two_workers_have_the_loss_of_one_under_every_stage(made: Any, stage: int, when: str) -> None:
    _, one, two = made
    (expected, weights), (loss, its_weights) = one[f"{when} 0"], two[f"{when} {stage}"]
    assert loss == pytest.approx(expected, abs=1e-5)
    assert its_weights == pytest.approx(weights, abs=1e-5)
    assert one[f"{when} {stage}"][1] == pytest.approx(weights, abs=1e-5)
    assert np.abs(weights - one["first 0"][1]).max() > 1e-4 or when == "first"


def test_two_workers_go_on_from_what_one_saved(made: Any) -> None:
    _, one, two = made
    assert two["resumed"][0] == pytest.approx(one["second 1"][0], abs=1e-5)
    assert two["resumed"][1] == pytest.approx(one["second 1"][1], abs=1e-5)


@pytest.mark.parametrize("stage", STAGES)
def test_one_worker_goes_on_from_what_two_saved(made: Any, tiny_policy_dir: Path, stage: int) -> None:
    work, _, two = made
    learner = make(tiny_policy_dir, 1, 1)
    learner.restore(work / f"2 workers, stage {stage}")
    batches = pickle.loads((work / "batches").read_bytes())
    loss, weights = update(learner, batches[1])
    assert loss == pytest.approx(two[f"second {stage}"][0], abs=1e-5)
    assert weights == pytest.approx(two[f"second {stage}"][1], abs=1e-5)
