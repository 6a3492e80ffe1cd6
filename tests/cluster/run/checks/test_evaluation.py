"""An evaluation that could not be drawn as it is asked for is refused before the run starts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_families import FAMILIES

from actors.config import PolicyConfig, PromptsConfig, Resolution
from actors.diffusion.evaluation_settings import PlainSettings, SampledSettings
from cluster.config.experiment import EvaluationConfig, ExperimentConfig
from cluster.run.checks.evaluation import evaluation_problems
from rewards.config import RewardsConfig
from rewards.registry import judge_config

HEUN = "FlowMatchHeunDiscreteScheduler"


def problems(model: Path | str, **evaluation: object) -> list[str]:
    config = ExperimentConfig(
        name="test",
        updates=1,
        policy=PolicyConfig(model=str(model)),
        prompts=PromptsConfig(file=Path("prompts.txt")),
        rewards=RewardsConfig(judges={"jpeg": judge_config(kind="jpeg")}),
        evaluation=EvaluationConfig.model_validate(evaluation),
    )
    return [*evaluation_problems(config)]


@pytest.mark.parametrize("scheduler", [None, "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"])
def test_settings_that_fit_pass(tiny_policy_dir: Path, scheduler: str | None) -> None:
    plain = PlainSettings(steps=20, guidance=5.0, resolution=Resolution(height=96, width=128), scheduler=scheduler)
    assert problems(tiny_policy_dir, plain=plain, sampler=SampledSettings(steps=20)) == []
    assert problems("org/model", plain=plain) == []


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        ({"sampler": {"steps": 2000}}, "evaluation.sampler.steps: 2000 is more than the 1000"),
        ({"plain": {"steps": 2000}}, "evaluation.plain.steps: 2,000 is more than the 1,000"),
        ({"plain": {"resolution": [100, 64]}}, "evaluation.plain.resolution.height: 100 is no multiple of 8"),
        ({"plain": {"scheduler": "DPMSolver"}}, "evaluation.plain.scheduler: this policy's pipeline cannot be drawn"),
        (
            {"plain": {"scheduler": HEUN}},
            "evaluation.plain.scheduler: ",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(tiny_policy_dir: Path, evaluation: dict[str, object], said: str) -> None:
    (line,) = problems(tiny_policy_dir, **evaluation)
    assert line.startswith(said)


def test_a_flow_is_drawn_with_a_flows_schedulers_only(tiny_flow_dir: Path, tmp_path: Path) -> None:
    assert problems(tiny_flow_dir, plain={"scheduler": HEUN}) == []
    (line,) = problems(tiny_flow_dir, plain={"scheduler": "DPMSolverMultistepScheduler"})
    assert "those that can are FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler" in line
    (line,) = problems(FAMILIES["flux"].save(tmp_path / "flux"), plain={"scheduler": HEUN})
    assert line.endswith("it can be drawn with its own only")


def test_a_scheduler_that_lacks_the_policys_noise_levels_is_refused(tiny_policy_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_policy_dir, tmp_path / "policy"))
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"rescale_betas_zero_snr": True}))
    assert problems(folder, plain={"scheduler": "DPMSolverMultistepScheduler"}) == []
    (line,) = problems(folder, plain={"scheduler": "HeunDiscreteScheduler"})
    assert line.startswith("evaluation.plain.scheduler: HeunDiscreteScheduler has no rescale_betas_zero_snr")
