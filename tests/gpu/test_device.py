"""What must hold on every device and in every precision; `SALON_DEVICE=cuda` asks it of a GPU. No Ray.

What is measured on the way is printed (`pytest -s`).
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import brightness
from tiny import disturb

from actors.config import LoraConfig, PolicyConfig, SamplerConfig
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup
from learners.config import LearnerConfig
from learners.settings import TrainingSpec
from rewards.registry import build_judge, judge_config

DEVICE = os.environ.get("SALON_DEVICE", "cpu")
TOLERANCE = {"float32": 1e-4, "bfloat16": 3e-3, "float16": 3e-3}
"""|r - 1| on a fresh batch: what `learner.algorithm.ratio_tolerance` is to allow. Rollouts and learner batch their
pairs differently, and on a GPU a product of matrices depends on its batch."""
SETTINGS = SamplerConfig(steps=4, eta=0.7, guidance=2.0)
CONFIG = LearnerConfig.model_validate({"micro_batch": 3, "algorithm": {"kind": "ddpo", "kl": 0.01}})
SPEC = TrainingSpec(CONFIG, SETTINGS, groups=2, samples=2)
MODELS = Path(__file__).parents[2] / "menagerie" / "models"

pytestmark = pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="no GPU here")
each_dtype = pytest.mark.parametrize("dtype", list(TOLERANCE))


@pytest.fixture(params=["unet", "flow"])
def folder(request: pytest.FixtureRequest, tiny_policy_dir: Path, tiny_flow_dir: Path) -> Path:
    """A randomly initialised policy of each kind."""
    return {"unet": tiny_policy_dir, "flow": tiny_flow_dir}[request.param]


def load(folder: Path, dtype: Any) -> Policy:
    lora = LoraConfig(rank=4, alpha=4, targets=("to_q", "to_k", "to_v"))
    return Policy.load(PolicyConfig(model=str(folder), lora=lora, dtype=dtype), device=DEVICE)


def roll(policy: Policy, version: int = 0) -> list[JudgedGroup]:
    sampler = Sampler(policy, SETTINGS, partial(CONFIG.algorithm.recording, SPEC))
    made = [sampler.sample(Ticket(i, i, 0, "a cat", (2 * i, 2 * i + 1), version), version) for i in range(2)]
    return [JudgedGroup(each, brightness(each.images)) for each in made]


def learner(policy: Policy, tolerance: float = 1.0) -> Any:
    return CONFIG.algorithm.model_copy(update={"ratio_tolerance": tolerance}).learner(policy, SPEC)


@each_dtype
def test_the_ratio_of_a_fresh_batch_is_one_and_an_update_moves_the_policy(folder: Path, dtype: str) -> None:
    policy = load(folder, dtype)
    disturb(policy, 0.01)
    before = policy.adapter(0).checksum()
    stats = learner(policy, TOLERANCE[dtype]).update(roll(policy))
    print(f"\n{DEVICE} {dtype} {folder.name}: |r - 1| at most {stats['startup_ratio_off']:.1e}")
    assert policy.adapter(1).checksum() != before
    assert np.isfinite([stats["loss"], stats["grad_norm"]]).all()


@each_dtype
def test_without_its_adapter_the_policy_is_the_base_policy(folder: Path, dtype: str) -> None:
    policy = load(folder, dtype)
    latents, time = torch.randn(2, *policy.latent_shape), torch.tensor([500.0, 500.0])
    condition = policy.encode(["a cat", "a dog"])
    with torch.no_grad():
        base = policy.predict(latents, time, condition)
        disturb(policy)
        moved = policy.predict(latents, time, condition)
        with policy.reference():
            assert torch.equal(policy.predict(latents, time, condition), base)
    assert not torch.equal(moved, base)


@each_dtype
def test_a_seed_draws_one_picture_whatever_is_drawn_beside_it(folder: Path, dtype: str) -> None:
    sampler = Sampler(load(folder, dtype), SETTINGS)
    alone, beside = sampler.images(["a cat"], [7]), sampler.images(["a dog", "a cat", "a cat"], [3, 7, 9])
    assert np.abs(alone[0].astype(int) - beside[1]).max() <= (2 if dtype == "float32" else 24)


def test_a_learner_goes_on_from_its_checkpoint_with_the_same_numbers(folder: Path, tmp_path: Path) -> None:
    first = learner(load(folder, "float32"))
    first.update(roll(first.policy))
    first.save(tmp_path / "checkpoint")
    second = learner(load(folder, "float32"))
    second.restore(tmp_path / "checkpoint")
    assert second.adapter().checksum() == first.adapter().checksum()
    groups = roll(first.policy, version=1)
    losses = [each.update(groups)["loss"] for each in (first, second)]
    assert losses[0] == pytest.approx(losses[1], abs=0 if DEVICE == "cpu" else 1e-6)
    assert np.allclose(first.adapter().values, second.adapter().values, atol=0 if DEVICE == "cpu" else 1e-5)


@each_dtype
@pytest.mark.parametrize(("kind", "model"), [("clip", "clip"), ("artifact", "artifact")])
def test_a_judge_says_what_it_says_in_float32_on_a_cpu(kind: str, model: str, dtype: str, noise: np.ndarray) -> None:
    settings = {"model": str(MODELS / model)}
    on_cpu = build_judge("judge", judge_config(kind, **settings, device="cpu"))
    here = build_judge("judge", judge_config(kind, **settings, device=DEVICE, dtype=dtype))
    pairs = [
        (a.value, b.value)
        for a, b in zip(*(judge.judge(noise, ["a cat"] * len(noise), None) for judge in (on_cpu, here)), strict=True)
    ]
    off = [abs(a - b) for a, b in pairs if a is not None and b is not None]
    print(f"\n{DEVICE} {dtype} {kind}: values differ by {max(off, default=0):.1e} at most")
    if kind == "clip":
        assert len(off) == len(noise)
        assert max(off) <= (1e-4 if dtype == "float32" else 3e-2)
    else:  # an answer of words: half precision may choose another where two are about as likely
        assert sum(difference == 0 for difference in off) >= 0.75 * len(off)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
