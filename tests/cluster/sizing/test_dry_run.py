"""The dry run: every shipped config is sound, and what it says follows from its settings."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from cluster.config.experiment import load_config
from cluster.sizing.dry_run import dry_run
from cluster.sizing.gpus import GB, fits

TITLES = ("The batch:", "On its way:", "Memory of one process, an estimate:", "Processes:", "Models:")


@pytest.mark.slow
def test_a_shipped_config_is_sound_and_said_to_be_without_a_download(config: Path) -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    lines, problems = dry_run(load_config(config))
    assert problems == []
    assert [line for line in lines if line and not line.startswith(" ")][1:] == [*TITLES]
    assert any(re.match(r"  rollout actor \(× \d+\): frozen weights \d", line) for line in lines)


def test_the_small_world_is_on_this_disk_and_a_process_with_more_pairs_takes_more() -> None:
    def activations(*settings: str) -> float:
        lines, _ = dry_run(load_config(Path("configs/menagerie.yaml"), list(settings)))
        assert lines[-1] == "  all of them are on this disk"
        (found,) = re.findall(r"activations of \d+ pairs ([\d.]+)", "\n".join(lines))
        return float(found)

    assert activations("learner.micro_batch=256") > 1.5 * activations("learner.micro_batch=128") > 0.3


def test_all_weights_in_training_take_their_gradients_moments_and_average() -> None:
    settings = ["policy.train=full", "policy.dtype=bfloat16", "learner.ema={}", "learner.activation_checkpointing=true"]
    lines, problems = dry_run(load_config(Path("configs/menagerie.yaml"), settings))
    assert problems == []
    (learner,) = [line for line in lines if "learner worker (" in line]
    found = dict(re.findall(r"(trained weights|their average|gradients|optimizer) ([\d.]+)", learner))
    sizes = {what: float(size) for what, size in found.items()}
    assert sizes["trained weights"] == sizes["their average"] == sizes["gradients"] > 0.01
    assert sizes["optimizer"] == pytest.approx(2 * sizes["gradients"], abs=0.011)


def test_a_policy_that_nobody_knows_is_said_to_be_unknown() -> None:
    lines, problems = dry_run(load_config(Path("configs/menagerie.yaml"), ["policy.model=nobody/knows-this"]))
    assert problems == []
    assert any("nobody/knows-this: unknown here" in line for line in lines)
    assert any("to download: nobody/knows-this (policy.model), of unknown size" in line for line in lines)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (["policy.model=absent/folder/there"], "policy.model: there is no folder"),
        (["policy.lora.targets=[nowhere]"], "policy.lora.targets"),
        (["prompts.file=absent.txt"], "absent.txt"),
    ],
)
def test_a_config_that_could_work_nowhere_is_refused(settings: list[str], problem: str) -> None:
    _, problems = dry_run(load_config(Path("configs/menagerie.yaml"), settings))
    assert any(problem in line for line in problems)


def test_a_process_fits_the_smallest_gpu_with_room_for_it_and_for_cuda() -> None:
    assert fits(13 * GB) == "fits T4 (16 GB)"
    assert fits(15 * GB).endswith("(24 GB)")
    assert fits(13 * GB, processes=4).endswith("(24 GB)")
    assert fits(500 * GB) == "fits no single GPU"
