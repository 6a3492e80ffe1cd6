# pyright: strict
"""Where a run goes on, and by which configs it can."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster.config.experiment import load_config
from cluster.errors import PreflightError
from cluster.run.resume import Start, check_resumable
from learners.distributed.checkpoints import Checkpoint

MENAGERIE = Path(__file__).parents[3] / "configs" / "menagerie.yaml"


def test_a_run_starts_after_the_updates_of_its_checkpoint() -> None:
    assert Start().done == 0
    assert Start(resumed=True).done == 0, "it ended before its first checkpoint"
    assert Start(resumed=True, ledger={"published": 7}).done == 7


@pytest.mark.parametrize(
    ("overrides", "published", "refused_with"),
    [
        ([], None, []),
        (["learner.lr=1e-5", "updates=60", "policy.model=moved/policy"], 50, []),
        (["seed=1"], None, ["seed: the run was begun with 0, .* this says 1; begin another run"]),
        (["policy.lora.rank=16"], 5, ["policy.lora: the run was begun with {'rank': 8, .* this says {'rank': 16, "]),
        (["updates=10"], 20, ["updates: the run has made 20 updates already, and this says 10"]),
        (["learner.workers=2", "policy.dtype=float16"], 5, ["policy.dtype: .*float32", "learner.workers: "]),
    ],
)
def test_what_checkpoints_depend_on_stays(
    tmp_path: Path, overrides: list[str], published: int | None, refused_with: list[str]
) -> None:
    stored, config = load_config(MENAGERIE), load_config(MENAGERIE, overrides)
    saved = None if published is None else Checkpoint(published, tmp_path, {"published": published}, {})
    if not refused_with:
        check_resumable(stored, config, saved)
        return
    with pytest.raises(PreflightError) as error:
        check_resumable(stored, config, saved)
    lines = str(error.value).splitlines()
    assert len(lines) == len(refused_with)
    for line, expected in zip(lines, refused_with, strict=True):
        assert re.match(expected, line)
