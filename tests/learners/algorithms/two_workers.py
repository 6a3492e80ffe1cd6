"""Learners in processes of their own, with torch's process group and without Ray: what several workers train."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

GROUPS, SAMPLES = 4, 4


def trained(folder: Path, config: Any, updates: int, rank: int = 0, world: int = 1) -> tuple[list[Any], np.ndarray]:
    """The statistics of each of `updates` updates of a fresh learner, and its weights after them."""
    from plain_loop import SAMPLER, load_policy, roll

    from learners.settings import TrainingSpec

    policy = load_policy(folder)
    learner = config.algorithm.learner(policy, TrainingSpec(config, SAMPLER, GROUPS, SAMPLES))
    stats = []
    for version in range(updates):
        indices = range(version * GROUPS, (version + 1) * GROUPS)[rank::world]
        stats.append(learner.update(roll(policy, version, indices, SAMPLES, recording=learner.recording)))
    return stats, learner.adapter().values


def trained_by_two(
    folder: Path, configs: Sequence[Mapping[str, Any]], updates: int, out: Path
) -> list[tuple[list[Any], np.ndarray]]:
    """What `trained` gives for each of the `configs`, by two workers that share the groups; of rank 0."""
    out.mkdir()
    task = json.dumps([str(folder), [*configs], updates, str(out)])
    environment = os.environ | {"WORLD_SIZE": "2"}
    workers = [
        subprocess.Popen([sys.executable, __file__, task], env=environment | {"RANK": str(rank), "LOCAL_RANK": "0"})
        for rank in range(2)
    ]
    try:
        assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    made = [out / f"{number}.npz" for number in range(len(configs))]
    return [(json.loads(str(file["stats"])), file["weights"]) for file in map(np.load, made)]


def main(folder: str, configs: Sequence[Mapping[str, Any]], updates: int, out: str) -> None:
    """One of the two workers."""
    import conftest  # noqa: F401 (one thread, nothing from the network)
    import torch

    from learners.config import LearnerConfig

    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    torch.distributed.init_process_group("gloo", init_method=f"file://{out}/store", rank=rank, world_size=world)
    for number, config in enumerate(configs):
        stats, weights = trained(Path(folder), LearnerConfig.model_validate(config), updates, rank, world)
        if rank == 0:
            np.savez(Path(out, f"{number}.npz"), stats=json.dumps(stats), weights=weights)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
