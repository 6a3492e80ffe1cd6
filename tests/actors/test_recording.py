# pyright: strict
"""What a rollout keeps of its trajectories."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from actors.config import SamplerConfig
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from actors.recording import Recorder, Recording
from actors.ticket import Ticket
from actors.trajectory import Trajectories

TICKET = Ticket(1, 3, 0, "a red cat", (5, 6, 7), 0)
CONFIG = SamplerConfig(steps=4, guidance=2.0)


def made(policy: Policy, start: int, stop: int, config: SamplerConfig = CONFIG) -> Trajectories:
    return Sampler(policy, config, lambda _stochastic: Recording(start, stop)).sample(TICKET, 0)


@pytest.mark.parametrize(("start", "stop"), [(0, 4), (0, 2), (1, 3), (2, 4), (3, 3), (4, 4), (0, 0)])
def test_a_recorded_span_is_that_part_of_the_whole_trajectory_bit_for_bit(policy: Policy, start: int, stop: int):
    whole, part = Sampler(policy, CONFIG).sample(TICKET, 0), made(policy, start, stop)
    assert whole.span == range(4)
    assert part.span == range(start, stop)
    assert np.array_equal(part.latents, whole.latents[:, start : stop + 1])
    assert np.array_equal(part.log_probs, whole.log_probs[:, start:stop])
    assert np.array_equal(part.images, whole.images)
    assert np.array_equal(part.timesteps, whole.timesteps)
    assert part.latents.dtype == part.log_probs.dtype == np.float32
    assert all(array.flags.c_contiguous for array in (part.latents, part.log_probs))


def test_the_clean_latents_alone_are_an_empty_span_at_the_end(policy: Policy):
    whole = Sampler(policy, CONFIG).sample(TICKET, 0)
    clean = Sampler(policy, CONFIG, Recording.clean).sample(TICKET, 0)
    assert clean.latents.shape[1] == 1
    assert np.array_equal(clean.latents[:, -1], whole.latents[:, -1])
    assert clean.log_probs.shape == (3, 0)


def test_without_noise_a_picture_is_drawn_all_the_same_and_its_seed_decides(policy: Policy):
    still = SamplerConfig(steps=4, eta=0.0, guidance=2.0)
    first, again = (Sampler(policy, still, Recording.clean).sample(TICKET, 0) for _ in range(2))
    assert np.array_equal(first.latents, again.latents)
    assert not np.array_equal(first.latents[0], first.latents[1])
    assert not Sampler(policy, still).transition.stochastic.any()


def test_a_recording_weighs_what_it_keeps(policy: Policy):
    sent = [len(pickle.dumps(made(policy, *span).latents)) for span in ((0, 4), (0, 2), (4, 4))]
    assert sent[1] == pytest.approx(sent[0] * 3 / 5, rel=0.02)
    assert sent[2] == pytest.approx(sent[0] / 5, rel=0.05)


def test_recorders_travel_to_actors():
    recorders: list[Recorder] = [Recording.whole, Recording.clean]
    steps = np.ones(4, bool)
    assert [pickle.loads(pickle.dumps(r))(steps) for r in recorders] == [Recording(0, 4), Recording(4, 4)]
    assert len(Recording(1, 3)) == 2


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2)])
def test_what_is_no_span_is_refused(start: int, stop: int):
    with pytest.raises(ValueError, match="no span of a trajectory"):
        Recording(start, stop)


def test_a_group_whose_arrays_do_not_fit_its_span_is_refused(policy: Policy):
    good = made(policy, 1, 3)
    with pytest.raises(ValueError, match="not one group of trajectories"):
        Trajectories(TICKET, 0, good.latents, good.timesteps, good.log_probs, good.images, start=3)
    with pytest.raises(ValueError, match="not one group of trajectories"):
        Trajectories(TICKET, 0, good.latents[:, 1:], good.timesteps, good.log_probs, good.images, start=1)
