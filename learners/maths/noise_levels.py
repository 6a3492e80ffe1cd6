"""Which noise levels pictures are trained at: a function of (seed, version, epoch, index) alone."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import model_validator

from learners.settings import Positive
from rewards.arrays import FloatArray, IntArray
from rewards.settings.section import Section

LEVELS = 1
"""Ends the key of the levels' generator. numpy takes (a, b) and (a, b, 0) for one seed, so it is not 0; and what else
is drawn for a group ends its key in another number."""


class NoiseLevels(Section):
    """How the noise levels of training are drawn, over the levels that the network was trained at."""

    kind: Literal["uniform", "logit_normal", "sampler"] = "uniform"
    """`uniform`: every level alike (DDPM, arXiv 2006.11239). `logit_normal`: mostly the middle ones, as Stable
    Diffusion 3 was trained (arXiv 2403.03206, section 3.1). `sampler`: only those at which the sampler's own steps
    begin, as DiffusionNFT is trained by its authors."""

    mean: float = 0.0
    """`logit_normal`: the mean of logit(t); higher means noisier"""

    std: Positive = 1.0
    """`logit_normal`: the deviation of logit(t)"""

    @model_validator(mode="after")
    def _of_the_kind(self) -> NoiseLevels:
        if self.kind != "logit_normal" and (extra := {"mean", "std"} & self.model_fields_set):
            raise ValueError(f"{' and '.join(sorted(extra))}: a setting of kind: logit_normal; this is {self.kind}")
        return self

    def draw(
        self, key: Sequence[int], samples: int, draws: int, levels: int, steps: Int[IntArray, " T"]
    ) -> Int[IntArray, "{samples} {draws}"]:
        """`draws` of the noise levels 0 to `levels` - 1 for each of a group's samples.

        key    seed, version, epoch and the group's index
        steps  the levels at which the sampler's steps begin

        The draws of a sample are stratified: one of each of `draws` equal parts of the distribution, in random order.
        """
        u = stratified(np.random.default_rng((*key, LEVELS)), samples, draws)
        if self.kind == "sampler":
            return np.sort(steps)[_cells(u, len(steps))]
        if self.kind == "logit_normal":
            normal = NormalDist(self.mean, self.std)
            u = 1 / (1 + np.exp(-np.vectorize(normal.inv_cdf)(np.clip(u, 1e-12, 1 - 1e-12))))
        return _cells(u, levels)


def stratified(rng: np.random.Generator, samples: int, draws: int) -> Float[FloatArray, "{samples} {draws}"]:
    """Numbers in [0, 1), uniform each; the `draws` of a sample lie in `draws` equal parts of it, one in each."""
    parts = rng.permuted(np.tile(np.arange(draws), (samples, 1)), axis=1)
    return (parts + rng.random((samples, draws))) / draws


def _cells(u: Float[FloatArray, "n m"], cells: int) -> Int[IntArray, "n m"]:
    """Which of so many equal parts of [0, 1) each number lies in."""
    return np.minimum((u * cells).astype(np.int64), cells - 1)
