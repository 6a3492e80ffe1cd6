"""A policy whose whole network is trained: what travels, what it is compared with, and what is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from plain_loop import SAMPLER, load_policy
from tiny import disturb

from actors.config import LoraConfig, PolicyConfig
from actors.diffusion.full_weights import save_pipeline
from actors.diffusion.plain_sampler import PlainSampler
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from rewards.arrays import ImageArray
from rewards.errors import ExportError

Plain: Any = DiffusionPipeline


def images(policy: Policy) -> ImageArray:
    return Sampler(policy, SAMPLER).images(["a red cat", "a blue dog"], [1, 2])


def full(folder: Path, **settings: Any) -> Policy:
    return load_policy(folder, train="full", **settings)


def frozen(policy: Policy) -> Any:
    return policy._frozen  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("family", ["tiny_policy_dir", "tiny_flow_dir"])
def test_all_weights_travel_and_the_base_policy_stays_at_hand(family: str, request: pytest.FixtureRequest):
    folder = request.getfixturevalue(family)
    here, there, base = full(folder), full(folder), load_policy(folder)
    assert len(here.adapter(0).values) == sum(p.numel() for p in here.network.parameters()) > 10_000
    assert np.array_equal(images(here), images(base)), "version 0 is the base policy"
    disturb(here, 0.05)
    there.load_adapter(here.adapter(3))
    assert not np.array_equal(images(here), images(base))
    assert np.array_equal(images(there), images(here))
    with here.reference():
        assert np.array_equal(images(here), images(base))
    assert not np.array_equal(images(here), images(base))


def test_a_base_policy_is_loaded_only_where_it_is_asked_for(tiny_policy_dir: Path):
    policy = full(tiny_policy_dir)
    images(policy)
    assert frozen(policy) is None
    with policy.reference():
        assert frozen(policy) is not None


@pytest.mark.parametrize("family", ["tiny_policy_dir", "tiny_flow_dir"])
def test_plain_diffusers_draws_with_what_was_exported_as_the_run_did(
    family: str, request: pytest.FixtureRequest, tmp_path: Path
):
    policy = full(request.getfixturevalue(family))
    disturb(policy, 0.05)
    for name, content in policy.exported().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    absent = {part: None for part in ("text_encoder_3", "tokenizer_3") if part in policy.pipe.components}
    pipe = Plain.from_pretrained(tmp_path, **absent)
    pipe.set_progress_bar_config(disable=True)
    mine = PlainSampler(policy, 4).images(["a red cat"], [7])
    theirs = pipe(["a red cat"], generator=[torch.Generator().manual_seed(7)], output_type="np").images
    assert np.array_equal(mine, (theirs * 255).round().astype(np.uint8))
    assert np.array_equal(images(load_policy(tmp_path)), images(policy)), "another run can begin with it"


def test_a_network_that_is_read_back_otherwise_is_no_export(
    tiny_policy_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    policy = full(tiny_policy_dir)
    save = policy.pipe.save_pretrained

    def rounded(folder: Path) -> None:
        save(folder)
        policy.trainable()[0].data.add_(1)

    monkeypatch.setattr(policy.pipe, "save_pretrained", rounded)
    with pytest.raises(ExportError, match=r"the network that was written: 1 of its \d+ tensors differ, conv_in"):
        save_pipeline(policy.pipeline, tmp_path)


def test_weights_of_an_adapter_do_not_fit_a_policy_that_has_none(tiny_policy_dir: Path):
    with pytest.raises(ValueError, match=r"policy\.train and policy\.lora must be as they were"):
        full(tiny_policy_dir).load_adapter(load_policy(tiny_policy_dir).adapter(0))


def test_in_half_precision_the_weights_keep_every_digit_and_the_pictures_are_near(tiny_policy_dir: Path):
    policy, exact = full(tiny_policy_dir, dtype="bfloat16"), full(tiny_policy_dir)
    assert policy.adapter(0).checksum() == exact.adapter(0).checksum()
    assert policy.pipe.vae.dtype is policy.pipe.text_encoder.dtype is torch.bfloat16
    x = torch.randn(2, *policy.latent_shape, generator=torch.Generator().manual_seed(1))

    def predict(its: Policy) -> torch.Tensor:
        with torch.no_grad():
            return its.predict(x, torch.tensor([500, 300]), its.encode(["a cat", "a dog"]), its.encode([""]), 2.0)

    off = (predict(policy) - predict(exact)).abs().max() / predict(exact).abs().max()
    assert 1e-5 < off < 0.1, "computed in bfloat16"
    assert PlainSampler(policy, 4).images(["a red cat"], [7]).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lora": LoraConfig(init=Path("x"))}, r"lora\.init: with train full there is no adapter"),
        ({"channels_last": True}, r"channels_last: with train full the learner keeps its weights in one row"),
    ],
)
def test_what_makes_no_sense_with_all_weights_is_refused(settings: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        PolicyConfig(model="m", train="full", **settings)
