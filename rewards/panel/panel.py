"""The panel: one reward of many judges' verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewards.arrays import BoolArray, Float32Array
from rewards.config import RewardsConfig
from rewards.errors import JudgeFailed
from rewards.panel.composition import Composition, weighted_sum
from rewards.panel.gate import Gated, passes
from rewards.verdict import Verdict

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class PanelResult:
    """Rewards of `n` pictures of one prompt, and why some have none.

    rewards  `[n]` float32; NaN where unscored, never zero, and finite where scored
    scored   `[n]` bool; only these pictures may be trained on
    scores   judge name → `[n]` float32, NaN where that judge gave no number; audit judges too
    reasons  why pictures are unscored or a judge is missing, each reason once with its count
    gated    what the gates decided; already applied to `rewards`
    metrics  `JUDGE/gate_share`: the share of pictures that passed a judge's gate
    """

    rewards: Float32Array
    scored: BoolArray
    scores: Mapping[str, Float32Array]
    reasons: dict[str, int]
    gated: Gated
    metrics: dict[str, float]


class Panel:
    """Combines the verdicts on one group into one reward a picture. Audit judges are reported and never counted.

    The order, for every picture:

    1. A judge whose `applies_if` does not hold for the prompt is left out. A verdict that is not `ok` has no value.
    2. `on_error` of each judge: drop leaves the picture unscored, renormalise leaves the judge out, stop ends the run.
    3. `gate` of each judge tests that judge's own number. A gate without a number leaves the picture unscored.
    4. `normalise`, then `clip`, each judge by itself.
    5. `weight`: the weighted sum; weights are renormalised over the judges that gave a value.
    6. Penalties of failed gates are subtracted; then a failed gate's fixed reward replaces the sum.
    7. The reward is compared with others: the advantage (`learner.algorithm.advantage`).

    Under `aggregate: advantage` the values of step 4 are compared within their group before step 5, and the penalised
    sum of those advantages within the batch after step 6 (`learners/maths/advantages.py`).

    Steps 1 to 3 are this class's. It also takes 4 to 6 where `normalise` is none or affine, which needs no other value:
    that gives the reward that the curves show, with a level that can rise. Where values are compared with others, the
    learner takes steps 4 to 6 over the whole batch in index order (`learners/maths/advantage_estimator.py`): statistics
    that live on must not depend on which group arrived first.

    Invariant: a picture is scored if and only if its reward is finite, and nothing but `ok` verdicts is in it.
    """

    def __init__(self, config: RewardsConfig) -> None:
        self._config = config
        self._composition = Composition(config)

    def score(
        self, verdicts: Mapping[str, Sequence[Verdict]], n: int, metadata: Mapping[str, Any] | None = None
    ) -> PanelResult:
        """The reward of `n` pictures of one prompt, whose metadata this is, from `n` verdicts of each judge.

        A judge that is missing, or has another number of verdicts than n, has failed for all n: which verdict belongs
        to which picture cannot be known. Raises JudgeFailed under `on_error: stop`.
        """
        scores = {name: np.full(n, np.nan, np.float32) for name in self._config.judges}
        reasons: dict[str, int] = {}
        metrics: dict[str, float] = {}
        scored, gated, asked = np.ones(n, bool), Gated.open(n), False
        for name, judge in self._config.judges.items():
            if not judge.applies_to(metadata or {}):
                continue
            its = verdicts.get(name, ())
            if len(its) != n:
                its = [Verdict(name, "error", text=f"{len(its)} verdicts for {n} pictures")] * n
            scores[name] = np.array([_number(verdict) for verdict in its], np.float32)
            _count(reasons, [_why_missing(name, verdict) for verdict in its if verdict.status != "ok"])
            if judge.role == "audit":
                continue
            asked |= judge.role == "train"
            policy = self._config.on_error_of(name)
            errors = [verdict for verdict in its if verdict.status == "error"]
            if errors and policy == "stop":
                raise JudgeFailed(f"judge {name} failed: {errors[0].text or 'no reason given'} (on_error: stop)")
            if policy != "renormalise":
                scored &= np.isfinite(scores[name])
            if judge.gate is not None:
                passed = passes(judge.gate, its)
                known, failed = np.isfinite(passed), passed == 0
                blind = sum(v.status == "ok" and not k for v, k in zip(its, known, strict=True))
                _count(reasons, [f"{name}: no {judge.gate.score or 'value'} for its gate"] * blind)
                scored &= known
                if judge.gate.on_fail == "drop":
                    scored &= ~failed
                    _count(reasons, [f"{name}: gate"] * int(failed.sum()))
                gated = gated.closed(judge.gate, failed)
                if known.any():
                    metrics[f"{name}/gate_share"] = float(passed[known].mean())
        if not asked:
            _count(reasons, ["no train judge applies to the prompt"] * n)
        sums = weighted_sum(self._composition.plain(scores), self._composition.weights)
        rewards = gated.apply(sums)
        # A sum beyond float32 is no reward either.
        rewards = np.where(scored & (np.abs(rewards) <= LARGEST), rewards, np.nan).astype(np.float32)
        return PanelResult(rewards, np.isfinite(rewards), scores, reasons, gated, metrics)


def _number(verdict: Verdict) -> float:
    value = verdict.value if verdict.status == "ok" else None
    return value if value is not None and abs(value) <= LARGEST else math.nan


def _why_missing(name: str, verdict: Verdict) -> str:
    return f"{name}: {verdict.status}" + (f" ({verdict.text[:200]})" if verdict.text else "")


def _count(reasons: dict[str, int], more: Sequence[str]) -> None:
    for reason in more:
        reasons[reason] = reasons.get(reason, 0) + 1
