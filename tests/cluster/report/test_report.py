from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cluster.report.chart import line_chart, nice_ticks
from cluster.report.curve import Line, read_number, running_mean
from cluster.report.grid import SampleGrid
from cluster.report.report import _commands, data_uri, write_report
from cluster.report.run_charts import judge_charts, machinery_charts
from cluster.tracking.history import RunHistory
from cluster.tracking.judges import RunJudges


class Page(HTMLParser):
    """The text of a page, the tags that were opened, and what they point to."""

    VOID = frozenset({"meta", "img", "link", "br", "input", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.links, self.open = "", [], [], []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data


def page(run: Path) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def words(run: Path) -> str:
    return " ".join(page(run).text.split())


def test_the_page_needs_nothing_but_itself(run: Path) -> None:
    made = page(run)
    assert not made.open, "every tag is closed"
    assert made.links
    assert all(link.startswith("data:image/") for link in made.links)
    assert not {"script", "link", "iframe"} & set(made.tags)
    assert "http" not in made.text
    assert "url(" not in (run / "report.html").read_text()


def test_the_page_tells_the_run(run: Path) -> None:
    text = words(run)
    assert "60 updates · 3,840 images" in text
    assert re.search(r"60 → 83 % of 128 pictures are free of artifacts", text)
    assert "+22.7 points" in text
    assert "✓ within −3 points" in text
    assert "✗ beyond −3 points" in text, "the setting was recognised 6 points less often"
    assert "actor died 1, unscored 2" in text
    assert re.search(r"unaccounted [\d.]+ %", text)
    assert "salon train --resume" in text
    assert "groups_per_update: 8" in text
    assert "may have hacked" not in text
    for title in ("Train reward", "Held-out judge, fixed prompts and seeds", "Judge: clip", "Lag", "Clip fraction"):
        assert title in text


def test_pictures_are_shown_pixel_for_pixel_before_and_after(run: Path) -> None:
    shown = [np.asarray(Image.open(BytesIO(b64decode(link.partition(",")[2])))) for link in page(run).links]
    before, after = (SampleGrid.load(run / "pictures", when) for when in ("before", "after"))
    assert before is not None
    assert after is not None
    assert len(shown) == 6 * 4 * 2
    assert np.array_equal(np.stack(shown[:4]), before.images[0])
    assert np.array_equal(np.stack(shown[4:8]), after.images[0])


def test_a_hacked_run_is_called_one(make_run: Callable[..., Path]) -> None:
    text = words(make_run(hacked=True))
    assert "This may be reward hacking. Between" in text
    assert re.search(r"the train reward rose from [\d.]+ to [\d.]+ while heldout/animal fell", text)
    assert "−39.8 points" in text


@pytest.mark.parametrize("updates", [0, 1, 2, 13])
def test_a_run_that_has_only_begun_has_a_page_too(make_run: Callable[..., Path], updates: int) -> None:
    text = words(make_run(updates=updates, pictures=False))
    assert f"{updates} of 60 updates, not finished" in text
    assert ("No updates yet" in text) is False or updates == 0


def test_what_a_user_wrote_is_shown_and_not_run(make_run: Callable[..., Path]) -> None:
    run = make_run(updates=2)
    config = run / "config.yaml"
    config.write_text(config.read_text() + "# <script>alert(1)</script>\n")
    assert "script" not in page(run).tags
    assert "<script>alert(1)</script>" in page(run).text


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape(f"{tmp_path}: there is no config.yaml")):
        write_report(tmp_path)


def test_large_pictures_travel_as_thumbnails() -> None:
    uri = data_uri(np.full((512, 768, 3), 200, dtype=np.uint8))
    thumbnail = Image.open(BytesIO(b64decode(uri.partition(",")[2])))
    assert uri.startswith("data:image/webp")
    assert thumbnail.size == (192, 128)


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


@given(
    st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=80),
    st.booleans(),
    st.booleans(),
)
def test_every_curve_is_drawn_inside_its_frame(values: list[float], percent: bool, zero: bool) -> None:
    spread = [abs(value) / 3 for value in values]
    svg = ElementTree.fromstring(
        line_chart([Line("a & b", range(len(values)), values, 2, spread)], percent=percent, zero=zero)
    )
    width, height = (float(part) for part in svg.attrib["viewBox"].split()[2:])
    numbers = [float(x) for path in svg.iter("path") for x in re.findall(r"-?[\d.]+", path.attrib["d"])]
    assert all(0 <= x <= width for x in numbers[::2])
    assert all(0 <= y <= height for y in numbers[1::2])


def test_a_run_of_ten_thousand_updates_makes_no_heavy_chart() -> None:
    values = np.random.default_rng(0).random(10_000).tolist()
    assert len(line_chart([Line("reward", range(1, 10_001), values, 1, values)])) < 40_000


def test_gates_caches_and_replicas_have_a_curve_for_each_judge() -> None:
    rows = [
        {
            "update": i,
            "safe/gate_share": 0.9,
            "clip/cache_share": i / 10,
            "slow/replicas": 1.0 + i,
            "slow/p95_s": 2.0 * i,
            "slow/failed_share": 0.05 * (i > 2),
            "clip/failed_share": 0.0,
            "clip/replicas": 1.0,
        }
        for i in (1, 2, 3)
    ]
    history = RunHistory(rows)
    charts = {chart.title: chart for chart in [*judge_charts(history, RunJudges()), *machinery_charts(history)]}
    assert [label for label, *_ in charts["Pictures that pass the gate"].legend] == ["safe"]
    assert charts["Verdicts remembered"].legend[0][:2] == ("clip", "30 %")
    assert [label for label, *_ in charts["Seconds until a judge answers"].legend] == ["slow"]
    assert charts["Questions that failed"].legend[0][:2] == ("slow", "5 %")
    assert len(charts["Questions that failed"].legend) == 1  # a judge that never failed needs no curve
    # A judge whose replicas stay as many as they were needs no curve.
    assert charts["Replicas"].legend[0][:2] == ("slow", "4")
    assert len(charts["Replicas"].legend) == 1


def test_a_judges_curve_says_what_its_part_in_the_reward_is() -> None:
    rows = [{"update": i, "judge/clip": 0.1 * i, "judge/safe": 0.9, "judge/far": -0.3 * i} for i in (1, 2, 3)]
    charts = judge_charts(RunHistory(rows), RunJudges({"clip": "train", "safe": "gate", "far": "audit"}))
    notes = {chart.title: chart.note for chart in charts if chart.title.startswith("Judge: ")}
    assert notes["Judge: clip"] == "Part of the reward."
    assert notes["Judge: safe"] == "Only its gate counts."
    assert notes["Judge: far"] == "Watches only: never in the reward."


def test_nothing_to_draw_is_no_chart() -> None:
    assert line_chart([Line("empty", [], [])]) == ""


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ticks_reach_around_what_they_measure(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span)
    slack = 1e-6 * max(abs(low), span, 1e-12)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack
    assert 2 <= len(ticks) <= 8


def test_a_running_mean_of_a_constant_is_that_constant() -> None:
    assert running_mean([3.0] * 50) == pytest.approx([3.0] * 50)


@pytest.mark.parametrize(
    ("value", "percent", "read"),
    [(0.25, False, "0.25"), (3840, False, "3,840"), (1.5e-4, False, "1.5e-4"), (0.3, True, "30 %"), (0, False, "0")],
)
def test_numbers_are_read_as_a_person_writes_them(value: float, percent: bool, read: str) -> None:
    assert read_number(value, percent) == read


@pytest.mark.parametrize("model", ["policy", "flow"])
def test_the_page_says_how_plain_diffusers_loads_each_kind_of_policy(tmp_path: Path, model: str) -> None:
    (tmp_path / "lora").mkdir()
    folder = Path(__file__).parents[3] / "menagerie" / "models" / model
    told = dict(_commands(tmp_path, {"policy": {"model": str(folder)}}))["Draw with the trained policy"]
    *loading, lora = told.splitlines()
    found: dict[str, Any] = {}
    exec("\n".join(loading), found)
    assert type(found["pipe"]).__name__ == json.loads((folder / "model_index.json").read_text())["_class_name"]
    assert lora == f'pipe.load_lora_weights("{tmp_path / "lora"}")'
