# pyright: strict
"""Who draws what, whatever happens to the actors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.crew.health import CrewLost
from cluster.crew.picture_shares import DEPTH, PictureShares, cut


@given(st.integers(1, 100), st.integers(1, 5), st.integers(1, 40))
def test_parts_hold_every_picture_once_in_order_and_no_part_is_larger_than_a_batch(n: int, shares: int, batch: int):
    parts = cut(n, shares, batch)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(n))
    assert all(0 < part.stop - part.start <= batch for part in parts)


def test_the_parts_are_the_batches_that_one_actor_a_share_would_make():
    assert cut(10, 2, 4) == [slice(0, 4), slice(4, 5), slice(5, 9), slice(9, 10)]
    assert cut(1, 3, 4) == [slice(0, 1)]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_whoever_dies_all_is_drawn_and_nobody_has_more_than_its_share(data: st.DataObject):
    actors = ["a", "b", "c"]
    shares = PictureShares(cut(data.draw(st.integers(1, 30)), 3, 4), errors=1000, losses=1000)
    held: list[tuple[str, int]] = []
    for _ in range(30):
        if shares.done:
            break
        here = data.draw(st.lists(st.sampled_from(actors), min_size=1, unique=True))
        held += shares.hand_out(here, [actor for actor, _ in held])
        assert len({part for _, part in held}) == len(held), "no part is drawn twice at a time"
        assert all([actor for actor, _ in held].count(actor) <= DEPTH for actor in actors)
        fate = data.draw(st.lists(st.sampled_from(["done", "done", "lost", "failed", "draws"]), max_size=6))
        for what, (actor, part) in list(zip(fate, held, strict=False)):
            if what == "done":
                shares.answered(part, part)
            elif what == "lost":
                shares.lost(part, "a node")
            elif what == "failed":
                shares.failed(part, actor, "an error")
            if what != "draws":
                held.remove((actor, part))
    assert not shares.done or shares.answers == list(range(len(shares.answers)))


def test_a_part_that_failed_somewhere_is_tried_elsewhere_first():
    shares = PictureShares(cut(4, 1, 4), errors=3, losses=3)
    assert shares.hand_out(["a", "b"], []) == [("a", 0)]
    shares.failed(0, "a", "out of memory")
    assert shares.hand_out(["a", "b"], []) == [("b", 0)]
    shares.failed(0, "b", "out of memory")
    assert shares.hand_out(["a"], []) == [("a", 0)]
    with pytest.raises(CrewLost, match="the evaluation failed 3 times, the last at a: out of memory"):
        shares.failed(0, "a", "out of memory")


def test_pictures_that_kill_one_actor_after_another_end_the_run():
    shares = PictureShares(cut(4, 1, 4), errors=3, losses=2)
    shares.lost(0, "killed")
    with pytest.raises(CrewLost, match="2 actors died over the same pictures, the last: killed"):
        shares.lost(0, "killed")
