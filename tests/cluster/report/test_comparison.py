# pyright: strict
"""`salon compare`: runs side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.report.comparison import ComparedRun
from cluster.report.grid import SampleGrid
from cluster.tracking.evaluation import from_row

Salon = Callable[..., tuple[int, str, str]]


@pytest.fixture
def runs(make_run: Callable[..., Path]) -> list[Path]:
    return [make_run(updates=20, pictures=False), make_run(updates=20, hacked=True, name="hacked", pictures=False)]


def test_every_run_has_a_column_with_the_metrics_that_it_measured(runs: list[Path]) -> None:
    learnt, hacked = (ComparedRun.read(run).cells() for run in runs)
    history = ComparedRun.read(runs[0]).history
    before, after = (
        from_row(row)["heldout/artifact_free"].value for row in (history.evaluations[0], history.evaluations[-1])
    )
    said = learnt["heldout: free of artifacts"]
    assert said.startswith(f"{before * 100:.1f} % → {after * 100:.1f} %, {(after - before) * 100:+.1f} points")
    assert learnt["heldout: animal recognised"].endswith("✓")
    assert hacked["heldout: animal recognised"].endswith("✗")
    assert (learnt["seed"], learnt["updates"]) == ("0", "20")
    # The clock of these runs ticks 8.2 s for every row: 20 updates, and 2 evaluations.
    assert learnt["time, first to last evaluation"] == "2 min 52 s"


def test_clip_has_its_limit_by_its_kind_and_not_by_its_name(runs: list[Path]) -> None:
    assert ComparedRun.read(runs[0]).cells()["clip: mean verdict"].endswith("✓")
    config = (runs[0] / "config.yaml").read_text()
    (runs[0] / "config.yaml").write_text(config.replace("clip: {kind: clip", "clip: {kind: vqascore"))
    assert not ComparedRun.read(runs[0]).cells()["clip: mean verdict"].endswith(("✓", "✗"))


def test_the_command_prints_the_table_and_draws_the_curves(salon: Salon, runs: list[Path], tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    code, out, _ = salon("compare", *runs, "--curves", picture)
    assert code == 0
    assert "menagerie" in out
    assert "hacked" in out
    pixels = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    for colour in ((31, 119, 180), (255, 127, 14)):  # matplotlib's first two
        assert (pixels == colour).all(1).sum() > 200


def test_pictures_stand_beside_those_of_the_same_prompt_and_seed(
    salon: Salon, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    drawn = [make_run(updates=2, name=name) for name in ("one", "two")]
    sheet = tmp_path / "sheet.png"
    assert salon("compare", *drawn, "--pictures", sheet)[0] == 0
    before, after = (SampleGrid.load(drawn[0] / "pictures", when) for when in ("before", "after"))
    assert before is not None
    assert after is not None
    side = SampleGrid.abreast([("before", before), ("after", after)], prompts=2, samples=3)
    assert side.prompts == [f"{prompt}, {when}" for prompt in before.prompts[:2] for when in ("before", "after")]
    assert np.array_equal(side.images[3], after.images[1][:3])
    assert Image.open(sheet).width > 1.3 * side.draw(columns=2).width, "three columns, the base policy's and two runs'"
    assert salon("compare", make_run(updates=2, name="bare", pictures=False), "--pictures", sheet)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: there is no config.yaml in it"),
        (["RUN", "--curves", "curves.foo"], "Format 'foo' is not supported"),
        (["RUN", "--curves", "."], "Invalid value for '--curves': file '.' is a directory."),
        (["RUN", "--pictures", "."], "Invalid value for '--pictures': file '.' is a directory."),
        ([], "Missing argument 'RUN...'"),
    ],
)
def test_what_cannot_be_compared_is_named(salon: Salon, runs: list[Path], arguments: list[str], said: str) -> None:
    code, _, err = salon("compare", *(str(runs[0]) if a == "RUN" else a for a in arguments))
    assert code == 2
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["report", "compare"])
def test_a_damaged_config_is_told_in_one_line(salon: Salon, tmp_path: Path, command: str) -> None:
    (tmp_path / "config.yaml").write_text("name: [fresh\nseed: 3\n")
    code, _, err = salon(command, tmp_path)
    assert code == 2
    assert err.startswith(f"salon: {tmp_path / 'config.yaml'} line 2 column ")
    assert err.count("\n") == 1


def test_a_run_that_has_only_begun_is_shown_without_metrics(salon: Salon, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: fresh\nseed: 3\n")
    assert ComparedRun.read(tmp_path).cells() == {
        "seed": "3", "updates": "0", "time, first to last evaluation": ""
    }  # fmt: skip
    code, _, err = salon("compare", tmp_path, "--curves", tmp_path / "curves.png")
    assert code == 2
    assert "no update has been measured yet" in err
