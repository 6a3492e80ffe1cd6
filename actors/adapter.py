# pyright: strict
"""The adapter: all that changes in training, and all that travels from learner to actors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rewards.arrays import Float32Array


@dataclass(frozen=True, slots=True)
class Adapter:
    """Trained weights of one version: a flat float32 vector, and the names and shapes to cut it by.

    They are a LoRA's, or with `policy.train: full` all of the denoising network's. `version` counts published updates:
    version 0 is what training begins with, under which the policy is the base policy.
    """

    version: int
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    values: Float32Array

    @classmethod
    def pack(cls, version: int, tensors: Mapping[str, Float32Array]) -> Adapter:
        """An adapter from named arrays, in name order."""
        names = tuple(sorted(tensors))
        flat = [np.ascontiguousarray(tensors[name], dtype=np.float32) for name in names]
        values = np.concatenate([a.reshape(-1) for a in flat]) if flat else np.zeros(0, np.float32)
        return cls(version, names, tuple(a.shape for a in flat), values)

    def unpack(self) -> dict[str, Float32Array]:
        """Name → array, views into `values`."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        parts = np.split(self.values, np.cumsum(sizes)[:-1]) if sizes else []
        return {n: p.reshape(s) for n, p, s in zip(self.names, parts, self.shapes, strict=True)}

    def checksum(self) -> str:
        """Eight hex digits of the weights, to compare two adapters in a log or after a load."""
        return hashlib.sha256(self.values.tobytes()).hexdigest()[:8]
