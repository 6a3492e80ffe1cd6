"""The real DeepSpeed engine on CPU and gloo, one process, against plain torch."""

from hashlib import sha256

import numpy as np
import pytest
import torch
from plain_loop import PlainLearner, ddpo, load_policy, roll

from learners.algorithms.ddpo import DDPOConfig
from learners.config import LearnerConfig
from learners.engine import Engine

GROUPS, SAMPLES = 2, 4


def learner(folder, config):
    return ddpo(load_policy(folder), config, GROUPS, SAMPLES)


def indices(version):
    return range(version * GROUPS, (version + 1) * GROUPS)


@pytest.mark.parametrize("stage", [0, 1])
def test_three_updates_equal_a_plain_torch_loop_bit_for_bit(tiny_policy_dir, stage):
    config = LearnerConfig(zero_stage=stage, micro_batch=8, lr=1e-3)
    deep = learner(tiny_policy_dir, config)
    plain = PlainLearner(load_policy(tiny_policy_dir), config, GROUPS, SAMPLES)
    for version in range(3):
        ours = roll(deep.likelihood.policy, version, indices(version), SAMPLES)
        theirs = roll(plain.policy, version, indices(version), SAMPLES)
        assert np.array_equal(ours[0].trajectories.latents, theirs[0].trajectories.latents)
        stats = deep.update(ours)
        assert stats["grad_norm"] == pytest.approx(plain.update(theirs), rel=1e-5)
        assert 0 < stats["grad_norm"] < config.max_grad_norm
        assert np.array_equal(deep.adapter().values, plain.policy.adapter(version + 1).values)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_gradients_are_clipped_as_torch_does_it(tiny_policy_dir, stage):
    # With so large an epsilon AdamW's step is proportional to the gradient, so that clipping shows in the weights.
    def moved(max_grad_norm):
        config = LearnerConfig(
            zero_stage=stage, micro_batch=8, lr=1.0, epsilon=1.0, weight_decay=0.0, max_grad_norm=max_grad_norm
        )
        deep = learner(tiny_policy_dir, config)
        plain = PlainLearner(load_policy(tiny_policy_dir), config, GROUPS, SAMPLES)
        before = deep.adapter().values
        groups = roll(plain.policy, 0, indices(0), SAMPLES)
        deep.update(groups)
        norm = plain.update(groups)
        step, expected = deep.adapter().values - before, plain.policy.adapter(1).values - before
        # The two compute the norm in another order, which can change the last bit of each weight.
        assert step == pytest.approx(expected, abs=1e-7)
        return np.linalg.norm(step), norm

    free, norm = moved(1e3)
    clipped, _ = moved(norm / 4)
    assert clipped == pytest.approx(free / 4, rel=0.02)


@pytest.mark.parametrize("stage", [2, 3])
def test_sharded_gradients_and_weights_are_saved_and_restored_bit_for_bit(tiny_policy_dir, tmp_path, stage):
    config = LearnerConfig(zero_stage=stage, micro_batch=8, lr=1e-3)
    actor = load_policy(tiny_policy_dir)  # as in a run: under ZeRO-3 the learner's own U-Net is in pieces

    def update(*learners):
        actor.load_adapter(learners[0].adapter())
        groups = roll(actor, learners[0].version, indices(learners[0].version), SAMPLES)
        for each in learners:
            each.update(groups)

    straight = learner(tiny_policy_dir, config)
    update(straight)
    straight.save(tmp_path / "checkpoint")
    resumed = learner(tiny_policy_dir, config)
    resumed.restore(tmp_path / "checkpoint")
    update(straight, resumed)
    assert resumed.version == 2
    assert resumed.adapter().checksum() == straight.adapter().checksum()
    assert resumed.adapter().checksum() != actor.adapter(1).checksum()


def test_only_the_adapter_changes_and_every_worker_generator_is_left_alone(tiny_policy_dir):
    def digest(tensors):
        return {n: sha256(t.detach().numpy().tobytes()).hexdigest() for n, t in tensors.items()}

    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    deep = learner(tiny_policy_dir, LearnerConfig(lr=1e-2, algorithm=DDPOConfig(kl=0.1)))
    policy = deep.likelihood.policy
    modules = {"unet": policy.network, "vae": policy.pipe.vae, "text": policy.pipe.text_encoder}
    tensors = {f"{m}.{n}": t for m, module in modules.items() for n, t in module.state_dict().items()}
    before = digest(tensors)
    deep.update(roll(policy, 0, indices(0), SAMPLES))
    tensors = {f"{m}.{n}": t for m, module in modules.items() for n, t in module.state_dict().items()}
    changed = {n for n, d in digest(tensors).items() if d != before[n]}
    assert changed == {f"unet.{n}" for n in policy.named_trainable()}
    assert torch.equal(torch.rand(4), expected)


def test_a_gradient_that_is_not_finite_stops_the_run(tiny_policy_dir):
    deep = learner(tiny_policy_dir, LearnerConfig())
    policy = deep.likelihood.policy
    groups = roll(policy, 0, indices(0), SAMPLES)
    deep.update(groups)
    policy.trainable()[0].data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"not finite.*resume from the last checkpoint"):
        deep.update(groups)


def test_a_step_with_such_a_gradient_is_not_taken_and_no_spoiled_adapter_is_published(tiny_policy_dir):
    deep = learner(tiny_policy_dir, LearnerConfig())
    policy = deep.likelihood.policy
    before = deep.adapter().checksum()
    losses = [sum(p.sum() for p in policy.trainable()) * torch.nan for _ in range(deep.arithmetic.accumulation)]
    for loss in losses[:-1]:
        deep.engine.accumulate(loss)
    with pytest.raises(FloatingPointError, match="gradient of an optimizer step is not finite"):
        deep.engine.accumulate(losses[-1])
    assert deep.adapter().checksum() == before
    policy.trainable()[0].data.flatten()[0] = torch.inf
    with pytest.raises(FloatingPointError, match=r"^the adapter's weights are not finite after update 0; lower"):
        deep.adapter()


@pytest.mark.parametrize("stage", [0, 1])
def test_gradients_of_a_large_model_survive_half_precision(tiny_policy_dir, stage):
    # Stable Diffusion 1.5 has 16,384 latent dimensions to take the mean over, and an update 2,400 pairs; here there are
    # 768 and 32. Without scaling, nine in ten gradients of float16 were zero.
    share = (768 * 32) / (16_384 * 2_400)

    def gradient(dtype):
        policy = load_policy(tiny_policy_dir, dtype=dtype)
        # An epsilon far above the gradients makes AdamW's first step proportional to them.
        config = LearnerConfig(zero_stage=stage, lr=1.0, epsilon=1.0, weight_decay=0.0)
        engine = Engine(policy, config, accumulation=1)
        before = engine.adapter(0).values
        latents = torch.randn(4, *policy.latent_shape, generator=torch.Generator().manual_seed(1))
        steps, cond = torch.full((4,), 500), policy.encode(["a red cat"] * 4)
        output = policy.predict(latents, steps, cond, policy.encode([""]), 5.0, network=engine)
        engine.accumulate(share * (output * latents).mean() / 32)
        return engine.adapter(1).values - before, engine.grad_norm

    (exact, norm), (half, half_norm) = gradient("float32"), gradient("float16")
    assert half_norm == pytest.approx(norm, rel=0.01)
    assert half @ exact > 0.999 * np.linalg.norm(half) * np.linalg.norm(exact) > 0


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_a_resumed_run_has_its_own_settings_and_not_the_saved_ones(tiny_policy_dir, tmp_path, stage):
    config = LearnerConfig(zero_stage=stage, micro_batch=8, lr=1.0, epsilon=1.0, weight_decay=0.0)
    first = learner(tiny_policy_dir, config)
    first.save(tmp_path / "checkpoint")
    groups = roll(load_policy(tiny_policy_dir), 0, indices(0), SAMPLES)

    def moved(**changed):
        resumed = learner(tiny_policy_dir, config.model_copy(update=changed))
        resumed.restore(tmp_path / "checkpoint")
        before = resumed.adapter().values
        norm = resumed.update(groups)["grad_norm"]
        return np.linalg.norm(resumed.adapter().values - before), norm

    free, norm = moved()
    assert moved(max_grad_norm=norm / 4)[0] == pytest.approx(free / 4, rel=0.02)
    assert moved(epsilon=2.0)[0] == pytest.approx(free / 2, rel=0.02)
