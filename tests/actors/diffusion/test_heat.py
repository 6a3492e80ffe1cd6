# pyright: strict
"""Heatmaps at the size of the latents."""

from __future__ import annotations

import numpy as np
import pytest

from actors.diffusion.heat import latent_heat
from rewards.verdict import Verdict

HEAT = np.arange(16, dtype=np.float32).reshape(4, 4)


def verdict(heat: np.ndarray) -> Verdict:
    return Verdict("rich", "ok", value=0.5, heatmaps={"implausibility": heat.astype(np.float32)})


def test_a_latents_heat_is_the_mean_over_its_part_of_the_picture():
    (heat,) = latent_heat([verdict(HEAT)], "implausibility", (2, 2))
    assert heat.tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert heat.dtype == np.float32
    (uneven,) = latent_heat([verdict(np.array([[1, 2, 3]]))], "implausibility", (1, 2))
    assert uneven == pytest.approx(np.array([[4 / 3, 8 / 3]]))


@pytest.mark.parametrize("grid", [(4, 4), (8, 8), (3, 5), (1, 1), (6, 2)])
def test_the_mean_of_the_heat_stays_whatever_the_grid(grid: tuple[int, int]):
    (heat,) = latent_heat([verdict(HEAT)], "implausibility", grid)
    assert heat.shape == grid
    assert heat.mean() == pytest.approx(HEAT.mean())
    if grid == (8, 8):
        assert np.array_equal(heat, HEAT.repeat(2, 0).repeat(2, 1))


def test_a_judge_that_has_no_verdict_says_nothing_about_where():
    (heat,) = latent_heat([Verdict("rich", "error", text="late")], "implausibility", (2, 3))
    assert heat.tolist() == [[1.0] * 3] * 2


def test_a_verdict_without_the_heatmap_is_an_error_that_names_what_there_is():
    with pytest.raises(ValueError, match=r"credit\.heatmap: the judge rich gave no heatmap 'artifacts'; it gave impl"):
        latent_heat([verdict(HEAT)], "artifacts", (2, 2))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_a_heatmap_that_is_not_finite_or_negative_is_no_data(bad: float):
    with pytest.raises(ValueError, match="is not finite, or is below 0"):
        latent_heat([verdict(np.full((2, 2), bad))], "implausibility", (2, 2))
