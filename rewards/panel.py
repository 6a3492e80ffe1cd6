# pyright: strict
"""The panel: many judges' verdicts made into one reward."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rewards.config import RewardsConfig
from rewards.verdict import Verdict

LARGEST = float(np.finfo(np.float32).max)


class JudgeFailed(RuntimeError):  # noqa: N818 - it names what happened, not a kind of error
    """A train judge could not answer, and `on_error: stop` says that this ends the run."""


@dataclass(frozen=True, slots=True)
class PanelResult:
    """What the panel makes of `n` pictures.

    rewards  `[n]` float32; NaN where unscored, never zero, and finite where scored
    scored   `[n]` bool; only these pictures may be trained on
    scores   judge name → `[n]` float32, NaN where that judge gave no number; audit judges too
    texts    judge name → `n` raw answers, for judges that answer in words
    reasons  why pictures are unscored or a judge is missing, each reason once with its count
    """

    rewards: np.ndarray
    scored: np.ndarray
    scores: dict[str, np.ndarray]
    texts: dict[str, tuple[str, ...]]
    reasons: dict[str, int]


class Panel:
    """Adds up the train judges' values, each times its weight. Audit judges are reported and never counted.

    Invariant: a picture is scored if and only if its reward is finite, and nothing but `ok` verdicts is in it.
    """

    def __init__(self, config: RewardsConfig) -> None:
        self._judges = tuple(config.judges)
        self._weights = {name: judge.weight for name, judge in config.judges.items() if judge.role == "train"}
        self._on_error = config.on_error

    def score(self, verdicts: Mapping[str, Sequence[Verdict]], n: int) -> PanelResult:
        """The reward of `n` pictures from `n` verdicts of each judge.

        A judge that is missing, or has another number of verdicts than n, has failed for all n: which verdict belongs
        to which picture cannot be known. Raises JudgeFailed under `on_error: stop`.
        """
        values: dict[str, np.ndarray] = {}
        texts: dict[str, tuple[str, ...]] = {}
        reasons: dict[str, int] = {}
        for name in self._judges:
            given = verdicts.get(name, ())
            if len(given) != n:
                given = [Verdict(name, "error", text=f"{len(given)} verdicts for {n} pictures")] * n
            values[name] = np.array([_number(verdict) for verdict in given], np.float32)
            if any(verdict.text for verdict in given):
                texts[name] = tuple(verdict.text for verdict in given)
            for verdict in given:
                if verdict.status != "ok":
                    reason = f"{name}: {verdict.status}"
                    if verdict.status == "error":
                        reason += f" ({verdict.text[:200]})"
                    reasons[reason] = reasons.get(reason, 0) + 1
                if verdict.status == "error" and name in self._weights and self._on_error == "stop":
                    raise JudgeFailed(
                        f"judge {name} failed: {verdict.text or 'no reason given'} (rewards.on_error: stop)"
                    )
        rewards = self._weighted_sum(values, n)
        return PanelResult(rewards, np.isfinite(rewards), values, texts, reasons)

    def _weighted_sum(self, values: Mapping[str, np.ndarray], n: int) -> np.ndarray:
        weights = np.array(list(self._weights.values()), np.float64)[:, None]
        matrix = np.stack([values[name] for name in self._weights]).astype(np.float64)
        known = np.isfinite(matrix)
        total: np.ndarray = np.sum(weights * np.where(known, matrix, 0.0), axis=0)
        if self._on_error == "renormalise":
            # Those that answered carry the whole weight: their weighted mean stands in for the missing.
            present: np.ndarray = np.sum(weights * known, axis=0)
            total = np.where(known.all(0), total, total * weights.sum() / np.maximum(present, weights.min()))
            enough = known.any(0)
        else:
            enough = known.all(0)
        # A sum beyond float32 is no reward either.
        return np.where(enough & (np.abs(total) <= LARGEST), total, np.nan).astype(np.float32)


def _number(verdict: Verdict) -> float:
    value = verdict.value if verdict.status == "ok" else None
    return value if value is not None and abs(value) <= LARGEST else math.nan
