"""Judges are measured with their own weights, or with random ones of a known shape and a stand-in's vocabulary."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cluster.bench.judge_parts import measure_judge
from cluster.config.experiment import load_config
from cluster.sizing import shapes

ROOT = Path(__file__).parents[3]
MENAGERIE = ROOT / "configs" / "menagerie.yaml"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_a_judge_on_this_disk_is_measured_as_it_is() -> None:
    measured = measure_judge(load_config(MENAGERIE, ["samples_per_prompt=3"]), "clip", "cpu", 0)
    assert (measured.part, measured.count, measured.note) == ("judge clip", 3, "")


@pytest.mark.parametrize(("judge", "small"), [("clip", "clip"), ("artifact", "artifact")])
def test_a_known_shape_is_measured_with_random_weights(
    judge: str, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shapes" / "some" / "model"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "menagerie" / "models" / small / "config.json", folder)
    (folder / "published.json").write_text(json.dumps({"parameters": {}}))
    monkeypatch.setattr(shapes, "SHAPES", tmp_path / "shapes")
    settings = ["samples_per_prompt=2", f"rewards.judges.{judge}.model=some/model"]
    measured = measure_judge(load_config(MENAGERIE, settings), judge, "cpu", 0)
    assert measured.count == 2
    assert "random weights" in measured.note


def test_a_judge_that_cannot_be_stood_in_for_is_named() -> None:
    config = load_config(MENAGERIE, ["rewards.judges.clip.model=nobody/knows-this"])
    with pytest.raises(ValueError, match=r"rewards.judges.clip.model: nobody/knows-this is not on this disk"):
        measure_judge(config, "clip", "cpu", 0)
