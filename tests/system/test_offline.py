"""`salon train` on data sets of the drawn world, as a user runs it: with and without evaluations, and resumed."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from data_sets.drawn import write_drawn_images, write_drawn_pairs
from safetensors.numpy import load_file
from whole_run import finish, processes, salon, updates_of, wait_for, write_config

from cluster.tracking.history import RunHistory

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

LEARNER: dict[str, Any] = {"lr": 1e-3, "num_cpus": 0.5}
DPO: dict[str, Any] = {"kind": "dpo", "beta": 500.0, "timesteps_per_picture": 2, "data": {"path": "pairs", "batch": 4}}
SFT: dict[str, Any] = {
    "kind": "sft",
    "timesteps_per_picture": 2,
    "data": {"path": "pictures", "batch": 4, "flip": True},
}


def offline(folder: Path, policy: Path, algorithm: dict[str, Any], **changes: Any) -> Path:
    """The config of an offline run without evaluations, and its data."""
    write: Callable[[], Path] = {
        "dpo": lambda: write_drawn_pairs(folder / "pairs" / "train.parquet", 10),
        "sft": lambda: write_drawn_images(folder / "pictures", 10),
    }[algorithm["kind"]]
    write()
    return write_config(folder, policy, **({"learner": LEARNER | {"algorithm": algorithm}, "updates": 4} | changes))


def without(config: Path, *keys: str) -> Path:
    """The same config without these sections."""
    values = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({key: value for key, value in values.items() if key not in keys}))
    return config


def lora(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "runs" / "run" / "lora" / "pytorch_lora_weights.safetensors")


NOT_MEASURED = ("seconds/", "idle/", "time", "images_per_s")
"""What a clock measures."""


def measured(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if not k.startswith(NOT_MEASURED)} for row in updates_of(folder)]


def test_pairs_are_trained_without_actors_and_judges_and_a_killed_run_goes_on_bit_for_bit(
    tiny_policy_dir: Path, tmp_path: Path
):
    (whole := tmp_path / "whole").mkdir()
    (killed := tmp_path / "killed").mkdir()
    config = without(offline(whole, tiny_policy_dir, DPO), "prompts", "rewards", "actors", "evaluation")
    process = salon(whole, "train", str(config))
    wait_for(lambda: len(updates_of(whole)) >= 1, process)
    assert not processes(process, "ray::(RolloutActor|ServeReplica)")
    output = finish(process)
    assert "An offline run on 10 pairs in pairs: nothing is drawn or judged for training." in output
    assert "groups_per_update has no meaning here. samples_per_prompt has no meaning here." in output
    assert "No evaluations, as there are no prompts and rewards." in output
    rows = measured(whole)
    assert [row["images"] for row in rows] == [8, 16, 24, 32]
    assert rows[0]["loss"] == pytest.approx(np.log(2), rel=1e-4), "a fresh adapter prefers nothing"
    assert any(np.abs(value).max() > 0 for key, value in lora(whole).items() if "lora_B" in key or "lora.up" in key)

    config = without(offline(killed, tiny_policy_dir, DPO), "prompts", "rewards", "actors", "evaluation")
    process = salon(killed, "train", str(config))
    wait_for(lambda: (killed / "runs" / "run" / "learner" / "checkpoint_000002").is_dir(), process)
    victims = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    process.wait()
    assert len(updates_of(killed)) < 4, "it was over before it was killed, so nothing was shown"
    finish(salon(killed, "train", "--resume", "runs/run"))
    assert measured(killed) == rows
    assert all(np.array_equal(value, lora(killed)[key]) for key, value in lora(whole).items())


def test_pictures_are_trained_with_evaluations_and_ctrl_c_ends_the_run_after_an_update(
    tiny_policy_dir: Path, tmp_path: Path
):
    config = offline(tmp_path, tiny_policy_dir, SFT, updates=400, evaluation={"prompts": 2, "samples": 2, "every": 2})
    process = salon(tmp_path, "train", str(config))
    wait_for(lambda: len(updates_of(tmp_path)) >= 3, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    run = tmp_path / "runs" / "run"
    done = len(updates_of(tmp_path))
    checkpoint = max((run / "learner").glob("checkpoint_*"))
    assert json.loads((checkpoint / "learner.json").read_text())["version"] == done
    finish(salon(tmp_path, "train", "--resume", "runs/run", "--set", f"updates={done + 2}"))
    history = RunHistory.read(run)
    assert [row["update"] for row in history.updates] == [*range(1, done + 3)]
    assert {"before", "2", "after"} <= {row["when"] for row in history.evaluations}
    assert history.evaluation("after", plain=True) is not None
    assert (run / "pictures" / "after.png").is_file()
    assert finish(salon(tmp_path, "report", "runs/run"))
    assert "denoising_error" in history.updates[0]


def test_a_picture_that_cannot_be_read_ends_the_run_with_one_line(tiny_policy_dir: Path, tmp_path: Path):
    config = without(offline(tmp_path, tiny_policy_dir, SFT), "prompts", "rewards", "actors", "evaluation")
    for picture in (tmp_path / "pictures").glob("*.png"):
        picture.write_bytes(b"GIF89a")
    process = salon(tmp_path, "train", str(config))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    (line,) = [line for line in output.splitlines() if "GIF" not in line and "is no PNG or JPEG picture" in line]
    assert "metadata.jsonl line" in line
    assert "Traceback" not in output
