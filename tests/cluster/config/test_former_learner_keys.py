"""Configs whose `learner:` has the algorithm's keys beside its own, as version 0.1.0 wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.config.experiment import dump_config, load_config
from cluster.errors import ConfigError
from cluster.run.resume import check_resumable
from cluster.tracking.history import CONFIG_FILE
from learners.distributed.checkpoints import Checkpoint

MENAGERIE = Path(__file__).parents[3] / "configs" / "menagerie.yaml"
# The section of configs/menagerie.yaml in version 0.1.0.
FORMER = """\
learner:
  lr: 3.0e-3
  lr_schedule: linear
  kl: 0.08
  timestep_window: 0.5
  timestep_fraction: 1.0
  num_cpus: 0.5
  advantage: {kind: group}
"""


@pytest.fixture
def former(tmp_path: Path) -> Path:
    before, section = MENAGERIE.read_text().split("learner:\n")
    path = tmp_path / CONFIG_FILE
    path.write_text(before + FORMER + "#" + section.partition("#")[2].rpartition("#")[2])
    return path


def test_they_are_read_as_ddpos_and_written_by_their_names_of_today(former: Path) -> None:
    config = load_config(former)
    assert config.learner == load_config(MENAGERIE).learner
    former.write_text(dump_config(config))
    assert "kind: ddpo" in former.read_text()
    assert load_config(former) == config


def test_every_one_is_announced_by_its_name_of_today(former: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_config(former, ["learner.clip.range=1e-3", "learner.ratio_tolerance=1e-4"])
    lines = capsys.readouterr().err.splitlines()
    own = ("advantage", "timestep_window", "timestep_fraction", "kl")
    expected = {f"salon: {former}: learner.{key} is now learner.algorithm.{key}" for key in own}
    expected |= {
        f"salon: --set learner.{key} is now learner.algorithm.{key}" for key in ("clip.range", "ratio_tolerance")
    }
    assert {*lines} == expected


@pytest.mark.parametrize("override", ["learner.kl=0.1", "learner.algorithm.kl=0.1"])
def test_an_override_counts_by_either_name_over_a_file_with_either(override: str, former: Path) -> None:
    for path in (former, MENAGERIE):
        assert load_config(path, [override]).learner.algorithm.kl == 0.1


def test_both_names_in_one_file_are_refused(former: Path) -> None:
    former.write_text(former.read_text().replace("  kl: 0.08\n", "  kl: 0.08\n  algorithm: {kl: 0.1}\n"))
    with pytest.raises(
        ConfigError, match=r"learner\.kl is now learner\.algorithm\.kl, and there is something under both"
    ):
        load_config(former)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("learner.kl=-1", "--set learner.kl: must be greater than or equal to 0"),
        ("learner.algorithm.kl=-1", "--set learner.algorithm.kl: must be greater than or equal to 0"),
        (
            "learner.advantage.buffer=8",
            "--set learner.advantage.buffer: learner.advantage: buffer 8 can never hold min_count 16",
        ),
    ],
)
def test_an_error_names_the_key_that_was_written(override: str, words: str, former: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(former, [override])
    assert words in str(error.value)


def test_a_run_that_was_begun_with_them_goes_on_with_those_of_today(former: Path) -> None:
    stored = load_config(former, stored=True)
    check_resumable(stored, load_config(MENAGERIE), Checkpoint(5, former.parent, {"published": 5}, {}))
