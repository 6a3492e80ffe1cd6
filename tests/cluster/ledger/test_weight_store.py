# pyright: strict
"""The weight store keeps versions in order."""

from __future__ import annotations

import numpy as np
import pytest

from actors.adapter import Adapter
from cluster.ledger.weight_store import WeightStore


def adapter(version: int, value: float = 0.0) -> Adapter:
    return Adapter.pack(version, {"a": np.full(3, value)})


def test_an_empty_store_has_neither_adapter_nor_version() -> None:
    store = WeightStore()
    assert (store.latest(), store.version) == (None, None)


def test_evaluations_take_what_was_published_for_them_and_else_what_is_newest() -> None:
    store = WeightStore()
    assert store.evaluated() is None
    average, newer = adapter(1, 0.5), adapter(2, 2.0)
    store.publish(adapter(1, 1.0), average)
    assert store.evaluated() is average
    store.publish(newer)
    assert store.evaluated() is store.latest() is newer


def test_versions_go_up_one_at_a_time_from_wherever_the_run_resumed() -> None:
    store = WeightStore()
    assert [store.publish(adapter(v)) for v in (7, 8, 9)] == [7, 8, 9]
    newest = store.latest()
    assert newest is not None
    assert newest.version == store.version == 9


@pytest.mark.parametrize("version", [6, 8, 10])
def test_going_back_and_skipping_are_refused_and_change_nothing(version: int) -> None:
    store = WeightStore()
    store.publish(adapter(8, 1.0))
    with pytest.raises(ValueError, match=f"cannot publish version {version} .* after version 8"):
        store.publish(adapter(version, 2.0))
    newest = store.latest()
    assert newest is not None
    assert newest.values[0] == 1.0


def test_publishing_the_newest_once_more_is_harmless() -> None:
    store = WeightStore()
    assert store.publish(adapter(3)) == store.publish(adapter(3)) == 3


def test_a_rollback_may_go_back_and_replace_the_weights_of_a_version() -> None:
    store = WeightStore()
    store.publish(adapter(5, 1.0))
    assert store.publish(adapter(5, 2.0), rollback=True) == 5
    assert store.publish(adapter(2), rollback=True) == 2
    assert store.publish(adapter(3)) == 3
