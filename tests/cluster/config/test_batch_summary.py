"""The batch arithmetic in words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from actors.config import PolicyConfig, PromptsConfig, SamplerConfig
from actors.diffusion.pipelines.stable_diffusion import StableDiffusion
from cluster.config.batch_summary import describe, stochastic_steps
from cluster.config.experiment import EvaluationConfig, ExperimentConfig
from learners.algorithms.ddpo import DDPOConfig
from learners.config import LearnerConfig
from learners.maths.advantage_estimator import AdvantageConfig
from learners.maths.schedule import BatchArithmetic
from rewards.config import RewardsConfig
from rewards.registry import judge_config

Make = Callable[..., ExperimentConfig]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """60 updates × 8 prompts × 8 samples of 8 steps, 20 prompts; with sections replaced."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("".join(f"animal {i}\n" for i in range(20)))

    def make(**sections: object) -> ExperimentConfig:
        values = {
            "name": "test",
            "updates": 60,
            "policy": PolicyConfig(model="some/policy"),
            "sampler": SamplerConfig(steps=8, guidance=2.0),
            "prompts": PromptsConfig(file=prompts),
            "rewards": RewardsConfig(judges={"jpeg": judge_config(kind="jpeg")}),
        }
        return ExperimentConfig.model_validate(values | sections)

    return make


def test_a_run_is_described_in_words(make: Make) -> None:
    config = make()
    assert config.prompts is not None
    assert describe(config) == [
        "60 updates × 8 prompts × 8 samples = 3,840 pictures, each of 8 denoising steps: 61,440 network passes to "
        "draw, two a step for guidance.",
        "One update trains 64 pictures at 4 of their 8 steps each: 1 optimizer step (1 epoch × 1 minibatch) of 256 "
        "(picture, step) pairs; 60 optimizer steps in the run.",
        "1 learner worker with 8 groups each: 256 pairs per optimizer step and worker, in 4 forwards of at most 64.",
        "A picture takes 16 network passes to draw and 16 to train: 1 rollout actor and 1 learner worker are balanced.",
        "max_lag 1: at most 16 groups on their way at once; nothing is trained that was drawn by a policy more "
        "than 1 update older.",
        f"20 prompts in {config.prompts.file}, each drawn 24 times on average. From its 2nd time on a prompt's rewards "
        "are compared with its own (min_count 16), before that with the whole batch's.",
        "Evaluation before and after: 20 prompts × 4 samples = 80 pictures each time, and 20 with the "
        "pipeline's own settings. A checkpoint every 5 updates.",
    ]


def test_the_words_agree_with_the_learners_plan(make: Make) -> None:
    algorithm = DDPOConfig(timestep_fraction=0.75)
    learner = LearnerConfig(workers=2, minibatches=4, inner_epochs=2, micro_batch=7, algorithm=algorithm)
    config = make(learner=learner)
    text = " ".join(describe(config))
    plan = BatchArithmetic(8, 8, 8, learner, 0.75).plan([0, 2, 4, 6], seed=0, version=0)
    pairs = sum(len(micro) for micro in plan[0])
    assert f"{len(plan)} optimizer steps (2 epochs × 4 minibatches) of {2 * pairs} (picture, step) pairs" in text
    assert f"{pairs} pairs per optimizer step and worker, in {len(plan[0])} forwards of at most 7" in text
    assert max(len(micro) for step in plan for micro in step) <= 7
    per_sample = np.bincount(np.concatenate([m.sample for s in plan for m in s])) / learner.inner_epochs
    assert f"at {per_sample[0]:.0f} of their 8 steps" in text


def test_a_last_step_without_noise_is_not_counted_as_trained(make: Make, tmp_path: Path, tiny_policy_dir: Path) -> None:
    every = LearnerConfig(algorithm=DDPOConfig(timestep_fraction=1.0))
    noisy = make(policy=PolicyConfig(model=str(tiny_policy_dir)), learner=every)
    assert stochastic_steps(noisy).sum() == 8
    assert "at 8 of their 8 steps each: " in describe(noisy)[1]
    shutil.copytree(tiny_policy_dir, tmp_path / "policy")
    scheduler: Any = DDIMScheduler(set_alpha_to_one=True, steps_offset=0)
    scheduler.save_pretrained(tmp_path / "policy" / "scheduler")
    silent = make(policy=PolicyConfig(model=str(tmp_path / "policy")), learner=every)
    assert stochastic_steps(silent).sum() == 7
    assert "at 7 of their 8 steps each (the last adds no noise and is never trained)" in describe(silent)[1]


def test_a_pipeline_with_another_sampler_is_said_to_be_drawn_with_ddim(
    make: Make, tmp_path: Path, tiny_policy_dir: Path
) -> None:
    assert not any("noise schedule" in line for line in describe(make(policy=PolicyConfig(model=str(tiny_policy_dir)))))
    folder = Path(shutil.copytree(tiny_policy_dir, tmp_path / "policy"))
    index = (folder / "model_index.json").read_text()
    (folder / "model_index.json").write_text(index.replace("DDIMScheduler", "EulerDiscreteScheduler"))
    assert describe(make(policy=PolicyConfig(model=str(folder))))[1] == (
        "Rollouts draw with DDIM with noise sampler.eta on the noise schedule of the pipeline's "
        "EulerDiscreteScheduler, not with that itself: training needs the log-prob of every step."
    )


def test_a_window_of_steps_is_said_and_counted(make: Make) -> None:
    algorithm = DDPOConfig(timestep_window=0.5, timestep_fraction=0.5)
    text = describe(make(learner=LearnerConfig(algorithm=algorithm)))[1]
    assert "at 2 of their 8 steps each, chosen among the first 4: " in text


def test_a_synchronous_run_says_so(make: Make) -> None:
    assert any(line.startswith("max_lag 0, synchronous") for line in describe(make(max_lag=0)))


def test_no_guidance_draws_with_half_the_passes(make: Make) -> None:
    assert "30,720 network passes to draw." in describe(make(sampler=SamplerConfig(steps=8, guidance=1.0)))[0]


def test_a_network_that_takes_the_guidance_as_an_input_draws_with_one_pass_a_step(
    make: Make, tiny_policy_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = PolicyConfig(model=str(tiny_policy_dir))
    assert "61,440 network passes to draw, two a step for guidance." in describe(make(policy=policy))[0]

    def one(_guidance: float) -> int:
        return 1

    monkeypatch.setattr(StableDiffusion, "passes", staticmethod(one))
    assert "30,720 network passes to draw." in describe(make(policy=policy))[0]


def test_too_many_prompts_for_per_prompt_statistics_are_pointed_out(make: Make) -> None:
    few = make(updates=2)
    assert any("Most prompts never come that far" in line for line in describe(few))
    grouped = make(updates=2, learner=LearnerConfig(algorithm=DDPOConfig(advantage=AdvantageConfig(kind="group"))))
    assert not any("Most prompts" in line for line in describe(grouped))


def test_evaluation_uses_the_prompts_that_there_are(make: Make, tmp_path: Path) -> None:
    holdout = tmp_path / "holdout.txt"
    holdout.write_text("a\nb\n")
    prompts = PromptsConfig(file=tmp_path / "prompts.txt", holdout=holdout)
    line = describe(make(prompts=prompts, evaluation=EvaluationConfig(every=10, prompts=32, samples=4)))[-1]
    assert "before, every 10 updates and after: 2 prompts × 4 samples = 8 pictures" in line
