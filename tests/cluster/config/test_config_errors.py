"""What is wrong with a config, in words: every problem is one line that names file, key and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiments import MENAGERIE, Refusal

from cluster.config.config_errors import known_keys, sections_of
from cluster.config.experiment import ExperimentConfig, load_config
from cluster.errors import ConfigError
from learners.config import LearnerConfig

ALGORITHMS = ", ".join(
    repr(section.model_fields["kind"].default)
    for section in sections_of(LearnerConfig.model_fields["algorithm"].annotation).values()
)
"""The kinds of `learner.algorithm`, as an error names them."""


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("learner.lrr=1", "--set learner.lrr: unknown key; did you mean learner.lr?"),
        ("updatse=1", "--set updatse: unknown key; did you mean updates?"),
        ("lr=1", "--set lr: unknown key; did you mean learner.lr?"),
        ("quality=3", "--set quality: unknown key; did you mean rewards.judges.NAME.quality?"),
        ("learner.range=1", "--set learner.range: unknown key; did you mean learner.algorithm.clip.range?"),
        (
            "rewards.judges.clip.wieght=2",
            "--set rewards.judges.clip.wieght: unknown key; did you mean rewards.judges.clip.weight?",
        ),
        ("tracking.zzz=1", "--set tracking.zzz: unknown key; tracking has wandb, tensorboard, trackio, project"),
        ("learner.lr=-1", "--set learner.lr: must be greater than 0, not -1"),
        ("learner.clip.kind=ppo", "--set learner.clip.kind: must be 'proximal' or 'behaviour', not 'ppo'"),
        ("learner.algorithm.kl=-1", "--set learner.algorithm.kl: must be greater than or equal to 0, not -1"),
        ("learner.algorithm.kll=1", "--set learner.algorithm.kll: unknown key; did you mean learner.algorithm.kl?"),
        ("learner.algorithm.kind=ppo", f"--set learner.algorithm.kind: must be {ALGORITHMS}, not 'ppo'"),
        ("policy=3", "--set policy: must be a section with keys, not 3"),
        ("policy={}", "--set policy.model: is missing"),
        ("seed.x=1", "--set seed.x=1: seed is 0, not a section with keys"),
        ("learner.lr", "--set learner.lr: write KEY=VALUE with a dotted key, such as learner.lr=1e-4"),
        ("a..b=1", "--set a..b=1: write KEY=VALUE with a dotted key, such as learner.lr=1e-4"),
        ("learner={lr: 1, lr: 2}", "--set learner={lr: 1, lr: 2}: the key 'lr' stands twice"),
        ("name=../x", "--set name: must match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$', not '../x'"),
    ],
)
def test_a_bad_override_is_refused_in_one_line(override: str, line: str, refusal: Refusal) -> None:
    assert refusal(override) == [line]


def test_a_bad_key_in_the_file_is_refused_with_file_and_dotted_key(refusal: Refusal) -> None:
    text = MENAGERIE.replace("steps: 8, eta", "steps: 8, etta")
    assert refusal(text=text) == ["experiment.yaml: sampler.etta: unknown key; did you mean sampler.eta?"]


def test_every_problem_has_its_line(refusal: Refusal) -> None:
    text = MENAGERIE.replace("lr: 3e-4", "lr: fast").replace("updates: 60\n", "")
    lines = refusal("max_lag=-1", text=text)
    assert len(lines) == 3
    assert "experiment.yaml: updates: is missing" in lines
    assert "--set max_lag: must be greater than or equal to 0, not -1" in lines
    assert any(line.startswith("experiment.yaml: learner.lr: must be a valid number") for line in lines)


def test_a_missing_section_says_what_belongs_into_it(refusal: Refusal) -> None:
    text = MENAGERIE.replace("prompts: {file", "prompt: {file")
    assert sorted(refusal(text=text)) == [
        "experiment.yaml: prompt: unknown key; did you mean prompts?",
        "experiment.yaml: prompts.file: is missing",
    ]


def test_a_setting_of_another_kind_of_judge_is_refused_with_those_of_its_own(refusal: Refusal) -> None:
    (line,) = refusal("rewards.judges.clip.quality=3")
    assert line.startswith("--set rewards.judges.clip.quality: unknown key; rewards.judges.clip has kind, role, weight")
    assert line.endswith("model, micro_batch, dtype")


def test_a_kind_that_is_no_judge_is_refused_with_the_nearest(refusal: Refusal) -> None:
    (line,) = refusal("rewards.judges.clip={kind: clop}")
    assert line.startswith("--set rewards.judges.clip: no judge is of kind 'clop'; did you mean clip?")


def test_a_missing_key_of_a_judge_is_named_without_its_kind(refusal: Refusal) -> None:
    assert refusal("rewards.judges.clip={kind: clip}") == ["--set rewards.judges.clip.model: is missing"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: a\n  b: [", "experiment.yaml line 2 column 4: mapping values are not allowed here"),
        ("", "experiment.yaml: holds no keys; write `name: ...`, `updates: ...` and the rest of an experiment"),
        ("- a\n", "experiment.yaml: holds no keys; write `name: ...`, `updates: ...` and the rest of an experiment"),
        ("name: a\nname: b\n", "experiment.yaml line 2 column 1: the key 'name' stands twice"),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(text: str, line: str, refusal: Refusal) -> None:
    assert refusal(text=text) == [line]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_every_dotted_key_is_known_once() -> None:
    keys = list(known_keys(ExperimentConfig))
    assert len(keys) == len(set(keys))
    assert {
        "learner.algorithm.clip.range",
        "rewards.judges.NAME.serve.num_cpus",
        "policy.lora.rank",
        "prompts.holdout",
    } < {*keys}
