"""Model cards: known failures, the time that a recipe takes, and the docstring of the recipe."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

from cluster.config.experiment import load_config
from menagerie.measures import drawing, timing
from menagerie.measures.card import FOLDERS, page
from menagerie.measures.timing import RecipeTiming
from menagerie.measures.weakest import CASES, MARK, SHOWN, lowest, weakest
from menagerie.training.model_folder import MODELS

ROOT = Path(__file__).parents[3]


def test_the_labels_with_the_lowest_means_are_the_weakest_and_few_cases_say_nothing():
    right = {"cat": [1.0] * CASES, "dog": [0.0] * CASES, "pig": [1.0, 0.0] * CASES, "cow": [0.5] * CASES * 2}
    found = weakest("recall of", right | {"elephant": [0.0] * (CASES - 1)})
    assert next(iter(found.items())) == (f"{MARK}recall of dog", 0.0)
    assert len(found) == SHOWN
    assert f"{MARK}recall of elephant" not in found
    assert f"{MARK}recall of cat" not in found
    assert lowest("AP50 of", {"cat": 0.9, "dog": 0.8}) == {f"{MARK}AP50 of dog": 0.8, f"{MARK}AP50 of cat": 0.9}


def test_a_page_has_failures_and_time_apart_from_quality():
    metrics = {"exact match": 0.875} | lowest("recall of", {"omitted": 0.25})
    text = page("artifact", metrics, RecipeTiming(step=0.5, picture=0.01, steps=600, pictures=6000), 1000)
    quality, failures = text.split("## Known failures")
    assert "| exact match | 0.875 |" in quality
    assert "omitted" not in quality
    assert "| recall of omitted | 0.25 |" in failures
    assert "about 6 minutes of one core, " in quality
    assert "500 ms a step" in quality
    assert "`salon menagerie train artifact --out FOLDER` makes one like it (seed " in quality


@pytest.mark.parametrize(("card", "job"), [("policy", "menagerie"), ("flow", "flow")])
def test_a_policy_is_measured_as_its_job_draws(card: str, job: str):
    sampler = load_config(ROOT / "configs" / f"{job}.yaml").sampler
    assert (sampler.steps, sampler.eta, sampler.guidance) == (drawing.STEPS, drawing.NOISE[card], 1.0)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_shipped_card_has_the_docstring_of_its_recipe(name: str):
    recipe = importlib.import_module(f"menagerie.recipes.{name}")
    assert (recipe.__doc__ or "").strip() in (MODELS / FOLDERS[name] / "CARD.md").read_text()


def test_the_timing_is_what_a_step_and_a_picture_take(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    spent = [0.0]

    class Recipe:
        @staticmethod
        def train(out: Path, steps: int = 1000, count: int = 5000, say: object = None) -> torch.nn.Module:
            assert (out / "clip" / "weights").read_text() == "shipped"
            (out / "clip" / "weights").write_text("spoilt")
            spent[0] += 7 + 0.25 * steps + 0.02 * count
            return torch.nn.Linear(1, 1)

    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "weights").write_text("shipped")
    monkeypatch.setattr(timing.importlib, "import_module", lambda name: Recipe)
    monkeypatch.setattr(timing.time, "process_time", lambda: spent[0])
    found = RecipeTiming.measure("recipe", tmp_path)
    assert found.step == pytest.approx(0.25)
    assert found.picture == pytest.approx(0.02)
    assert found.minutes == pytest.approx((250 + 100) / 60)
    assert (tmp_path / "clip" / "weights").read_text() == "shipped"
