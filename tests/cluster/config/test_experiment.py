"""The experiment's YAML: what is read, and which experiments cannot work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from experiments import MENAGERIE, Refusal, Write

from cluster.config.experiment import dump_config, load_config


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
    assert config.prompts is not None
    assert config.prompts.holdout is None
    assert config.evaluation.every == 4, "the last override counts"
    assert load_config(write(dump_config(config))) == config


def test_an_override_makes_sections_that_the_file_leaves_out(write: Write) -> None:
    config = load_config(write(MENAGERIE), ["cluster.num_cpus=4", "rewards.judges.clip.serve.max_replicas=3"])
    assert config.cluster.num_cpus == 4
    assert config.rewards.judges["clip"].serve.max_replicas == 3


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
def test_a_panel_that_cannot_work_is_refused(overrides: list[str], begins: str, refusal: Refusal) -> None:
    assert any(begins in line for line in refusal(*overrides)), refusal(*overrides)


def test_the_jurys_deadline_is_named_once_and_not_where_every_judge_has_its_own(write: Write, refusal: Refusal) -> None:
    (line,) = refusal("rewards.deadline_s=200")
    assert "rewards.deadline_s: 200 must be shorter" in line
    own = [f"rewards.judges.{name}.timeout_s=20" for name in ("artifact", "clip", "heldout")]
    load_config(write(MENAGERIE), ["rewards.deadline_s=200", *own])


def test_a_bare_kind_of_normalising_is_read_and_written_back(write: Write) -> None:
    config = load_config(write(MENAGERIE), ["rewards.judges.clip.normalise=rank"])
    assert config.rewards.judges["clip"].normalise.kind == "rank"
    assert load_config(write(dump_config(config))) == config


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["learner.minibatches=16"], "samples_per_prompt: a group of 8 samples is larger than the batch of 4"),
        (["learner.workers=3"], "learner.workers: 3 workers cannot share 8 groups equally"),
        (["learner.minibatches=7"], "learner.minibatches: a worker's 64 samples do not split into 7"),
        (["samples_per_prompt=1", "learner.advantage.kind=group"], "samples_per_prompt: with 1 sample a group has"),
    ],
)
def test_arithmetic_that_does_not_come_out_even_is_refused(overrides: list[str], words: str, refusal: Refusal) -> None:
    (line,) = refusal(*overrides)
    assert words in line
    assert line.startswith(f"experiment.yaml with --set {overrides[0].partition('=')[0]}")


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
    comparison = configs["jury-real"].learner.algorithm.compared_by
    assert comparison is not None
    assert comparison.kind == "group", "as HPS is comparable only within a prompt"
    real = {judge.kind: judge.role for judge in configs["jury-real"].rewards.judges.values()}
    assert {kind for kind, role in real.items() if role == "train"} == {"pickscore", "hps"}
    assert {"aesthetic", "detector", "safety", "image_statistics"} <= {*real}


def test_statistics_are_refused_as_a_reward_in_words(refusal: Refusal) -> None:
    heldout = 'heldout: {kind: "menagerie.heldout_judge:HeldoutJudge", model: menagerie/models/heldout, role: audit}'
    (line,) = refusal(text=MENAGERIE.replace(heldout, "statistics: {kind: image_statistics, role: train}"))
    assert "rewards.judges.statistics.role: image_statistics only watches a run" in line


def test_reading_a_config_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'ray', 'diffusers', 'transformers'}"
    look = f"import sys, cluster.config.experiment; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_former_name_of_the_held_out_judge_is_read(write: Write) -> None:
    former = MENAGERIE.replace('"menagerie.heldout_judge:HeldoutJudge"', "heldout")
    assert former != MENAGERIE
    assert load_config(write(former)) == load_config(write(MENAGERIE))


def test_the_alarm_and_the_audit_are_read_and_refused_by_name(refusal: Refusal, write: Write) -> None:
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
