"""What is put on record of a judged group, and which of its pictures are kept."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from actors.audit import Auditor, JudgedPicture, thumbnails_for
from actors.config import AuditConfig
from actors.ticket import Ticket
from rewards.verdict import Verdict

TICKET = Ticket(7, 3, 0, "a red cat", (1, 2, 3), 0)


def told(judge: str, *values: float | None) -> list[Verdict]:
    heat = {"artifact": np.ones((8, 8), np.float32)}
    return [
        Verdict(judge, "abstain" if v is None else "ok", v, text=f"{judge} {v}", heatmaps=heat, version="abc")
        for v in values
    ]


def test_a_group_is_recorded_with_hashes_values_and_thumbnails_of_what_matters() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    verdicts = {"clip": told("clip", 1, 2, 3), "art": told("art", 3, 2, 1), "held": told("held", None, 0, 1)}
    auditor = Auditor(AuditConfig(best=1, worst=0, disputed=0, sample=0), ["clip", "art"])
    pictures = auditor.record(TICKET, 5, images, verdicts, np.array([0.5, np.nan, 0.1], np.float32))
    assert [p.image for p in pictures] == [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    assert [(p.ticket, p.sample, p.version, p.prompt) for p in pictures] == [(7, i, 5, "a red cat") for i in range(3)]
    assert [p.reward for p in pictures] == [0.5, None, pytest.approx(0.1)]
    assert [p.disagreement for p in pictures] == [1.0, 0.0, 1.0]
    assert pictures[0].verdicts["held"] == replace(verdicts["held"][0], heatmaps={})
    assert [p.thumbnail is not None for p in pictures] == [True, False, False]
    assert pictures[0].thumbnail is not None
    suffix, content = pictures[0].thumbnail
    assert suffix == "png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), images[0])


def test_a_judge_with_another_number_of_verdicts_is_left_out() -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    verdicts = {"clip": told("clip", 1, 2), "art": told("art", 3)}
    pictures = Auditor(AuditConfig(), ["clip", "art"]).record(TICKET, 0, images, verdicts, np.full(2, np.nan))
    assert [set(p.verdicts) for p in pictures] == [{"clip"}, {"clip"}]
    assert [p.disagreement for p in pictures] == [None, None]


@st.composite
def judged(draw: st.DrawFn) -> list[JudgedPicture]:
    number = st.one_of(st.none(), st.floats(0, 1))
    rows = draw(st.lists(st.tuples(number, number), max_size=24))
    names = draw(st.permutations([f"{i:02x}" for i in range(len(rows))]))
    return [JudgedPicture(n, "", 0, 0, 0, {}, *row) for n, row in zip(names, rows, strict=True)]


@given(judged(), st.integers(1, 6), *(st.integers(0, 3) for _ in range(4)))
def test_the_choice_is_bounded_and_can_be_made_in_parts(
    pictures: list[JudgedPicture], size: int, best: int, worst: int, disputed: int, sample: int
) -> None:
    config = AuditConfig(best=best, worst=worst, disputed=disputed, sample=sample)
    whole = thumbnails_for(pictures, config)
    assert len(whole) <= best + worst + disputed + sample
    groups = [pictures[i : i + size] for i in range(0, len(pictures), size)]
    assert thumbnails_for([p for g in groups for p in g if p.image in thumbnails_for(g, config)], config) == whole
