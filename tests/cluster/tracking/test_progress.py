# pyright: strict
from __future__ import annotations

import io

import pytest
from rich.console import Console

from cluster.tracking.progress import Progress, duration, plain_line, sparkline

ROW = {
    "kind": "update",
    "update": 12,
    "reward/mean": 0.4123,
    "reward/std": 0.108,
    "judge/heldout": 0.62,
    "judge/artifact": 0.9,
    "judge/clip": None,
    "lag/mean": 0.8,
    "lag/max": 1,
    "images": 1768,
    "images_per_s": 5.1,
    "idle/actors": 0.12,
    "idle/learner": 0.3,
    "dropped/actor died": 1,
    "dropped/unscored": 0,
}


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=110, color_system=None, legacy_windows=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_terminal_every_update_is_one_plain_line() -> None:
    out = console(terminal=False)
    with Progress("menagerie", 60, audit_judges=["heldout"], console=out) as progress:
        progress.note("serving 3 judges")
        progress.update(ROW)
        progress.update(ROW | {"update": 13})
        progress.alarm("Reward hacking?")
    first, second, third, last = written(out).splitlines()
    assert first == "serving 3 judges"
    assert second == (
        "update 12/60 · reward 0.412 ± 0.108 · artifact 0.900 · heldout 0.620 (watches only) · images 1,768 · "
        "images/s 5.10 · lag 0.8 (max 1) · idle actors 12% · idle learner 30% · dropped actor died 1"
    )
    assert third.startswith("update 13/60 · ")
    assert last == "Reward hacking?"
    assert "\x1b" not in written(out)


def test_square_brackets_in_a_note_are_printed_and_not_obeyed() -> None:
    out = console(terminal=False)
    with Progress("x", 1, console=out) as progress:
        progress.note("dropped [red] group [3]")
    assert written(out) == "dropped [red] group [3]\n"


def test_on_a_terminal_the_display_shows_everything_there_is() -> None:
    out = console(terminal=True)
    with Progress("menagerie", 60, audit_judges=["heldout"], console=out) as progress:
        for update in range(1, 13):
            progress.update(ROW | {"update": update, "reward/mean": update / 10})
        progress.alarm("Reward hacking?")
        for update in range(20):
            progress.note(f"checkpoint {update} written")
    final = written(out).rpartition("salon · menagerie")[2]
    for shown in ("12/60 updates", "1.200 ± 0.108", "artifact", "watches only", "▁▂▂▃▄▄▅▅▆▇▇█", "1,768", "5.10"):
        assert shown in final
    for shown in ("0.8 (max 1)", "12%", "30%", "actor died 1", "checkpoint 19 written", "Reward hacking?"):
        assert shown in final
    assert "checkpoint 15 written" not in final, "old notes go, alarms stay"


def test_the_time_left_is_reckoned_without_the_start() -> None:
    now = [0.0]
    out = console(terminal=False)
    progress = Progress("x", 10, console=out, clock=lambda: now[0])
    with progress:
        now[0] = 100.0  # models load
        progress.update(ROW | {"update": 1})
        now[0] = 120.0
        progress.update(ROW | {"update": 3})
        with out.capture() as captured:
            out.print(progress.display())
    assert "2 min 00 s elapsed, about 1 min 10 s left" in captured.get()


def test_a_row_with_little_in_it_makes_a_short_line() -> None:
    assert plain_line({"update": 1, "reward/mean": None}, 3) == "update 1/3 · reward ? · dropped none"


@pytest.mark.parametrize(
    ("values", "blocks"), [([], ""), ([2, 2, 2], "▁▁▁"), ([0, 1], "▁█"), ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█")]
)
def test_sparklines(values: list[float], blocks: str) -> None:
    assert sparkline(values) == blocks


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (581, "9 min 41 s"), (11100, "3 h 05 min")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
