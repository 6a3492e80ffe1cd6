# pyright: strict
"""What is refused before Ray starts; the tests of the whole system launch real runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.config.experiment import load_config
from cluster.errors import PreflightError
from cluster.run import train as launch

MENAGERIE = Path(__file__).parents[3] / "configs" / "menagerie.yaml"


def test_a_wrong_key_of_wandb_is_refused_before_ray_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ray_runtime(cluster: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr(launch, "ray_runtime", ray_runtime)
    monkeypatch.setenv("WANDB_API_KEY", "too-short-for-a-key")
    with pytest.raises(PreflightError, match=r"tracking\.wandb: "):
        launch.train(load_config(MENAGERIE, ["tracking.wandb=online"]), tmp_path / "run")


def test_the_page_of_the_main_loop_shows_what_each_loop_waits_for() -> None:
    loops = (launch.__doc__ or "").split("\n\n")[2:5]
    assert [loop.split()[0] for loop in loops] == ["rollout", "learner", "driver"]
    for loop in loops:
        for word in ("consumes  ", "waits for  ", "unblocked by  ", "produces  "):
            assert word in loop
