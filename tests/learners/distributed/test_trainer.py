"""The worker group as Ray Train is asked for it."""

from __future__ import annotations

import pytest

from learners.config import LearnerConfig
from learners.distributed.trainer import scaling


def test_workers_without_a_gpu_ask_for_none_and_lie_together() -> None:
    asked = scaling(LearnerConfig(workers=3, num_cpus=0.5))
    assert (asked.num_workers, asked.use_gpu, asked.placement_strategy) == (3, False, "PACK")
    assert asked.resources_per_worker == {"CPU": 0.5}


def test_workers_with_a_gpu_ask_for_it_and_for_their_own_resources() -> None:
    asked = scaling(LearnerConfig(workers=2, num_cpus=4, num_gpus=1, resources={"learner": 1.0}))
    assert asked.use_gpu
    assert asked.resources_per_worker == {"CPU": 4, "GPU": 1, "learner": 1.0}


@pytest.mark.parametrize("placement", ["pack", "strict_pack", "spread", "strict_spread"])
def test_rays_strategies_have_their_own_names(placement: str) -> None:
    learner = LearnerConfig.model_validate({"placement": placement})
    assert scaling(learner).placement_strategy == placement.upper()
