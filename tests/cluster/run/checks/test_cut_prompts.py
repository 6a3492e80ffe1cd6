"""What is said before a run of prompts that the policy's text encoder does not read to their end."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config import PolicyConfig, PromptsConfig
from cluster.config.experiment import ExperimentConfig
from cluster.run.checks.cut_prompts import cut_prompts
from rewards.config import RewardsConfig
from rewards.registry import judge_config


def experiment(model: Path, file: Path) -> ExperimentConfig:
    return ExperimentConfig(
        name="x",
        updates=1,
        policy=PolicyConfig(model=str(model)),
        prompts=PromptsConfig(file=file),
        rewards=RewardsConfig(judges={"size": judge_config("jpeg")}),
    )


@pytest.mark.parametrize("folder", ["tiny_policy_dir", "tiny_flow_dir"])
def test_the_longest_and_what_is_lost_of_it_are_named(
    folder: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # The small encoders read 24 tokens: two marks, and 22 words of their vocabulary.
    file = tmp_path / "prompts.txt"
    short, exact = "a red cat", " ".join(["red"] * 22)
    file.write_text("\n".join([short, exact, f"{exact} cat", f"{exact} cat on snow", "# end"]))
    (line,) = cut_prompts(experiment(request.getfixturevalue(folder), file))
    assert line == (
        f"2 of 4 prompts in {file} are cut: the policy's text encoder reads 24 tokens, and the longest ({file} line 4) "
        "has 27; of it is lost 'cat on snow'"
    )
    file.write_text(f"{short}\n{exact}\n")
    assert not [*cut_prompts(experiment(request.getfixturevalue(folder), file))]


def test_of_a_policy_on_the_hub_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a " * 1000)
    assert not [*cut_prompts(experiment(Path("org/name"), tmp_path / "prompts.txt"))]
