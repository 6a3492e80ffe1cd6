# pyright: strict
"""The rows that the ledger's events become."""

from __future__ import annotations

from typing import Any

import pytest
from ledgers import group_summary, update_event

from cluster.tracking.rows import UpdateRows


def test_a_row_speaks_of_the_groups_that_the_update_trained():
    rows = UpdateRows()
    assert rows.take({"kind": "group", "index": 2, **group_summary(5.0)}) is None
    row = rows.take(update_event(1, 10.0, group_summary(1.0), group_summary(2.0), loss=0.1))
    assert row is not None
    assert row["judge/clip"] == pytest.approx(1.5)
    assert row["images"] == 8
    assert row["seconds/rolling"] == pytest.approx(4.0)
    assert row["loss"] == 0.1
    assert "images_per_s" not in row
    second = rows.take(
        update_event(2, 14.0, group_summary(9.0), group_summary(11.0)),
        crew=[{"elapsed_s": 5.0, "idle_share": 0.25}, {"elapsed_s": 5.0, "idle_share": 0.75}],
    )
    assert second is not None
    assert second["judge/clip"] == pytest.approx(10.0)
    assert second["images"] == 16
    assert second["images_per_s"] == pytest.approx(8 / 4)
    assert second["idle/actors"] == pytest.approx(0.5)


def test_wall_seconds_are_those_between_updates_whenever_the_rows_are_made_and_never_span_a_break():
    rows = UpdateRows()
    rows.take({"kind": "resume", "version": 0})
    taken = [rows.take(update_event(n, at)) for n, at in ((1, 100.0), (2, 103.0), (3, 110.0))]
    rows.take({"kind": "rollback", "version": 2})
    taken += [rows.take(update_event(n, at)) for n, at in ((3, 200.0), (4, 204.0))]
    assert [row and row.get("seconds/wall") for row in taken] == [None, 3.0, 7.0, None, 4.0]


def test_a_row_has_the_mean_number_of_replicas_since_the_row_before():
    rows = UpdateRows()
    for number in (1, 1, 3, 3):
        rows.count({"slow": number})
    first, second = rows.take(update_event(1, 1.0)), rows.take(update_event(2, 2.0))
    assert first is not None
    assert second is not None
    assert first["slow/replicas"] == 2.0
    assert second["slow/replicas"] == 3.0


def test_a_row_says_how_the_judges_answer_all_actors_together():
    def actor(**judges: tuple[int, int, int, float]) -> dict[str, Any]:
        keys = ("calls", "failed", "pushed_back", "p95_s")
        return {"judges": {name: dict(zip(keys, seen, strict=True)) for name, seen in judges.items()}}

    crew = [actor(slow=(30, 3, 60, 2.5), new=(0, 0, 0, 0.0)), actor(slow=(10, 0, 0, 4.0)), {}]
    row = UpdateRows().take(update_event(1, 1.0), crew)
    assert row is not None
    assert {key: row[key] for key in row if key.startswith(("slow", "new"))} == {
        "slow/p95_s": 4.0,
        "slow/failed_share": pytest.approx(3 / 40),
        "slow/pushed_back_share": pytest.approx(60 / 40),
    }


def test_metrics_are_means_over_groups_and_missing_ones_are_left_out():
    rows = UpdateRows(images=100)
    groups = (
        group_summary(**{"heldout/animal": 1.0, "heldout/diversity": 0.4}),
        group_summary(**{"heldout/animal": 0.5}),
    )
    row = rows.take(update_event(1, 1.0, *groups))
    assert row is not None
    assert row["heldout/animal"] == pytest.approx(0.75)
    assert row["heldout/diversity"] == pytest.approx(0.4)
    assert row["images"] == 108


def test_updates_that_a_resumed_ledger_repeats_have_no_rate_over_the_time_between():
    rows = UpdateRows()
    taken = [
        rows.take(event)
        for event in (
            update_event(1, 10.0, group_summary(), group_summary()),
            update_event(2, 14.0, group_summary(), group_summary()),
            {"kind": "resume", "version": 2, "time": 9000.0},
            update_event(3, 9010.0, group_summary(), group_summary()),
            update_event(4, 9018.0, group_summary(), group_summary()),
        )
    ]
    assert [row and row.get("images_per_s") for row in taken] == [None, 2.0, None, None, 1.0]


def test_groups_in_the_checkpoint_of_an_earlier_release_are_read():
    earlier = group_summary(**{"heldout/animal": 0.5})
    earlier["figures"] = earlier.pop("metrics")
    row = UpdateRows().take(update_event(1, 1.0, earlier))
    assert row is not None
    assert row["heldout/animal"] == 0.5


def test_pictures_of_a_data_set_are_counted_where_there_are_no_groups():
    rows = UpdateRows(images=10)
    first = rows.take({**update_event(1, 10.0), "groups": [], "pictures": 8.0})
    second = rows.take({**update_event(2, 12.0), "groups": [], "pictures": 8.0})
    assert first is not None
    assert second is not None
    assert (first["images"], second["images"], second["images_per_s"]) == (18, 26, 4.0)
    assert "pictures" not in first
