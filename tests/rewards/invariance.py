"""What every judge must keep: a verdict does not depend on the batch that the picture came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from rewards.judge import Judge
from rewards.verdict import Verdict


def assert_batch_invariant(
    judge: Judge,
    images: np.ndarray,
    prompts: Sequence[str],
    metadata: Sequence[Mapping[str, Any]] | None = None,
    tolerance: float = 0.0,
) -> list[Verdict]:
    """The verdicts on `images`, which must be the same one by one, in pieces of 3, shuffled, and when asked again.

    `tolerance` is for models whose float32 sums run in another order in another batch; 0 means bit for bit.
    """
    facts = metadata if metadata is not None else [{} for _ in prompts]

    def told(places: Sequence[int]) -> list[Verdict]:
        return judge.judge(images[list(places)], [prompts[i] for i in places], [facts[i] for i in places])

    n = len(images)
    whole = told(range(n))
    order = np.random.default_rng(1).permutation(n).tolist()
    shuffled = told(order)
    for other in (
        [told([i])[0] for i in range(n)],
        [verdict for i in range(0, n, 3) for verdict in told(range(i, min(i + 3, n)))],
        [shuffled[order.index(i)] for i in range(n)],
        told(range(n)),
    ):
        assert len(other) == n
        for a, b in zip(whole, other, strict=True):
            assert (a.status, a.text, a.version, a.truncated) == (b.status, b.text, b.version, b.truncated)
            assert a.value == (b.value if tolerance == 0 else pytest.approx(b.value, abs=tolerance))
            assert a.scores == (b.scores if tolerance == 0 else pytest.approx(b.scores, abs=tolerance))
            assert [label for label, _ in a.boxes] == [label for label, _ in b.boxes]
            np.testing.assert_allclose([box for _, box in a.boxes], [box for _, box in b.boxes], atol=tolerance, rtol=0)
    assert judge.judge(images[:0], [], []) == []
    return whole
