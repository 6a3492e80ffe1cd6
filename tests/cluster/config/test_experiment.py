# pyright: strict
"""The experiment's YAML: what is read, what is refused, and in which words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.config.config_errors import known_keys
from cluster.config.experiment import ExperimentConfig, dump_config, load_config
from cluster.errors import ConfigError

MENAGERIE = """\
name: menagerie
seed: 0
updates: 60
groups_per_update: 8
samples_per_prompt: 8
max_lag: 1
policy:
  model: menagerie/models/policy
  dtype: float32
  lora: {rank: 8, alpha: 8, targets: [to_q, to_k, to_v, to_out.0]}
sampler: {steps: 8, eta: 1.0, guidance: 2.0}
prompts: {file: configs/prompts/animals.txt, holdout: configs/prompts/animals-heldout.txt}
actors: {count: 1, num_cpus: 0.5, num_gpus: 0, threads: 1, ticket_deadline_s: 120}
rewards:
  deadline_s: 60
  judges:
    artifact: {kind: artifact, model: menagerie/models/artifact, weight: 1.0, role: train, alpha: 0.0769, beta: 1.0}
    clip: {kind: clip, model: menagerie/models/clip, weight: 1.0}
    heldout: {kind: "menagerie.heldout_judge:HeldoutJudge", model: menagerie/models/heldout, role: audit}
learner:
  lr: 3e-4
  workers: 1
  algorithm:
    kind: ddpo
    clip: {kind: proximal, range: 1.0e-4, weight_cap: 2.0}
    advantage: {kind: per_prompt, min_count: 16, buffer: 32, clip: 5.0}
    timestep_fraction: 0.5
evaluation: {every: 0, prompts: 32, samples: 4}
tracking: {wandb: offline, project: salon}
checkpoint_every: 5
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "experiment.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def refusal(write: Write) -> Callable[..., list[str]]:
    """The lines with which the experiment and `overrides` are refused, the folder of the file left out."""

    def refusal(*overrides: str, text: str = MENAGERIE) -> list[str]:
        path = write(text)
        with pytest.raises(ConfigError) as error:
            load_config(path, overrides)
        return str(error.value).replace(f"{path.parent}/", "").splitlines()

    return refusal


def test_the_whole_experiment_is_read_and_written_back_equal(write: Write) -> None:
    config = load_config(write(MENAGERIE))
    assert config.learner.lr == 3e-4
    assert config.rewards.judges["heldout"].role == "audit"
    assert config.policy.lora.targets == ("to_q", "to_k", "to_v", "to_out.0")
    assert load_config(write(dump_config(config))) == config


def test_overrides_are_read_as_yaml_and_kept_when_written_back(write: Write) -> None:
    overrides = ["learner.lr=1e-5", "name=other", "policy.lora.targets=[to_q]", "prompts.holdout=null", "max_lag=0"]
    config = load_config(write(MENAGERIE), [*overrides, "evaluation.every=3", "evaluation.every=4"])
    assert (config.learner.lr, config.name, config.max_lag) == (1e-5, "other", 0)
    assert config.policy.lora.targets == ("to_q",)
    assert config.prompts.holdout is None
    assert config.evaluation.every == 4, "the last override counts"
    assert load_config(write(dump_config(config))) == config


def test_an_override_makes_sections_that_the_file_leaves_out(write: Write) -> None:
    config = load_config(write(MENAGERIE), ["cluster.num_cpus=4", "rewards.judges.clip.serve.max_replicas=3"])
    assert config.cluster.num_cpus == 4
    assert config.rewards.judges["clip"].serve.max_replicas == 3


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
        ("tracking.zzz=1", "--set tracking.zzz: unknown key; tracking has wandb, project"),
        ("learner.lr=-1", "--set learner.lr: must be greater than 0, not -1"),
        ("learner.clip.kind=ppo", "--set learner.clip.kind: must be 'proximal' or 'behaviour', not 'ppo'"),
        ("learner.algorithm.kl=-1", "--set learner.algorithm.kl: must be greater than or equal to 0, not -1"),
        ("learner.algorithm.kll=1", "--set learner.algorithm.kll: unknown key; did you mean learner.algorithm.kl?"),
        ("learner.algorithm.kind=ppo", "--set learner.algorithm.kind: must be 'ddpo', not 'ppo'"),
        ("policy=3", "--set policy: must be a section with keys, not 3"),
        ("policy={}", "--set policy.model: is missing"),
        ("seed.x=1", "--set seed.x=1: seed is 0, not a section with keys"),
        ("learner.lr", "--set learner.lr: write KEY=VALUE with a dotted key, such as learner.lr=1e-4"),
        ("a..b=1", "--set a..b=1: write KEY=VALUE with a dotted key, such as learner.lr=1e-4"),
        ("learner={lr: 1, lr: 2}", "--set learner={lr: 1, lr: 2}: the key 'lr' stands twice"),
        ("name=../x", "--set name: must match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$', not '../x'"),
    ],
)
def test_a_bad_override_is_refused_in_one_line(override: str, line: str, refusal: Callable[..., list[str]]) -> None:
    assert refusal(override) == [line]


def test_a_bad_key_in_the_file_is_refused_with_file_and_dotted_key(refusal: Callable[..., list[str]]) -> None:
    text = MENAGERIE.replace("steps: 8, eta", "steps: 8, etta")
    assert refusal(text=text) == ["experiment.yaml: sampler.etta: unknown key; did you mean sampler.eta?"]


def test_every_problem_has_its_line(refusal: Callable[..., list[str]]) -> None:
    text = MENAGERIE.replace("lr: 3e-4", "lr: fast").replace("updates: 60\n", "")
    lines = refusal("max_lag=-1", text=text)
    assert len(lines) == 3
    assert "experiment.yaml: updates: is missing" in lines
    assert "--set max_lag: must be greater than or equal to 0, not -1" in lines
    assert any(line.startswith("experiment.yaml: learner.lr: must be a valid number") for line in lines)


def test_a_missing_section_says_what_belongs_into_it(refusal: Callable[..., list[str]]) -> None:
    text = MENAGERIE.replace("prompts: {file", "prompt: {file")
    assert sorted(refusal(text=text)) == [
        "experiment.yaml: prompt: unknown key; did you mean prompts?",
        "experiment.yaml: prompts: is missing; it is a section with file",
    ]


def test_a_setting_of_another_kind_of_judge_is_refused_with_those_of_its_own(refusal: Callable[..., list[str]]) -> None:
    (line,) = refusal("rewards.judges.clip.quality=3")
    assert line.startswith("--set rewards.judges.clip.quality: unknown key; rewards.judges.clip has kind, role, weight")
    assert line.endswith("model, micro_batch, dtype")


@pytest.mark.parametrize(
    ("overrides", "begins"),
    [
        (["rewards.aggregate=advantage"], "rewards.aggregate: advantage compares within groups; set learner.algorithm"),
        (
            ["rewards.judges.clip.timeout_s=600"],
            "rewards.judges.clip.timeout_s: 600 must be shorter than actors.ticket_deadline_s 120",
        ),
        (["rewards.deadline_s=120"], "rewards.deadline_s: 120 must be shorter than actors.ticket_deadline_s 120"),
        (
            ["samples_per_prompt=1", "rewards.judges.clip.normalise=rank"],
            "rewards.judges.clip.normalise: with 1 sample a group",
        ),
        (
            ["rewards.judges.clip.normalise={kind: rank, scale: 2}"],
            "--set rewards.judges.clip.normalise: scale belongs to kind: affine, not to kind: rank",
        ),
        (["rewards.judges.clip.gate.treshold=1"], "--set rewards.judges.clip.gate.treshold: unknown key; did you mean"),
    ],
)
def test_a_panel_that_cannot_work_is_refused(
    overrides: list[str], begins: str, refusal: Callable[..., list[str]]
) -> None:
    assert any(begins in line for line in refusal(*overrides)), refusal(*overrides)


def test_the_jurys_deadline_is_named_once_and_not_where_every_judge_has_its_own(
    write: Write, refusal: Callable[..., list[str]]
) -> None:
    (line,) = refusal("rewards.deadline_s=200")
    assert "rewards.deadline_s: 200 must be shorter" in line
    own = [f"rewards.judges.{name}.timeout_s=20" for name in ("artifact", "clip", "heldout")]
    load_config(write(MENAGERIE), ["rewards.deadline_s=200", *own])


def test_a_bare_kind_of_normalising_is_read_and_written_back(write: Write) -> None:
    config = load_config(write(MENAGERIE), ["rewards.judges.clip.normalise=rank"])
    assert config.rewards.judges["clip"].normalise.kind == "rank"
    assert load_config(write(dump_config(config))) == config


def test_a_kind_that_is_no_judge_is_refused_with_the_nearest(refusal: Callable[..., list[str]]) -> None:
    (line,) = refusal("rewards.judges.clip={kind: clop}")
    assert line.startswith("--set rewards.judges.clip: no judge is of kind 'clop'; did you mean clip?")


def test_a_missing_key_of_a_judge_is_named_without_its_kind(refusal: Callable[..., list[str]]) -> None:
    assert refusal("rewards.judges.clip={kind: clip}") == ["--set rewards.judges.clip.model: is missing"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["learner.minibatches=16"], "samples_per_prompt: a group of 8 samples is larger than the batch of 4"),
        (["learner.workers=3"], "learner.workers: 3 workers cannot share 8 groups equally"),
        (["learner.minibatches=7"], "learner.minibatches: a worker's 64 samples do not split into 7"),
        (["samples_per_prompt=1", "learner.advantage.kind=group"], "samples_per_prompt: with 1 sample a group has"),
    ],
)
def test_arithmetic_that_does_not_come_out_even_is_refused(
    overrides: list[str], words: str, refusal: Callable[..., list[str]]
) -> None:
    (line,) = refusal(*overrides)
    assert words in line
    assert line.startswith(f"experiment.yaml with --set {overrides[0].partition('=')[0]}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: a\n  b: [", "experiment.yaml line 2 column 4: mapping values are not allowed here"),
        ("", "experiment.yaml: holds no keys; write `name: ...`, `updates: ...` and the rest of an experiment"),
        ("- a\n", "experiment.yaml: holds no keys; write `name: ...`, `updates: ...` and the rest of an experiment"),
        ("name: a\nname: b\n", "experiment.yaml line 2 column 1: the key 'name' stands twice"),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(text: str, line: str, refusal: Callable[..., list[str]]) -> None:
    assert refusal(text=text) == [line]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_a_config_does_not_change_once_it_is_read(write: Write) -> None:
    config = load_config(write(MENAGERIE))
    with pytest.raises(ValueError, match="frozen"):
        config.updates = 3  # pyright: ignore[reportAttributeAccessIssue]


def test_every_experiment_that_ships_is_accepted() -> None:
    files = Path(__file__).parents[3].glob("configs/*.yaml")
    configs = {file.stem: load_config(file) for file in files if file.stem not in ("artifacts", "jury")}
    assert {"menagerie", "jury-real"} <= {*configs}
    for name in ("sd15", "sd35", "jury-real"):  # they download what they need
        assert configs[name].actors.start_timeout_s == configs[name].rewards.start_timeout_s == 3600
    assert configs["jury-real"].learner.algorithm.advantage.kind == "group", "as HPS is comparable only within a prompt"
    real = {judge.kind: judge.role for judge in configs["jury-real"].rewards.judges.values()}
    assert {kind for kind, role in real.items() if role == "train"} == {"pickscore", "hps"}
    assert {"aesthetic", "detector", "safety", "image_statistics"} <= {*real}


def test_statistics_are_refused_as_a_reward_in_words(refusal: Callable[..., list[str]]) -> None:
    heldout = 'heldout: {kind: "menagerie.heldout_judge:HeldoutJudge", model: menagerie/models/heldout, role: audit}'
    (line,) = refusal(text=MENAGERIE.replace(heldout, "statistics: {kind: image_statistics, role: train}"))
    assert "rewards.judges.statistics.role: image_statistics only watches a run" in line


def test_every_dotted_key_is_known_once() -> None:
    keys = list(known_keys(ExperimentConfig))
    assert len(keys) == len(set(keys))
    assert {
        "learner.algorithm.clip.range",
        "rewards.judges.NAME.serve.num_cpus",
        "policy.lora.rank",
        "prompts.holdout",
    } < {*keys}


def test_reading_a_config_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'ray', 'diffusers', 'transformers'}"
    look = f"import sys, cluster.config.experiment; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_former_name_of_the_held_out_judge_is_read(write: Write) -> None:
    former = MENAGERIE.replace('"menagerie.heldout_judge:HeldoutJudge"', "heldout")
    assert former != MENAGERIE
    assert load_config(write(former)) == load_config(write(MENAGERIE))


def test_the_alarm_and_the_audit_are_read_and_refused_by_name(refusal: Callable[..., list[str]], write: Write) -> None:
    watch = "alarm.watch=[{key: heldout/animal, direction: either, by: 20%}]"
    config = load_config(write(MENAGERIE), ["alarm.on_alarm=stop", "audit.best=3", watch])
    assert (config.alarm.on_alarm, config.audit.best, config.alarm.watch[0].by) == ("stop", 3, "20%")
    assert load_config(write(dump_config(config))) == config
    (line,) = refusal("alarm.on_alarm=stop", "rewards.judges.heldout.role=train")
    assert "alarm.on_alarm: stop would wait for an alarm that cannot ring, as nothing is watched; give a judge" in line
    blind = ["alarm.on_alarm=rollback", "rewards.judges.heldout.role=train"]
    load_config(write(MENAGERIE), [*blind, "alarm.watch=[{key: clip/diversity, by: '20%'}]"])
    (line,) = refusal("alarm.on_alarm=halt")
    assert "alarm.on_alarm: must be 'warn', 'stop' or 'rollback'" in line
    (line,) = refusal("alarm.watch=[{key: a/b, by: much}]")
    assert "alarm.watch.0.by: must be a number, or a string of per cent" in line
