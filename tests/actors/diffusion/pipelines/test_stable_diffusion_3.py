"""What is Stable Diffusion 3's own: the tokens of a T5 that may be missing, its positions, and its shift."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from plain_loop import load_policy
from tiny import save_tiny_flow
from tiny_families import LIBRARY, OTHER

from actors.config import SamplerConfig
from actors.diffusion.pipelines.registry import stored_shape
from actors.diffusion.policy import Policy


@pytest.fixture(scope="module")
def policy(tiny_flow_dir: Path) -> Policy:
    return load_policy(tiny_flow_dir)


def test_a_condition_is_the_tokens_of_both_clips_and_of_t5_and_the_pooled_texts(tmp_path: Path):
    tokens, pooled = load_policy(save_tiny_flow(tmp_path / "with-t5", t5=True)).encode(["a red cat", "a dog"])
    assert tokens.shape == (2, 24 + 256, 64)
    assert pooled.shape == (2, 32)


def test_without_its_t5_nothing_of_it_is_loaded(policy: Policy):
    assert policy.encode(["a red cat"])[0].shape == (1, 24 + 1, 64)
    assert policy.pipe.text_encoder_3 is policy.pipe.tokenizer_3 is None


def test_a_prompt_that_the_text_encoders_cut_is_reported(policy: Policy, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("WARNING", logger="actors.diffusion.pipelines.pipeline"):
        policy.encode(["a red cat in the snow " * 10])
    messages = [r.getMessage() for r in caplog.records if r.name == "actors.diffusion.pipelines.pipeline"]
    assert [m[:41] for m in messages] == ["the text encoder reads 24 of 62 tokens; t"]


def test_more_pixels_than_the_network_has_positions_for_are_refused(tiny_flow_dir: Path, tmp_path: Path):
    folder = save_tiny_flow(tmp_path / "flow")
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"pos_embed_max_size": 10}))
    assert stored_shape(str(folder), (80, 64)).tokens == 80
    with pytest.raises(ValueError, match=r"^policy\.resolution\.width: 88 is more than the 80 pixels for which"):
        stored_shape(str(folder), (80, 88))


def test_a_scheduler_that_shifts_by_the_resolution_is_asked_for_the_resolution_drawn(
    tiny_flow_dir: Path, tmp_path: Path
):
    folder = save_tiny_flow(tmp_path / "flow")
    shifts = {"use_dynamic_shifting": True, "base_image_seq_len": 4, "max_image_seq_len": 64}
    scheduler = LIBRARY.FlowMatchEulerDiscreteScheduler(**shifts)
    scheduler.save_pretrained(folder / "scheduler")
    transition = load_policy(folder, resolution=OTHER).transition(SamplerConfig(steps=4, eta=0.7))
    scheduler.set_timesteps(4, mu=0.5 + (1.15 - 0.5) * (12 * 6 - 4) / (64 - 4))
    np.testing.assert_allclose(transition.timesteps, scheduler.timesteps)
    assert math.isfinite(float(transition.std[0]))
