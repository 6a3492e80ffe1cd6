"""The recipe of the rich-feedback model: its loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from few_steps import assert_learns

from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.rated_pictures import RatedPictures
from menagerie.recipes.rich import RahfTraining, build


@pytest.mark.parametrize("heads", ["seven", "augmented"])
def test_a_few_steps_on_few_records_lower_the_loss(rated: RatedPictures, heads):
    model, tokenizer = build(heads)
    training = RahfTraining(model, rated, tokenizer)
    assert_learns(training, lambda: training.loss(np.arange(4)), steps=6)
    assert (training.words >= 0).any(1).all()
    squares = training.loss(np.arange(4)).item()
    training.entropy = 3.0
    prompts = training.prompts
    with torch.no_grad():
        maps = model(as_tensor(rated.pixels[:4]), prompts.input_ids[:4], prompts.attention_mask[:4]).heatmaps
    truth = torch.from_numpy(rated.maps[:4]) / 255
    entropy = -(truth * maps.log() + (1 - truth) * (1 - maps).log()).mean().item()
    assert training.loss(np.arange(4)).item() - squares == pytest.approx(3 * entropy, rel=0.05)
