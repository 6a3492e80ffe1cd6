"""The recipe of the detector: its targets and its initial weights."""

from __future__ import annotations

import numpy as np
import torch

from menagerie.datasets.wide_pictures import WidePictures
from menagerie.recipes import detector


def test_each_thing_has_a_patch_of_its_own_near_its_middle(wide_pictures: WidePictures):
    spots = detector.PatchTargets(wide_pictures)
    for patches, boxes in zip(spots.patch, spots.boxes, strict=True):
        used = patches[patches >= 0]
        assert len(set(used.tolist())) == len(used)
        for patch, (x, y, _, _) in zip(used, boxes[patches >= 0], strict=True):
            row, column = divmod(int(patch), detector.GRID)
            assert np.hypot((column + 0.5) / detector.GRID - x, (row + 0.5) / detector.GRID - y) < 0.2
    middle = np.array([0.51, 0.51])
    assert detector.nearest_free(middle, set()) == 36
    assert detector.nearest_free(middle, {36}) in (35, 28)


def test_the_detector_begins_by_reporting_nothing_where_it_looks(wide_pictures: WidePictures):
    model, tokenizer = detector.build()
    texts = tokenizer(["a cat", "a red sign"], padding="max_length", max_length=detector.LENGTH, return_tensors="pt")
    pixels = torch.from_numpy(wide_pictures.pixels[:1]).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        out = model.eval()(pixel_values=pixels, **texts)
    assert out.logits.sigmoid().max() < 0.5
    assert torch.allclose(out.pred_boxes, model.box_bias.sigmoid()[None], atol=1e-4)
