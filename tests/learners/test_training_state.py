"""What a checkpoint keeps of an engine: whole tensors by name, which are DeepSpeed's own bit for bit."""

import json

import numpy as np
import pytest
import torch
from plain_loop import ddpo, load_policy, roll, save_as_version_0_1_0
from safetensors.torch import load_file

from learners.averaged_weights import AveragedWeights
from learners.config import LearnerConfig
from learners.settings import EmaConfig

GROUPS, SAMPLES = 2, 4
FILES = ("weights.safetensors", "exp_avg.safetensors", "exp_avg_sq.safetensors")


def new(folder, stage, **changed):
    return ddpo(load_policy(folder), LearnerConfig(zero_stage=stage, lr=1e-3, **changed), GROUPS, SAMPLES)


@pytest.fixture(scope="module")
def batches(tiny_policy_dir):
    policy = load_policy(tiny_policy_dir)
    return [roll(policy, 0, range(version * GROUPS, (version + 1) * GROUPS), SAMPLES) for version in range(2)]


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_weights_and_moments_are_deepspeeds_own_and_a_checkpoint_of_0_1_0_is_continued(
    tiny_policy_dir, tmp_path, batches, stage
):
    learner = new(tiny_policy_dir, stage)
    learner.update(batches[0])
    learner.save(tmp_path / "new")
    (tmp_path / "old").mkdir()
    save_as_version_0_1_0(learner, tmp_path / "old")
    again = new(tiny_policy_dir, stage)
    again.restore(tmp_path / "old")
    again.save(tmp_path / "again")
    for file in FILES:
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "new" / file).read_bytes()
    moments = load_file(tmp_path / "new" / "exp_avg_sq.safetensors")
    assert moments.keys() == learner.policy.named_trainable().keys()
    assert any(tensor.any() for tensor in moments.values())
    assert again.update(batches[1])["loss"] == learner.update(batches[1])["loss"]
    assert again.adapter().checksum() == learner.adapter().checksum()


def test_a_checkpoint_fits_any_zero_stage_and_goes_on_bit_for_bit(tiny_policy_dir, tmp_path, batches):
    learner = new(tiny_policy_dir, 0)
    learner.update(batches[0])
    learner.save(tmp_path / "checkpoint")
    learner.update(batches[1])
    for stage in (1, 2, 3):
        other = new(tiny_policy_dir, stage)
        other.restore(tmp_path / "checkpoint")
        other.update(batches[1])
        assert other.adapter().values == pytest.approx(learner.adapter().values, abs=1e-7)


def test_the_state_of_other_weights_is_refused_by_name(tiny_policy_dir, tmp_path):
    new(tiny_policy_dir, 1).save(tmp_path / "checkpoint")
    weights = tmp_path / "checkpoint" / "weights.safetensors"
    weights.write_bytes((tmp_path / "checkpoint" / "exp_avg.safetensors").read_bytes().replace(b"lora_A", b"lora_C"))
    with pytest.raises(ValueError, match=r"weights\.safetensors is of other weights than those that this run trains"):
        new(tiny_policy_dir, 1).restore(tmp_path / "checkpoint")


def test_an_average_follows_the_weights_as_diffusers_has_it():
    values = [torch.tensor([float(i), 1.0]) for i in range(4)]
    average = AveragedWeights(EmaConfig(decay=0.15), {"a": values[0]})
    expected = values[0].numpy()
    for step, value in enumerate(values[1:], 1):
        average.step({"a": value})
        decay = 0.0 if step == 1 else min(step / (9 + step), 0.15)
        expected = decay * expected + (1 - decay) * value.detach().numpy()
    assert average.adapter(3).values == pytest.approx(expected)
    assert values[3].detach().tolist() == [3.0, 1.0]


@pytest.mark.parametrize("stage", [1, 3])
def test_an_average_is_evaluated_saved_and_continued_bit_for_bit(tiny_policy_dir, tmp_path, batches, stage):
    ema = EmaConfig(decay=0.9, min_decay=0.5)
    straight = new(tiny_policy_dir, stage, ema=ema)
    straight.update(batches[0])
    straight.save(tmp_path / "checkpoint")
    listed = json.loads((tmp_path / "checkpoint" / "manifest.json").read_text())["files"]
    assert {*FILES, "ema.safetensors"} <= listed.keys()
    resumed = new(tiny_policy_dir, stage, ema=ema)
    resumed.restore(tmp_path / "checkpoint")
    for learner in (straight, resumed):
        learner.update(batches[1])
    raw, averages = straight.adapter(), [learner.evaluated() for learner in (straight, resumed)]
    assert averages[0].checksum() == averages[1].checksum() != raw.checksum()
    assert averages[0].version == raw.version == 2
    before = load_file(tmp_path / "checkpoint" / "ema.safetensors")
    half = {name: 0.5 * (before[name].numpy() + tensor) for name, tensor in raw.unpack().items()}
    assert np.abs(np.concatenate([half[n].reshape(-1) for n in sorted(half)]) - averages[0].values).max() < 1e-6


def test_an_average_may_be_kept_beside_or_begun_when_the_run_goes_on(tiny_policy_dir, tmp_path, batches):
    learner = new(tiny_policy_dir, 1)
    learner.update(batches[0])
    assert learner.evaluated() is None
    learner.save(tmp_path / "checkpoint")
    begun = new(tiny_policy_dir, 1, ema=EmaConfig())
    begun.restore(tmp_path / "checkpoint")
    assert begun.evaluated().checksum() == learner.adapter().checksum()
    beside = new(tiny_policy_dir, 1, ema=EmaConfig(evaluate="raw"))
    assert beside.evaluated() is None
    beside.save(tmp_path / "beside")
    assert (tmp_path / "beside" / "ema.safetensors").is_file()


def test_a_decay_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"min_decay 0\.9 must not be above decay 0\.5"):
        EmaConfig(decay=0.5, min_decay=0.9)
