# pyright: strict
"""The config of an offline run: what it may leave out, what it is told, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_sets.forms import write_pairs
from experiments import Refusal, Write

from cluster.config.batch_summary import describe
from cluster.config.experiment import ExperimentConfig, dump_config, load_config

SHORT = """\
name: pairs
updates: 6
policy: {model: some/policy}
learner:
  algorithm: {kind: dpo, data: {path: PAIRS, batch: 8}}
"""


@pytest.fixture
def short(tmp_path: Path) -> str:
    """The least that an offline run needs, with twelve pairs of which two are ties."""
    path = write_pairs(tmp_path / "pairs.parquet", [1, 0, 0.5, 1, 1, 0, 0, 0.5, 1, 1, 0, 1])
    return SHORT.replace("PAIRS", str(path))


def test_prompts_rewards_and_actors_may_be_left_out_and_then_nothing_is_evaluated(short: str, write: Write) -> None:
    config = load_config(write(short))
    assert config.offline
    assert not config.evaluates
    assert not config.draws
    path = config.learner.algorithm.data_set and config.learner.algorithm.data_set.path
    assert describe(config) == [
        f"An offline run on 10 pairs in {path} (2 more are ties, and left out): nothing is drawn or judged for "
        "training.",
        "6 updates × 8 pairs = 48 pairs: each is seen 4.8 times on average.",
        "One update trains 8 pairs at 4 noise levels each: 1 optimizer step (1 epoch × 1 minibatch) of 32 (picture, "
        "step) pairs; 6 optimizer steps in the run.",
        "1 learner worker with 8 rows each: 32 pairs per optimizer step and worker, in 1 forward of at most 64.",
        "No evaluations, as there are no prompts and rewards. A checkpoint every 5 updates.",
    ]


def test_a_path_alone_is_enough_of_a_data_set(short: str, write: Write) -> None:
    config = load_config(write(short), ["learner.algorithm.data=pairs/"])
    data = config.learner.algorithm.data_set
    assert data is not None
    assert (str(data.path), data.batch, data.flip) == ("pairs", 32, False)


def test_what_is_written_into_the_run_s_folder_is_the_same_config(short: str, write: Write) -> None:
    config = load_config(write(short))
    assert load_config(write(dump_config(config))) == config
    assert "rewards" not in dump_config(config)


def test_an_offline_run_with_prompts_and_rewards_evaluates(short: str, write: Write) -> None:
    more = ["prompts.file=p.txt", "rewards.judges={jpeg: {kind: jpeg}}"]
    assert load_config(write(short), more).evaluates
    off = load_config(write(short), [*more, "evaluation.samples=0", "evaluation.plain_samples=0"])
    assert not off.evaluates
    assert not off.draws
    assert load_config(write(short), [*more, "evaluation.samples=0"]).evaluates, "as people will draw, at least"


def test_keys_that_have_no_meaning_are_named(short: str, write: Write) -> None:
    config: ExperimentConfig = load_config(write(short), ["max_lag=1", "groups_per_update=3"])
    assert describe(config)[0].endswith(
        "nothing is drawn or judged for training. groups_per_update has no meaning here. max_lag has no meaning here."
    )


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["prompts.file=p.txt"], "rewards: is missing; the evaluations of an offline run need prompts and rewards."),
        (["rewards.judges={jpeg: {kind: jpeg}}"], "prompts: is missing; the evaluations of an offline run need"),
        (["learner.workers=3"], "learner.algorithm.data.batch: 8 rows do not split into learner.workers 3 × "),
        (["learner.minibatches=16"], "learner.algorithm.data.batch: 8 rows do not split into learner.workers 1 × "),
        (["alarm.on_alarm=stop"], "alarm.on_alarm: stop would wait for an alarm that cannot ring, as an offline run"),
        (["learner.algorithm.data.batch=0"], "learner.algorithm.data.batch: must be greater than or equal to 1"),
        (["learner.algorithm.data=3"], "learner.algorithm.data: must be a section with keys"),
        (["learner.algorithm.data.pth=x"], "learner.algorithm.data.pth: unknown key; did you mean"),
        (["learner.algorithm={kind: ddpo, data: x}"], "learner.algorithm.data: unknown key"),
        (["learner.algorithm={kind: sft, data: x, keep: 2}"], "learner.algorithm.keep: a data set has no rewards"),
        (["learner.algorithm.data=null"], "prompts.file: is missing"),
    ],
)
def test_what_does_not_go_together_is_refused(short: str, refusal: Refusal, overrides: list[str], said: str) -> None:
    assert any(said in line for line in refusal(*overrides, text=short)), refusal(*overrides, text=short)
