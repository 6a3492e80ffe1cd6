"""The measures of heatmaps, against SciPy's and hand-made values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

from learners.judges.metrics.saliency import auc_judd, cc, kld, nss, saliency_metrics, sim

scipy_stats: Any = stats
TRUTH = np.array([[0, 0, 1], [0, 1 / 3, 0]])
"""Two fixations, one of them by all raters."""
PREDICTED = np.array([[0.1, 0.0, 0.9], [0.2, 0.3, 0.3]])


def test_values_by_hand():
    assert auc_judd(PREDICTED, TRUTH) == pytest.approx((4 + 3.5) / 8)  # 0.9 beats all four, 0.3 three and ties with one
    assert nss(PREDICTED, TRUTH) == pytest.approx((0.6 - 0.3) / PREDICTED.std())
    assert sim(PREDICTED, TRUTH) == pytest.approx(0.9 / 1.8 + 0.25 * (0.3 / 1.8) / 0.25)
    assert kld(TRUTH, TRUTH) == pytest.approx(0, abs=1e-5)
    assert sim(TRUTH, TRUTH) == pytest.approx(1)
    assert cc(TRUTH, TRUTH) == pytest.approx(1)
    assert cc(-TRUTH, TRUTH) == pytest.approx(-1)


def test_values_by_scipy():
    rng = np.random.default_rng(0)
    for _ in range(20):
        predicted, truth = rng.random((8, 8)), rng.random((8, 8)) * (rng.random((8, 8)) < 0.3)
        assert cc(predicted, truth) == pytest.approx(scipy_stats.pearsonr(predicted.ravel(), truth.ravel())[0])
        assert kld(predicted, truth) == pytest.approx(scipy_stats.entropy(truth.ravel(), predicted.ravel()), rel=1e-3)
        hit, miss = predicted[truth > 0], predicted[truth == 0]
        assert auc_judd(predicted, truth) == pytest.approx(
            scipy_stats.mannwhitneyu(hit, miss).statistic / (len(hit) * len(miss))
        )


@given(arrays(np.float64, (4, 4), elements=st.floats(0, 1)), st.floats(0.01, 100), st.floats(0, 10))
def test_scale_and_offset_do_not_matter_where_they_should_not(predicted: np.ndarray, scale: float, offset: float):
    predicted = predicted.round(3)
    truth = np.eye(4)
    assert sim(predicted * scale, truth) == pytest.approx(sim(predicted, truth), abs=1e-6)
    assert auc_judd(predicted * 4 + 1, truth) == auc_judd(predicted, truth)
    if predicted.std() > 1e-3:
        assert cc(predicted * scale + offset, truth) == pytest.approx(cc(predicted, truth), abs=1e-6)
        assert nss(predicted * scale + offset, truth) == pytest.approx(nss(predicted, truth), abs=1e-4)


def test_a_flat_map_knows_nothing():
    flat = np.full((2, 3), 0.4)
    assert cc(flat, TRUTH) == nss(flat, TRUTH) == 0
    assert auc_judd(flat, TRUTH) == 0.5
    assert sim(np.zeros((2, 3)), TRUTH) == pytest.approx(sim(flat, TRUTH))


def test_the_table_counts_empty_truths_apart():
    metrics = saliency_metrics([PREDICTED, np.full((2, 3), 0.1)], [TRUTH, np.zeros((2, 3))])
    assert metrics["CC"] == cc(PREDICTED, TRUTH)
    assert metrics["MSE (empty)"] == pytest.approx(0.01)
    assert metrics["MSE"] == pytest.approx((np.square(PREDICTED - TRUTH).mean() + 0.01) / 2)
    assert set(saliency_metrics([PREDICTED], [np.zeros((2, 3))])) == {"MSE", "MSE (empty)"}
    assert "MSE (empty)" not in saliency_metrics([PREDICTED], [TRUTH])
