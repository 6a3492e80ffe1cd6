# pyright: strict
from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.report.grid import SampleGrid
from cluster.report.report import data_uri, write_report


class Page(HTMLParser):
    """The text of a page, the tags that were opened, and what they point to."""

    VOID = frozenset({"meta", "img", "link", "br", "input", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
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
