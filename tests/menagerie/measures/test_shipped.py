"""The models that ship with Salon are as good as the default job needs them to be.

The cards have the same metrics on a thousand drawings; these are on fewer, so that the bounds leave room for noise.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from menagerie.datasets.captioned_latents import DAMAGED
from menagerie.measures import drawing, judging, sight
from menagerie.measures.card import MEASURES
from menagerie.training.model_folder import MODELS
from menagerie.world.picture import draw
from menagerie.world.scene import Creature, Held, Scene
from rewards.registry import build_judge, judge_config

COUNT = 200
pytestmark = pytest.mark.slow


def test_the_autoencoder_draws_crisply() -> None:
    assert drawing.autoencoder(MODELS, COUNT)["PSNR (dB)"] > 27


def test_clip_picks_the_right_caption() -> None:
    assert judging.clip(MODELS, COUNT)[f"right caption among {judging.NEGATIVES} hard negatives"] > 0.75


@pytest.mark.parametrize(
    ("judge", "exact", "f1"),
    [("artifact", 0.85, 0.86), ("heldout", 0.92, 0.93), ("auditor", 0.92, 0.93)],
)
def test_the_judges_of_artifacts_name_them(judge: str, exact: float, f1: float) -> None:
    metrics = MEASURES[judge](MODELS, COUNT)
    assert metrics["exact match"] >= exact
    assert metrics["F1"] >= f1
    assert metrics["garbage called clean"] <= 0.05


@pytest.mark.parametrize("name", ["policy", "flow"])
def test_a_policy_draws_what_it_is_asked_for_with_artifacts_at_about_the_rate_of_its_training_pictures(
    name: str,
) -> None:
    metrics = MEASURES[name](MODELS, COUNT)
    assert abs(metrics["artifact rate (held-out judge)"] - DAMAGED) <= 0.15
    assert metrics["animal recognised (held-out judge)"] > 0.6
    assert metrics["colour recognised (held-out judge)"] > 0.9
    assert metrics["setting recognised (held-out judge)"] > 0.9


def test_the_rich_feedback_model_scores_points_and_marks_words() -> None:
    metrics = MEASURES["rich"](MODELS, COUNT)
    assert metrics["plausibility PLCC"] > 0.7
    assert metrics["alignment PLCC"] > 0.7
    assert metrics["implausibility CC"] >= 0.5
    assert metrics["implausibility AUC-Judd"] >= 0.87
    assert metrics["misaligned words F1"] > 0.6


def test_the_aesthetic_predictor_goes_with_the_true_aesthetics() -> None:
    assert MEASURES["aesthetic"](MODELS, 2 * COUNT)["aesthetics PLCC"] > 0.65


def test_what_the_writer_writes_can_be_used() -> None:
    metrics = MEASURES["writer"](MODELS, COUNT)
    assert metrics["parses"] >= 0.95
    assert metrics["validates"] >= 0.9
    assert metrics["different prompts, of those"] > 0.9


def test_the_vqa_model_answers_yes_and_no() -> None:
    metrics = sight.vqa(MODELS, COUNT)
    assert metrics["balanced accuracy"] >= 0.9
    assert metrics["abstentions"] == 0


def test_the_detector_finds_what_is_there() -> None:
    assert sight.detector(MODELS, COUNT)["AP50, names"] >= 0.77


SHOWN = draw(Scene("meadow", 0.55, (Creature("pig", "pink", 0.45, 0.9, 0.5, False, Held("balloon", "blue", "round")),)))


def test_the_vqa_judge_is_right_about_what_is_obvious() -> None:
    asked = {
        "Is there a pig?": "yes",
        "Is there a giraffe?": "no",
        "Is the pig pink?": "yes",
        "Is the pig black?": "no",
        "Is the pig holding something?": "yes",
        "Is the balloon blue?": "yes",
        "Is there a sign?": "no",
        "Is the picture set in the meadow?": "yes",
        "Is the picture set at night?": "no",
    }
    judge = build_judge("vqa", judge_config(kind="vqa", model=str(MODELS / "vqa")))
    questions = [{"question": question, "answer": answer} for question, answer in asked.items()]
    (verdict,) = judge.judge(SHOWN.pixels[None], [""], [{"questions": questions}])
    assert verdict.value is not None
    assert verdict.value >= 8 / 9, verdict.text


def test_the_rich_feedback_judge_marks_what_is_obviously_wrong() -> None:
    judge = build_judge("rich", judge_config(kind="rich_feedback", model=str(MODELS / "rich")))
    prompts = ["a pink pig holding a round blue balloon in the meadow", "a pink elephant in the meadow"]
    right, wrong = judge.judge(SHOWN.pixels[None].repeat(2, 0), prompts)
    assert (right.words, wrong.words) == ((), ("elephant",))
    assert right.text == prompts[0]
    assert right.scores["alignment"] > 0.8 > 0.5 > wrong.scores["alignment"]
    assert right.heatmaps["misalignment"].max() < 0.1 < 0.3 < wrong.heatmaps["misalignment"].max()


def test_the_detector_judge_boxes_what_is_obvious() -> None:
    judge = build_judge("detector", judge_config(kind="detector", model=str(MODELS / "detector")))
    seen, missed = judge.judge(SHOWN.pixels[None].repeat(2, 0), ["", ""], [{"class": "pig"}, {"class": "giraffe"}])
    assert seen.value is not None
    assert missed.value is not None
    assert seen.value > 0.4 > 0.2 > missed.value
    (_, found), (name, true) = seen.boxes[0], SHOWN.boxes[0]
    assert name == "pig"
    assert np.abs(np.subtract(found, true)).max() < 0.12


BARS = {
    "vqa": {"balanced accuracy": 0.9},
    "clip": {"right caption among 8 hard negatives": 0.8},
    "detector": {"AP50, names": 0.8},
    "aesthetic": {"aesthetics PLCC": 0.7},
    "rich": {
        "plausibility PLCC": 0.7,
        "alignment PLCC": 0.7,
        "implausibility CC": 0.55,
        "implausibility AUC-Judd": 0.9,
        "misaligned words F1": 0.6,
    },
    "writer": {"parses": 0.95, "validates": 0.9},
}
"""What the models were made to reach on their cards' pictures, of which the tests above take few."""


@pytest.mark.parametrize("name", BARS)
def test_what_the_card_says_is_good_enough(name: str) -> None:
    card = (MODELS / name / "CARD.md").read_text()
    metrics = dict(re.findall(r"^\| (.+?) \| ([\d.]+) \|$", card, re.MULTILINE))
    for figure, least in BARS[name].items():
        assert float(metrics[figure]) >= least, figure


def test_all_that_ships_is_small() -> None:
    size = sum(
        f.stat().st_size for f in MODELS.rglob("*") if f.is_file() and not f.is_symlink() and "training" not in f.parts
    )
    assert size <= 40e6
