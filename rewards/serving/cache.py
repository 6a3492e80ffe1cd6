# pyright: strict
"""A judge's cache of verdicts."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rewards.arrays import ImageArray
from rewards.verdict import Verdict


class VerdictCache:
    """The verdicts on the `size` most recently used pictures (LRU); with size 0 it is off.

    A judge is a pure function of picture, prompt and version, and may read the prompt's metadata: all four are in the
    key. Errors are not cached, as they may pass.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._verdicts: OrderedDict[bytes, Verdict] = OrderedDict()

    @staticmethod
    def key(version: str, image: ImageArray, prompt: str, metadata: Mapping[str, Any]) -> bytes:
        """16 bytes of everything that a verdict of `version` may depend on; `image` `[H, W, 3]` uint8."""
        # JSON keeps the four apart, whatever they contain; metadata that JSON has no word for counts by its repr.
        text = json.dumps([version, prompt, list(image.shape), metadata], sort_keys=True, default=repr)
        return hashlib.blake2b(text.encode() + np.ascontiguousarray(image).tobytes(), digest_size=16).digest()

    def get(self, key: bytes) -> Verdict | None:
        """The cached verdict, with no latency; None if there is none."""
        verdict = self._verdicts.get(key)
        if verdict is None:
            return None
        self._verdicts.move_to_end(key)
        return replace(verdict, latency=0.0, remembered=True)

    def put(self, key: bytes, verdict: Verdict) -> None:
        """Caches a verdict, and evicts the least recently used if there are too many."""
        if verdict.status == "error":
            return
        self._verdicts[key] = verdict
        self._verdicts.move_to_end(key)
        if len(self._verdicts) > self.size:
            self._verdicts.popitem(last=False)
