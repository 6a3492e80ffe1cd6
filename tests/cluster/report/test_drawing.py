# pyright: strict
"""The Python that a report offers draws with the trained policy, in plain diffusers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from actors.config import PolicyConfig
from actors.diffusion.policy import Policy
from cluster.report.drawing import drawing_code

MODELS = Path(__file__).parents[3] / "menagerie" / "models"


@pytest.mark.parametrize("model", ["policy", "flow"])
def test_the_lines_run_and_draw_two_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    Policy.load(PolicyConfig(model=str(MODELS / model))).save_lora(tmp_path / "lora")
    code = drawing_code(
        {"policy": {"model": str(MODELS / model)}, "sampler": {"steps": 8, "guidance": 1}}, tmp_path / "lora"
    )
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(code, found)
    assert type(found["pipe"]).__name__ == json.loads((MODELS / model / "model_index.json").read_text())["_class_name"]
    own, trained = (np.asarray(Image.open(f"{name}.png"), np.float64) for name in ("own-settings", "as-trained"))
    assert own.shape == trained.shape == (64, 64, 3)
    assert own.std() > 10
    assert trained.std() > 10
    assert ("eta=1.0" in code) is (model == "policy")


def test_a_policy_of_which_all_weights_were_trained_is_loaded_from_the_run() -> None:
    code = drawing_code({"policy": {"model": "org/model", "train": "full"}}, Path("runs/x/policy"))
    assert 'DiffusionPipeline.from_pretrained("runs/x/policy")' in code
    assert "load_lora_weights" not in code
    assert "org/model" not in code


def test_the_lines_name_what_the_run_was_sampled_with() -> None:
    sampler = {"steps": 30, "guidance": 4.5, "eta": 0.7, "negative_prompt": 'a "bad" picture'}
    code = drawing_code({"policy": {"model": "org/model"}, "sampler": sampler}, Path("runs/x/lora"))
    assert 'num_inference_steps=30, guidance_scale=4.5, negative_prompt="a \\"bad\\" picture", eta=0.7' in code
    for resolution in ([512, 768], {"height": 512, "width": 768}):
        code = drawing_code({"policy": {"model": "org/model", "resolution": resolution}}, Path("lora"))
        assert 'pipe("a prompt", height=512, width=768).images' in code
        assert 'pipe("a prompt", height=512, width=768, num_inference_steps=50' in code
    assert "num_inference_steps=50, guidance_scale=5.0, eta=1.0" in drawing_code({}, Path("lora"))


@pytest.mark.parametrize(("pipeline", "ddim"), [("StableDiffusionXLPipeline", True), ("FluxPipeline", False)])
def test_a_diffusion_is_drawn_with_the_sampler_that_it_was_trained_with(
    tmp_path: Path, pipeline: str, ddim: bool
) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    assert ("DDIMScheduler" in drawing_code({"policy": {"model": str(tmp_path)}}, Path("lora"))) is ddim
