# pyright: strict
"""Sample grids, on disk and as a sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.report.grid import SampleGrid


def test_a_grid_comes_back_from_disk_as_it_went(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(2, 3, 8, 10, 3), dtype=np.uint8)
    marks: list[list[bool | None]] = [[True, False, None], [None, True, False]]
    grid = SampleGrid(["a dog", "a ‘cat’"], images, [[1, 2, 3], [4, 5, 6]], [["", "blur", ""]] * 2, marks)
    sheet = grid.save(tmp_path, "before")
    again = SampleGrid.load(tmp_path, "before")
    assert again is not None
    assert np.array_equal(again.images, images)
    assert (again.prompts, again.seeds, again.clean) == (grid.prompts, grid.seeds, marks)
    assert sheet.name == "before.png"
    assert SampleGrid.load(tmp_path, "after") is None


def test_the_sheet_holds_every_picture_at_a_whole_scale() -> None:
    images = np.zeros((3, 2, 64, 64, 3), dtype=np.uint8)
    images[..., 1] = (np.arange(6, dtype=np.uint8) * 40 + 15).reshape(3, 2, 1, 1)
    prompts = ["a prompt far too long for the strip of two pictures that stand below it"] * 3
    sheet = np.asarray(SampleGrid(prompts, images, [[0, 1]] * 3, [["", ""]] * 3, [[None, None]] * 3).draw("before"))
    for green in range(15, 240, 40):
        found = (sheet == (0, green, 0)).all(axis=-1)
        assert found.sum() == 128 * 128
        assert np.ptp(np.nonzero(found)[0]) == np.ptp(np.nonzero(found)[1]) == 127


def test_a_grid_with_a_missing_seed_is_refused() -> None:
    images = np.zeros((1, 2, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="1 prompts × 2 pictures needs as many seeds"):
        SampleGrid(["a"], images, [[1]], [["", ""]], [[None, None]])
