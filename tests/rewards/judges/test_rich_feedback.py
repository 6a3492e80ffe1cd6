"""RAHF: its shapes, losses and files, the words it marks, and its judge, on random models of a few thousand weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from rewards.judges.rich_feedback import RichFeedbackConfig, RichFeedbackJudge
from rewards.models.misaligned_words import label_prompt, misaligned_words
from rewards.models.rahf import HEATMAPS, SCORES, TASKS, RahfConfig, RahfModel
from rewards.registry import judge_config


@pytest.fixture(params=["rahf_dir", "augmented_rahf_dir"])
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"pixel_values": torch.rand(3, 3, 32, 32) * 2 - 1, "input_ids": torch.randint(6, 20, (3, 7))}


def test_maps_and_scores_have_the_papers_shapes_and_losses_are_per_part(folder: Path):
    model = RahfModel.from_pretrained(folder).eval()
    labels = {"heatmaps": torch.rand(3, 2, 32, 32), "scores": torch.rand(3, 4), "words": torch.randint(6, 20, (3, 5))}
    out = model(**batch(), **labels)
    assert out.heatmaps.shape == (3, len(HEATMAPS), 32, 32)
    assert out.scores.shape == (3, len(SCORES))
    assert out.logits.shape[:2] == (3, 5)
    for values in (out.heatmaps, out.scores):
        assert 0 < values.min() < values.max() < 1
    assert out.heatmap_loss == torch.nn.functional.mse_loss(out.heatmaps, labels["heatmaps"])
    assert out.score_loss == torch.nn.functional.mse_loss(out.scores, labels["scores"])
    assert out.loss.item() == pytest.approx((out.heatmap_loss + out.score_loss + out.word_loss).item())
    assert model(**batch()).loss is None
    only = model(**batch(), scores=labels["scores"])
    assert only.loss == only.score_loss


def test_every_weight_learns(folder: Path):
    model = RahfModel.from_pretrained(folder).train()
    out = model(**batch(), heatmaps=torch.rand(3, 2, 32, 32), scores=torch.rand(3, 4), words=torch.full((3, 5), 7))
    out.loss.backward()
    still = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert still == []


def test_a_saved_model_is_the_same_model(folder: Path, tmp_path: Path):
    model = RahfModel.from_pretrained(folder).eval()
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    again = RahfModel.from_pretrained(tmp_path).eval()
    for a, b in zip(model.predict(**batch()), again.predict(**batch()), strict=True):
        assert torch.equal(a, b)


def test_the_variants_differ_in_heads_and_the_augmented_one_needs_its_tasks(folder: Path):
    model = RahfModel.from_pretrained(folder)
    heads = (len(model.heatmap_heads), len(model.score_heads))
    assert heads == ((2, 4) if model.config.heads == "seven" else (1, 1))
    out = model.eval()(**batch())
    assert not torch.allclose(out.heatmaps[:, 0], out.heatmaps[:, 1], atol=1e-7)
    with pytest.raises(ValueError, match="needs task_ids for every task"):
        RahfModel(RahfConfig(heads="augmented"))
    with pytest.raises(ValueError, match="no two alike"):
        RahfModel(RahfConfig(heads="augmented", task_ids={task: [2] for task in TASKS}))


def test_the_value_is_the_weighted_mean_of_the_scores(folder: Path, noise: np.ndarray):
    plain = RichFeedbackJudge("rich", RichFeedbackConfig(model=str(folder)))
    mixed = RichFeedbackJudge("rich", RichFeedbackConfig(model=str(folder), weights={"alignment": 1.0, "overall": 3.0}))
    (a,), (b,) = plain.judge(noise[:1], ["a green cat"]), mixed.judge(noise[:1], ["a green cat"])
    assert a.value == a.scores["overall"]
    assert b.value == pytest.approx((b.scores["alignment"] + 3 * b.scores["overall"]) / 4)
    assert set(a.heatmaps) == set(HEATMAPS)
    assert a.heatmaps["implausibility"].shape == (32, 32)
    assert plain.version != mixed.version
    (long,) = plain.judge(noise[:1], ["cat " * 40])
    assert long.truncated


@pytest.mark.parametrize("weights", [{}, {"overall": 0}, {"overall": 1, "alignment": -1}, {"beauty": 1}])
def test_weights_that_make_no_mean_are_refused(weights: dict):
    with pytest.raises(ValidationError, match="weights"):
        judge_config("rich_feedback", model="m", weights=weights)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a red_0 cat, on the_0 beach", ("red", "the")),
        ("a red _ 0 cat , on the beach", ("red",)),
        ("a red cat, on the beach", ()),
        ("a Red_0 cat_0 the beach_0", ("red", "cat,", "beach")),
        ("", ()),
        ("nonsense_0 cat_0", ("cat,",)),
    ],
)
def test_marked_words_are_found_in_the_prompt(text: str, words: tuple[str, ...]):
    assert misaligned_words("a red cat, on the beach", text) == words


def test_a_labelled_prompt_is_read_back():
    text = label_prompt("a cat and a cat", [False, False, False, True, True])
    assert text == "a cat and a_0 cat_0"
    assert misaligned_words("a cat and a cat", text) == ("a", "cat")


def test_an_untaught_model_sees_next_to_nothing_wrong_and_its_heads_pass_gradients_back(rahf_dir: Path):
    model = RahfModel(RahfConfig.from_pretrained(rahf_dir))
    grid = torch.randn(4, model.t5.config.d_model, model.grid, model.grid, requires_grad=True)
    assert model.heatmap_heads[0](grid).mean() < 0.05
    (gradient,) = torch.autograd.grad(model.score_heads[0](grid).sum(), grid)
    assert gradient.norm() > 1e-3
