"""The training loop of the small models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from menagerie.training.fit import FLOOR, Matrices, fit, schedule


def small(last: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 24, 1), nn.Flatten(), nn.Linear(96, 2)
    )
    return model.to(memory_format=torch.channels_last) if last else model


def loss_of(model: nn.Module):
    def loss(step: int) -> torch.Tensor:
        x = torch.randn(8, 16, 2, 2)  # fit seeds torch with the step
        return (model(x) - x.mean((1, 2, 3), keepdim=True)[:, :, 0, 0]).square().mean()

    return loss


class KilledError(Exception):
    pass


@pytest.mark.parametrize("muon", [0.0, 0.02])
@pytest.mark.parametrize("last", [False, True])
def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path, muon: float, last: bool):
    whole = small(last)
    fit(whole, loss_of(whole), steps=30, lr=1e-2, muon=muon, every=2, state=tmp_path / "whole.pt", say=lambda _: None)

    broken = small(last)
    inner = loss_of(broken)

    def dies(step: int) -> torch.Tensor:
        if step == 23:
            raise KilledError
        return inner(step)

    settings = {"steps": 30, "lr": 1e-2, "muon": muon, "every": 2, "state": tmp_path / "broken.pt"}
    with pytest.raises(KilledError):
        fit(broken, dies, **settings, say=lambda _: None)
    again, said = small(last), []
    fit(again, loss_of(again), **settings, say=said.append)
    assert said[0] == "continuing at step 20 of 30"
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("other", [{"steps": 8}, {"lr": 2e-2}])
def test_the_state_of_another_training_is_not_taken_for_this_one(tmp_path: Path, other: dict[str, float]):
    model, settings = small(), {"steps": 4, "lr": 1e-2, "state": tmp_path / "s.pt", "say": lambda _: None}
    fit(model, loss_of(model), **settings)
    with pytest.raises(ValueError, match=r"s\.pt is of another training, of 4 steps; delete it"):
        fit(model, loss_of(model), **(settings | other))


@pytest.mark.parametrize("muon", [0.0, 0.02])
def test_it_learns(tmp_path: Path, muon: float):
    model, losses = small(), []
    inner = loss_of(model)

    def loss(step: int) -> torch.Tensor:
        losses.append(value := inner(step))
        return value

    fit(model, loss, steps=200, lr=1e-2, muon=muon, state=tmp_path / "s.pt", say=lambda _: None)
    first, last = (torch.stack(part).mean().item() for part in (losses[:20], losses[-20:]))
    assert last < first / 2


def test_frozen_weights_stay_as_they_are(tmp_path: Path):
    model = small()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    fit(model, loss_of(model), steps=5, lr=1e-2, state=tmp_path / "s.pt", say=lambda _: None)
    assert torch.equal(model[0].weight, before)


def test_matrices_are_views_so_that_what_muon_moves_is_the_model():
    model = small(last=True)
    matrices = Matrices(dict(model.named_parameters()))
    assert set(matrices.weights) == {"0.weight", "2.weight"}  # the head has two rows: it stays with AdamW
    with torch.no_grad():
        for matrix in matrices.flat():
            matrix.fill_(0.5)
    assert (model[0].weight == 0.5).all()


def test_the_schedule_warms_up_and_ends_at_the_floor():
    assert schedule(0, 1000, 100) == pytest.approx(0.01, rel=0.05)
    assert schedule(99, 1000, 100) > 0.95
    assert schedule(1000, 1000, 100) == pytest.approx(FLOOR)
