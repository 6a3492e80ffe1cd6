"""NaN and infinity never become data: groups are dropped with the reason, and a policy that makes nothing else ends."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from local_services import LocalLedger, LocalWeights
from rolling import new_policy, rollout, run

from actors.config import SamplerConfig
from actors.diffusion.plain_sampler import PlainSampler
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from actors.error_budget import RolloutError
from actors.not_finite import NotFinite
from actors.ticket import Ticket

TICKET = Ticket(1, 0, 0, "a red cat", (1, 2), 0)


@pytest.fixture
def policy(tiny_policy_dir: Path) -> Policy:
    return new_policy(tiny_policy_dir)


def sampler(policy: Policy) -> Sampler:
    return Sampler(policy, SamplerConfig(steps=3, guidance=1.0))


@torch.no_grad()
def spoil(tensor: torch.Tensor, value: float = torch.nan) -> None:
    tensor.flatten()[0] = value


PARTS: dict[str, tuple[Callable[[Policy], torch.Tensor], str]] = {
    "autoencoder": (lambda policy: next(policy.pipe.vae.decoder.parameters()), "pictures are not finite though"),
    "network": (lambda policy: policy.network.conv_out.weight, "latents are not finite from step 1 of 3 on, in 2 of 2"),
    "adapter": (lambda policy: policy.trainable()[0], "latents are not finite from step 1 of 3 on, in 2 of 2"),
    "text encoder": (lambda policy: next(policy.pipe.text_encoder.parameters()), "latents are not finite from step 1"),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_spoiled_weight_is_noticed_where_it_shows_first(policy: Policy, part: str, value: float) -> None:
    weights, message = PARTS[part]
    if part == "text encoder":
        weights(policy).data.fill_(value)
    else:
        spoil(weights(policy), value)
    with pytest.raises(NotFinite, match=message) as error:
        sampler(policy).sample(TICKET, version=0)
    assert "policy.dtype float32" in str(error.value)
    with pytest.raises(NotFinite):
        sampler(policy).images(["a red cat"], [1])
    with pytest.raises(NotFinite, match="pictures are not finite with the pipeline's own settings"):
        PlainSampler(policy, max_batch=1).images(["a red cat"], [1])


def test_one_picture_of_several_is_counted(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    predict, steps = policy.predict, iter(range(3))

    def in_the_second_step(*arguments: object) -> torch.Tensor:
        output = predict(*arguments)  # type: ignore[arg-type]
        if next(steps) == 1:
            spoil(output[1])
        return output

    monkeypatch.setattr(policy, "predict", in_the_second_step)
    with pytest.raises(NotFinite, match="from step 2 of 3 on, in 1 of 2 pictures"):
        sampler(policy).sample(TICKET, version=0)


def test_a_group_that_is_not_finite_is_dropped_with_its_reason_and_drawn_from_other_seeds(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, calls = policy.pipeline.decode, iter(range(99))

    def once_spoiled(latents: torch.Tensor) -> torch.Tensor:
        return decode(latents) * (torch.nan if next(calls) == 1 else 1)

    monkeypatch.setattr(policy.pipeline, "decode", once_spoiled)
    zero, ledger = policy.adapter(0), LocalLedger()
    weights = LocalWeights(zero)
    actor = rollout(Sampler(policy, SamplerConfig(steps=2, guidance=1.0)), ledger, weights)
    asyncio.run(run(actor, ledger.learn(weights)))
    assert [reason.partition(" (")[0] for reason in ledger.drops] == ["not finite: pictures"]
    assert ledger.books.counts()["trained"] == 4
    spoiled = ledger.taken[1]
    again = next(ticket for ticket in ledger.taken[2:] if ticket.index == spoiled.index)
    assert set(again.seeds).isdisjoint(spoiled.seeds)


def test_a_policy_that_draws_nothing_finite_ends_its_actor_with_one_line(policy: Policy) -> None:
    spoil(next(policy.pipe.vae.decoder.parameters()))
    ledger = LocalLedger()
    actor = rollout(Sampler(policy, SamplerConfig(steps=2, guidance=1.0)), ledger, same_error_limit=3)
    with pytest.raises(RolloutError, match=r"the same error 3 times .*NotFinite: pictures are not finite") as error:
        asyncio.run(asyncio.wait_for(actor.roll(), 30))
    assert "\n" not in str(error.value)
    assert [reason.partition(" (")[0] for reason in ledger.drops] == ["not finite: pictures"] * 3
    assert ledger.books.counts()["ready"] == 0


def test_the_error_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(NotFinite("latents", "from step 1 on")))
    assert (str(error), error.reason) == ("latents are not finite from step 1 on", "not finite: latents")


def test_what_is_finite_is_drawn_as_ever(policy: Policy) -> None:
    made = sampler(policy).sample(TICKET, version=0)
    assert np.isfinite(made.latents).all()
    assert np.isfinite(made.log_probs).all()
