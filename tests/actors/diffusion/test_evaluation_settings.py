"""Evaluations draw with settings of their own where they have any, and say so in their conditions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from local_services import LocalLedger
from rolling import new_policy, rollout

from actors.config import Resolution, SamplerConfig
from actors.diffusion.evaluation_settings import PlainSettings, SampledSettings
from actors.diffusion.plain_sampler import PlainSampler
from actors.diffusion.sampler import Sampler

PROMPTS, SEEDS = ["a red cat", "a dog"], [1, 2]
TRAINED = SamplerConfig(steps=2, guidance=1.0, eta=0.7, negative_prompt="a dog", max_batch=2)


@pytest.fixture(scope="module")
def sampler(tiny_policy_dir: Path) -> Sampler:
    return Sampler(new_policy(tiny_policy_dir), TRAINED)


def evaluated(
    sampler: Sampler, sampled: SampledSettings | None = None, plain: PlainSettings | None = None
) -> dict[str, Any]:
    actor = rollout(sampler, LocalLedger(updates=1), sampled=sampled, plain=plain)
    return asyncio.run(actor.evaluate(PROMPTS, SEEDS, adapter=actor.initial, plain=plain is not None))


def test_a_key_that_is_left_out_is_as_in_training() -> None:
    assert SampledSettings().over(TRAINED) == TRAINED
    changed = SampledSettings(steps=5, negative_prompt="").over(TRAINED)
    assert changed == TRAINED.model_copy(update={"steps": 5, "negative_prompt": ""})


def test_sampled_pictures_are_drawn_with_the_evaluations_settings(sampler: Sampler) -> None:
    usual = evaluated(sampler)
    assert np.array_equal(usual["images"], sampler.images(PROMPTS, SEEDS))
    settings = SampledSettings(steps=4, guidance=3.0, negative_prompt="")
    own = evaluated(sampler, sampled=settings)
    assert np.array_equal(own["images"], Sampler(sampler.policy, settings.over(TRAINED)).images(PROMPTS, SEEDS))
    drawn = {"dtype": "float32", "eta": 0.7}
    assert usual["drawn"] == drawn | {"steps": 2, "guidance": 1.0, "negative_prompt": "a dog"}
    assert own["drawn"] == drawn | {"steps": 4, "guidance": 3.0, "negative_prompt": ""}


def test_plain_pictures_are_drawn_as_plain_diffusers_is_told(sampler: Sampler) -> None:
    settings = PlainSettings(
        steps=3, guidance=2.0, resolution=Resolution(height=96, width=48), scheduler="DPMSolverMultistepScheduler"
    )
    own = evaluated(sampler, plain=settings)
    assert np.array_equal(own["images"], PlainSampler(sampler.policy, 2, settings).images(PROMPTS, SEEDS))
    assert own["drawn"] == {
        "dtype": "float32",
        "scheduler": "DPMSolverMultistepScheduler",
        "steps": 3,
        "guidance": 2.0,
        "resolution": "96 × 48",
    }
