"""The DDPO learner on real rollouts of the tiny pipeline."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_loop import PROMPTS, SAMPLER, brightness, ddpo, load_policy, roll

from actors.config import SamplerConfig
from actors.diffusion.sampler import Sampler
from learners.algorithms.ddpo import DDPOConfig, PpoClip
from learners.algorithms.ratio_check import RatioError
from learners.config import LearnerConfig
from learners.maths.advantage_estimator import AdvantageConfig
from rewards.config import RewardsConfig

GROUPS, SAMPLES = 2, 4


def make(folder, sampler=SAMPLER, **config):
    own = {key: config.pop(key) for key in DDPOConfig.model_fields if key in config}
    config = LearnerConfig(**{"lr": 1e-3, **config}, algorithm=DDPOConfig(**own))
    return ddpo(load_policy(folder), config, GROUPS, SAMPLES, sampler)


def rolled(learner, version=None, sampler=SAMPLER, **kwargs):
    version = learner.version if version is None else version
    indices = range(version * GROUPS, (version + 1) * GROUPS)
    kwargs.setdefault("recording", learner.recording)
    return roll(learner.likelihood.policy, learner.version, indices, SAMPLES, sampler, **kwargs)


@pytest.mark.parametrize("guidance", [1.0, 4.5])
def test_the_ratio_of_a_fresh_batch_is_one_with_and_without_guidance(tiny_policy_dir, guidance):
    sampler = SamplerConfig(steps=4, eta=1.0, guidance=guidance)
    learner = make(tiny_policy_dir, sampler)
    stats = learner.update(rolled(learner, sampler=sampler))
    assert stats["startup_ratio_off"] <= 1e-5
    assert stats["ratio/max"] == pytest.approx(1, abs=1e-5)
    assert "startup_ratio_off" not in learner.update(rolled(learner, sampler=sampler))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"guidance": 4.5}, r"sampler\.guidance"),
        ({"eta": 0.5}, r"timestep  751: \|r - 1\|"),
        ({"steps": 8}, r"sampled at timesteps .*751.* the learner's scheduler has .*876"),
    ],
)
def test_a_learner_that_scores_differently_is_stopped_before_its_first_update(tiny_policy_dir, changed, message):
    learner = make(tiny_policy_dir, SAMPLER.model_copy(update=changed))
    before = learner.adapter()
    with pytest.raises(RatioError, match=message):
        learner.update(rolled(learner))
    assert learner.version == 0
    assert learner.adapter().checksum() == before.checksum()


def test_micro_batches_change_the_update_only_by_rounding(tiny_policy_dir):
    def trained(micro_batch):
        learner = make(tiny_policy_dir, micro_batch=micro_batch, kl=0.1, epsilon=1.0, lr=1.0)
        start = learner.adapter().values
        for _ in range(2):
            learner.update(rolled(learner))
        return learner.arithmetic.accumulation, learner.adapter().values - start

    (whole, one), (parts, many), (uneven, odd) = trained(64), trained(4), trained(6)
    assert (whole, parts, uneven) == (1, 4, 3)
    scale = np.abs(one).max()
    assert scale > 1e-3
    assert np.abs(many - one).max() < 1e-3 * scale
    assert np.abs(odd - one).max() < 1e-3 * scale


@pytest.mark.parametrize("stage", [0, 1])
@pytest.mark.parametrize("kind", ["per_prompt", "group"])
def test_a_restored_learner_continues_bit_for_bit(tiny_policy_dir, tmp_path, stage, kind):
    config = {
        "zero_stage": stage,
        "inner_epochs": 2,
        "minibatches": 2,
        "advantage": AdvantageConfig(kind=kind, min_count=6, buffer=8),
    }
    straight = make(tiny_policy_dir, **config)
    for _ in range(2):
        straight.update(rolled(straight))
    straight.save(tmp_path / "checkpoint")
    resumed = make(tiny_policy_dir, **config)
    torch.manual_seed(99)
    np.random.seed(99)
    resumed.restore(tmp_path / "checkpoint")
    assert resumed.version == 2
    assert resumed.adapter().checksum() == straight.adapter().checksum()
    for _ in range(2):
        ours, theirs = resumed.update(rolled(resumed)), straight.update(rolled(straight))
        ours.pop("startup_ratio_off", None)  # every new process checks its first batch
        assert ours == theirs
        assert resumed.adapter().checksum() == straight.adapter().checksum()


def test_a_judges_running_statistics_are_in_the_checkpoint_and_in_the_update(tiny_policy_dir, tmp_path):
    panel = RewardsConfig.model_validate({"judges": {"a": {"kind": "jpeg", "normalise": "running"}}})

    def new():
        config = LearnerConfig(lr=1e-3)
        return ddpo(load_policy(tiny_policy_dir), config, GROUPS, SAMPLES, rewards=panel)

    def judged(learner):
        return [replace(group, scores={"a": 1000 * group.rewards}) for group in rolled(learner)]

    straight, resumed = new(), new()
    straight.update(judged(straight))
    straight.save(tmp_path / "checkpoint")
    saved = json.loads((tmp_path / "checkpoint" / "learner.json").read_text())["statistics"]
    assert saved["judges"]["a"]["count"] == GROUPS * SAMPLES
    # What is compared with other rewards is the z-score, what the curves show is the group's own reward.
    assert max(abs(value) for values in saved["prompts"].values() for value in values) < 5
    resumed.restore(tmp_path / "checkpoint")
    ours, theirs = resumed.update(judged(resumed)), straight.update(judged(straight))
    ours.pop("startup_ratio_off")
    assert ours == theirs
    assert resumed.adapter().checksum() == straight.adapter().checksum()


def test_a_checkpoint_appears_whole_under_its_name_and_replaces_the_older_one(tiny_policy_dir, tmp_path):
    learner = make(tiny_policy_dir)
    learner.save(tmp_path / "last")
    learner.update(rolled(learner))
    (tmp_path / "last.part").mkdir()
    (tmp_path / "last.part" / "left by a crash").touch()
    learner.save(tmp_path / "last")
    assert [p.name for p in tmp_path.iterdir()] == ["last"]
    assert json.loads((tmp_path / "last" / "learner.json").read_text())["version"] == 1
    assert not (tmp_path / "last" / "left by a crash").exists()


def test_a_checkpoint_that_does_not_fit_or_is_damaged_is_refused(tiny_policy_dir, tmp_path):
    learner = make(tiny_policy_dir)
    learner.save(tmp_path / "good")
    path = tmp_path / "good" / "learner.json"
    state = json.loads(path.read_text())

    with pytest.raises(ValueError, match=r"holds no learner\.json"):
        learner.restore(tmp_path)
    path.write_text(json.dumps(state | {"workers": 2, "zero_stage": 1}))
    with pytest.raises(ValueError, match=r"saved with learner\.workers 2; this run has 1"):
        learner.restore(tmp_path / "good")
    path.write_text(json.dumps(state | {"checksum": "00000000"}))
    with pytest.raises(ValueError, match=r"is damaged: .* saved was 00000000"):
        learner.restore(tmp_path / "good")


def test_stale_samples_are_weighted_and_their_lag_shows_in_the_statistics(tiny_policy_dir):
    learner = make(tiny_policy_dir, lr=1e-2)
    stale = rolled(learner, version=1)
    learner.update(rolled(learner))
    stats = learner.update(stale)
    assert stats["lag/mean"] == stats["lag/max"] == 1
    assert stats["weight/mean"] != 1
    assert abs(stats["ratio/mean"] - 1) > 1e-5
    assert stats["kl/lag1"] > 1e-3
    # Pooled ratios hide what the un-pooled KL shows.
    assert stats["ess_pooled"] > 0.999
    assert stats["clip_fraction"] == 0
    assert "kl/lag0" not in stats


def test_behaviour_clip_cuts_off_stale_samples_that_the_proximal_clip_keeps(tiny_policy_dir):
    stats = {}
    for kind in ("proximal", "behaviour"):
        learner = make(tiny_policy_dir, lr=1e-2, clip=PpoClip(kind=kind))
        stale = rolled(learner, version=1)
        learner.update(rolled(learner))
        stats[kind] = learner.update(stale)
    assert stats["proximal"]["clip_fraction"] == 0
    assert stats["behaviour"]["clip_fraction"] > 0.3
    assert stats["behaviour"]["weight/mean"] == 1
    assert stats["behaviour"]["grad_norm"] < stats["proximal"]["grad_norm"]


def test_later_optimizer_steps_clip_around_the_policy_that_the_update_started_from(tiny_policy_dir):
    def second_epoch(lr, kind):
        learner = make(tiny_policy_dir, lr=lr, inner_epochs=2, timestep_fraction=1.0, clip=PpoClip(kind=kind))
        return learner.update(rolled(learner)), learner.adapter().values

    still, _ = second_epoch(1e-9, "proximal")
    assert still["clip_fraction"] == 0
    moved, proximal = second_epoch(1e-2, "proximal")
    assert moved["optimizer_steps"] == 2
    # The first of two equal epochs is never clipped, the second one is.
    assert 0 < moved["clip_fraction"] <= 0.5
    # Of fresh samples the proximal policy is the behaviour policy, so both clips do the same.
    _, behaviour = second_epoch(1e-2, "behaviour")
    assert behaviour == pytest.approx(proximal, abs=1e-4)


def test_kl_draws_a_policy_back_to_its_base(tiny_policy_dir, tmp_path):
    away = make(tiny_policy_dir, lr=3e-2)
    for _ in range(2):
        assert away.update(rolled(away))["kl_base"] == 0  # not asked for, not computed
    away.save(tmp_path / "away")
    home = make(tiny_policy_dir, lr=3e-3, kl=1.0, timestep_fraction=1.0, advantage=AdvantageConfig(kind="group"))
    home.restore(tmp_path / "away")
    # Equal rewards leave no advantage: whatever moves the policy is the KL.
    kls = [home.update(rolled(home, reward=lambda images: np.ones(len(images), np.float32))) for _ in range(5)]
    kls = [stats["kl_base"] for stats in kls]
    assert kls[0] > 0
    assert kls[-1] < 0.7 * kls[0]


def test_the_base_policy_has_no_kl_from_itself(tiny_policy_dir):
    learner = make(tiny_policy_dir, kl=1.0)
    assert learner.update(rolled(learner))["kl_base"] == 0


def test_statistics_are_those_of_the_rewards(tiny_policy_dir):
    learner = make(tiny_policy_dir, advantage=AdvantageConfig(kind="group"))
    groups = rolled(learner)
    stats = learner.update(groups)
    rewards = np.stack([g.rewards for g in groups]).astype(np.float64)
    assert stats["reward/mean"] == pytest.approx(rewards.mean())
    assert stats["reward/std"] == pytest.approx(rewards.std())
    assert stats["advantage/std"] == pytest.approx(1, abs=0.05)
    assert stats["optimizer_steps"] == 1


def test_outstanding_rewards_are_cut_to_the_configured_advantage(tiny_policy_dir):
    learner = make(tiny_policy_dir, advantage=AdvantageConfig(kind="group", clip=0.5))
    # One picture in four is far better: z-scores of sqrt(3) and three times -1/sqrt(3), all beyond the limit.
    stats = learner.update(rolled(learner, reward=lambda images: np.eye(len(images), dtype=np.float32)[0]))
    assert stats["advantage/std"] == pytest.approx(np.std([0.5, -0.5, -0.5, -0.5]), abs=1e-3)


def test_a_batch_of_the_wrong_size_is_refused(tiny_policy_dir):
    learner = make(tiny_policy_dir)
    with pytest.raises(ValueError, match="takes 2 groups of 4 samples a worker"):
        learner.update(rolled(learner)[:1])


def test_a_worker_group_of_another_size_than_configured_is_refused(tiny_policy_dir):
    with pytest.raises(ValueError, match=r"learner\.workers is 2, but the worker group has 1"):
        make(tiny_policy_dir, workers=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_reward_rises_within_a_few_updates(tiny_policy_dir, seed):
    sampler = SamplerConfig(steps=4, eta=1.0, guidance=1.0)
    algorithm = DDPOConfig(timestep_fraction=1.0, clip=PpoClip(range=1e-2), advantage=AdvantageConfig(kind="group"))
    config = LearnerConfig(lr=3e-2, algorithm=algorithm)
    policy = load_policy(tiny_policy_dir, seed)
    learner = ddpo(policy, config, 2, 16, sampler, seed=seed)

    def unseen():
        return brightness(Sampler(policy, sampler).images(PROMPTS[:2] * 16, range(10**6, 10**6 + 32)))

    before = unseen()
    for version in range(6):
        learner.update(roll(policy, version, range(2 * version, 2 * version + 2), 16, sampler))
    gain = unseen() - before
    # The same prompts and noise before and after: most pictures must gain, by several standard errors.
    assert gain.mean() > 5 * gain.std() / len(gain) ** 0.5
    assert gain.mean() > 0.04 * before.mean()


def test_a_linear_schedule_lets_the_rate_fall_over_the_runs_updates_whatever_was_restored(tiny_policy_dir, tmp_path):
    def fresh():
        config = LearnerConfig(lr=1e-3, lr_schedule="linear")
        return ddpo(load_policy(tiny_policy_dir), config, GROUPS, SAMPLES, updates=4)

    learner = fresh()
    rates = [learner.update(rolled(learner))["lr"] for _ in range(2)]
    learner.save(tmp_path)
    again = fresh()
    again.restore(tmp_path)
    for trained in (learner, again):
        rates.append(trained.update(rolled(trained))["lr"])
    assert rates == pytest.approx([1e-3, 7.5e-4, 5e-4, 5e-4])
    assert again.adapter().checksum() == learner.adapter().checksum()
    with pytest.raises(ValueError, match=r"learner\.lr_schedule: linear needs to know"):
        make(tiny_policy_dir, lr_schedule="linear")


def test_the_rate_is_what_a_step_is_taken_with(tiny_policy_dir):
    def moved(**schedule):
        config = LearnerConfig(lr=1e-3, weight_decay=0.0, **schedule)
        policy = load_policy(tiny_policy_dir)
        learner = ddpo(policy, config, GROUPS, SAMPLES, updates=2)
        learner.version = 1
        before = learner.adapter().values.copy()
        learner.update(rolled(learner))
        return abs(learner.adapter().values - before).max()

    assert moved(lr_schedule="linear") == pytest.approx(moved() / 2, rel=1e-3)
