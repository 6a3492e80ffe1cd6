"""The code that the documents show, as it is printed there."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from documents import PAGES, ROOT, blocks, page, quoted

from actors.config import LoraConfig, PolicyConfig
from actors.diffusion.policy import Policy
from cluster.config.batch_summary import describe
from cluster.config.experiment import load_config
from cluster.run.checks.prompts import data_problems
from cluster.tracking.history import RunHistory

QUICKSTART = blocks(page("docs/quickstart.md"), "python")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_python_that_a_page_shows_is_python(path: Path):
    for block in blocks(path.read_text("utf-8"), "python"):
        ast.parse(block)


@pytest.mark.slow
def test_the_quickstart_judges_two_pictures_in_ten_lines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    (example,) = [block for block in QUICKSTART if "salon.judge" in block]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(example, {})
    lines = said.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["clip", "size", "reward"] * 2
    values = [float(line.split()[1]) for line in lines]
    assert all(-1 <= value <= 1 for value in (values[0], values[3]))
    assert values[2] / values[0] == pytest.approx(
        values[5] / values[3]
    )  # `size` watches, and CLIP is all of the reward
    assert values[4] < values[1]  # noise is the larger JPEG


@pytest.mark.system
def test_the_quickstart_trains_a_policy_and_loads_its_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # In a folder of its own, as runs/ is written beside where it is started.
    for name in ("configs", "menagerie"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in QUICKSTART if "salon.train" in block]
    names: dict[str, Any] = {}
    exec(example, names)
    assert names["run"] == Path("runs/two")
    assert any("lora" in name for name, _ in names["pipe"].unet.named_parameters())
    judges = ("artifact", "clip", "heldout")
    measured = {_documented(key, judges) for row in RunHistory.read(Path("runs/two")).updates for key in row}
    described = set(quoted(page("docs/curves.md")))
    assert measured - described == {"kind", "update", "time"}


def test_the_data_sets_that_the_documents_draw_are_ones_that_the_config_beside_them_trains_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = page("docs/data-sets.md")
    monkeypatch.chdir(tmp_path)
    for example in blocks(text, "python"):
        exec(example, {})
    (config,) = blocks(text, "yaml")
    Path("pairs.yaml").write_text(config)
    pairs = load_config(Path("pairs.yaml"))
    assert not [*data_problems(pairs)]
    assert describe(pairs)[0].startswith("An offline run on 64 pairs in pairs.parquet")
    pictures = load_config(Path("pairs.yaml"), ["learner.algorithm={kind: sft, data: pictures}"])
    assert not [*data_problems(pictures)]
    assert describe(pictures)[0].startswith("An offline run on 64 pictures in pictures")


def _documented(key: str, judges: Sequence[str]) -> str:
    """The key of a row as the page about the curves has it."""
    first, slash, score = key.partition("/")
    if first in judges and score not in ("diversity", "replicas", "p95_s", "failed_share", "pushed_back_share"):
        return "JUDGE/SCORE"
    key = f"JUDGE{slash}{score}" if first in judges else f"{first}/JUDGE" if first == "judge" else key
    return re.sub(r"lag\d+$", "lagN", key)


def test_the_adapter_in_kohyas_layout_is_the_same_adapter(tiny_policy_dir: Path, tmp_path: Path):
    (example,) = [block for block in blocks(page("docs/pipelines.md"), "python") if "to_kohya" in block]
    targets = ("to_q", "to_k", "to_v", "to_out.0", "conv1")
    config = PolicyConfig(model=str(tiny_policy_dir), lora=LoraConfig(rank=4, alpha=2, targets=targets))
    policy = Policy.load(config)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.normal_()
    policy.save_lora(tmp_path)
    names: dict[str, Any] = {}
    exec(example, names)
    names["to_kohya"](str(tmp_path / "pytorch_lora_weights.safetensors"), str(tmp_path / "kohya.safetensors"))
    ours, theirs = (
        _merged(tiny_policy_dir, tmp_path, f"{name}.safetensors") for name in ("pytorch_lora_weights", "kohya")
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    plain = _merged(tiny_policy_dir, tmp_path, None)
    assert sum(not torch.equal(ours[name], plain[name]) for name in plain) == len(policy.trainable()) // 2


def _merged(model: Path, folder: Path, file: str | None) -> dict[str, torch.Tensor]:
    """The weights of the U-Net with the adapter in `file` added to them, as plain diffusers does it."""
    from diffusers import StableDiffusionPipeline

    pipe: Any = StableDiffusionPipeline.from_pretrained(model, safety_checker=None)
    if file is not None:
        pipe.load_lora_weights(folder, weight_name=file)
        pipe.fuse_lora()
        pipe.unload_lora_weights()
    return dict(pipe.unet.state_dict())
