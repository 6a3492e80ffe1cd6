"""Gates: conditions on one judge's number that a picture must fulfil, whatever its reward would be."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rewards.arrays import Array, BoolArray, FloatArray
from rewards.settings.panel import GateConfig
from rewards.verdict import Verdict

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Gated:
    """What the failed gates do to the rewards of pictures.

    fixed    `[...]` the reward of a picture instead of its sum, NaN where its sum stands; of several the least
    penalty  `[...]` what is subtracted from the sum, 0 or more; penalties of several gates add up
    """

    fixed: Array
    penalty: Array

    @classmethod
    def open(cls, n: int) -> Gated:
        """No gate has stopped any of `n` pictures."""
        return cls(np.full(n, np.nan), np.zeros(n))

    def closed(self, gate: GateConfig, failed: BoolArray) -> Gated:
        """These decisions and those of one more gate, which the pictures `failed` `[n]` did not pass."""
        amount = math.nan if gate.amount is None else gate.amount
        if gate.on_fail == "reward":
            return Gated(np.fmin(self.fixed, np.where(failed, amount, np.nan)), self.penalty)
        if gate.on_fail == "penalty":
            return Gated(self.fixed, self.penalty + np.where(failed, amount, 0.0))
        return self

    def apply(self, sums: FloatArray) -> FloatArray:
        """The rewards that become of `sums` `[...]`; a sum that is NaN stays so."""
        return np.where(np.isnan(self.fixed) | np.isnan(sums), sums - self.penalty, self.fixed)


def passes(gate: GateConfig, verdicts: Sequence[Verdict]) -> FloatArray:
    """1 where a verdict passes the gate, 0 where it fails, NaN where there is no number: `[n]`."""
    return np.array([_passes(gate, verdict) for verdict in verdicts], np.float64)


def _passes(gate: GateConfig, verdict: Verdict) -> float:
    if verdict.status != "ok":
        return math.nan
    number = verdict.value if gate.score is None else verdict.scores.get(gate.score)
    if number is None or not math.isfinite(number):
        return math.nan
    return float(OPERATORS[gate.op](number, gate.threshold))
