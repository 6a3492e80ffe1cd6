# pyright: strict
"""Progress of a run: a live display on a terminal, a line per update elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cluster.tracking.history import is_number

BLOCKS = "▁▂▃▄▅▆▇█"
SPARK = 32  # updates in a sparkline
NOTES = 4  # notes kept in view


class Progress:
    """Shows update rows (`MetricsWriter.update` returns them) as they come; a context manager.

    On a terminal, a display that is redrawn in place; when the output is a file or a pipe, one plain line per update,
    so that a log can be read and searched. `audit_judges` are outside the reward. To be called from one thread.
    """

    def __init__(
        self,
        name: str,
        updates: int,
        *,
        audit_judges: Sequence[str] = (),
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.updates, self.audit_judges = name, updates, tuple(audit_judges)
        self.console = console or Console()
        self._clock = clock
        self._row: Mapping[str, Any] = {}
        self._sparks: dict[str, deque[float]] = {}
        self._notes: deque[Text] = deque(maxlen=NOTES)
        self._alarms: list[Text] = []
        self._started = clock()
        self._first: tuple[int, float] | None = None
        self._live = Live(get_renderable=self.display, console=self.console, refresh_per_second=2, transient=False)

    def __enter__(self) -> Progress:
        self._started = self._clock()
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self, row: Mapping[str, Any]) -> None:
        """Shows one more update."""
        if self._first is None:
            self._first = int(row["update"]), self._clock()
        self._row = row
        for key, value in row.items():
            if is_number(value) and (key in ("reward/mean", "loss") or key.startswith("judge/")):
                self._sparks.setdefault(key, deque(maxlen=SPARK)).append(float(value))
        if not self.console.is_terminal:
            self._print(plain_line(row, self.updates, self.audit_judges))

    def note(self, text: str) -> None:
        """Shows one thing that happened: a phase that begins, a checkpoint, an actor that came back."""
        self._say(Text(text, style="dim"), self._notes)

    def alarm(self, text: str) -> None:
        """Shows something that the user should not miss; it stays in view."""
        self._say(Text(text, style="bold red"), self._alarms)

    def display(self) -> RenderableType:
        """What a terminal shows at this moment."""
        row = self._row
        done = int(row.get("update", 0))
        head = Table.grid(expand=True, padding=(0, 2))
        head.add_column()
        head.add_column(ratio=1)
        head.add_column(justify="right")
        head.add_row(
            f"{done}/{self.updates} updates",
            ProgressBar(self.updates, done, complete_style="cyan", finished_style="cyan"),
            self._time(done),
        )
        parts: list[RenderableType] = [head]
        if row:
            parts += [Text(), self._scores(), Text(), self._operation()]
        if self._notes or self._alarms:
            parts += [Text(), *self._notes, *self._alarms]
        return Panel(
            Group(*parts), title=f"salon · {self.name}", title_align="left", border_style="dim", padding=(1, 2)
        )

    def _scores(self) -> Table:
        table = Table.grid(padding=(0, 3))
        spread = _number(self._row, "reward/std", " ± {:.3f}")
        reward = _number(self._row, "reward/mean", "{:.3f}")
        if not reward and "loss" in self._row:
            table.add_row("loss", Text(_number(self._row, "loss", "{:.4g}"), "bold"), self._spark("loss"))
            return table
        table.add_row("reward", Text(reward + spread, "bold"), self._spark("reward/mean"))
        for key in judge_keys(self._row, self.audit_judges):
            judge = key.removeprefix("judge/")
            role = Text("watches only", "dim") if judge in self.audit_judges else Text()
            table.add_row(f"  {judge}", _number(self._row, key, "{:.3f}"), self._spark(key), role)
        return table

    def _operation(self) -> Table:
        table = Table.grid(padding=(0, 3))
        columns = operation(self._row)
        table.add_row(*[Text(name, "dim") for name, _ in columns])
        table.add_row(*[value for _, value in columns])
        return table

    def _spark(self, key: str) -> Text:
        return Text(sparkline(list(self._sparks.get(key, ()))), "cyan")

    def _time(self, done: int) -> str:
        now = self._clock()
        elapsed = f"{duration(now - self._started)} elapsed"
        if self._first is None or done <= self._first[0] or done >= self.updates:
            return elapsed
        # The first update also loads the models, so the rate is measured from its end on.
        each = (now - self._first[1]) / (done - self._first[0])
        return f"{elapsed}, about {duration(each * (self.updates - done))} left"

    def _say(self, text: Text, where: deque[Text] | list[Text]) -> None:
        if self.console.is_terminal and self._live.is_started:
            where.append(text)
        else:
            self._print(text.plain)

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def plain_line(row: Mapping[str, Any], updates: int, audit_judges: Sequence[str] = ()) -> str:
    """One update in one line of words."""
    reward = _number(row, "reward/mean", "{:.3f}") + _number(row, "reward/std", " ± {:.3f}")
    # An offline run has no reward.
    goal = _number(row, "loss", "loss {:.4g}") if not reward and "loss" in row else f"reward {reward or '?'}"
    judges = [
        f"{key.removeprefix('judge/')} {row[key]:.3f}"
        + (" (watches only)" if key.removeprefix("judge/") in audit_judges else "")
        for key in judge_keys(row, audit_judges)
    ]
    rest = [f"{name} {value}" for name, value in operation(row)]
    return " · ".join([f"update {row.get('update', 0)}/{updates}", goal, *judges, *rest])


def judge_keys(row: Mapping[str, Any], audit_judges: Sequence[str] = ()) -> list[str]:
    """The `judge/NAME` keys that have a number, the audit judges' last."""
    keys = [key for key, value in row.items() if key.startswith("judge/") and is_number(value)]
    return sorted(keys, key=lambda key: key.removeprefix("judge/") in audit_judges)


def operation(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the run operates, as (name, value): images, rate, lag, idle shares, and dropped groups by reason."""
    dropped = {key.removeprefix("dropped/"): int(row[key]) for key in row if key.startswith("dropped/") and row[key]}
    named = [
        ("images", _number(row, "images", "{:,.0f}")),
        ("images/s", _number(row, "images_per_s", "{:.2f}")),
        ("lag", _number(row, "lag/mean", "{:.1f}") + _number(row, "lag/max", " (max {:.0f})")),
        ("idle actors", _number(row, "idle/actors", "{:.0%}")),
        ("idle learner", _number(row, "idle/learner", "{:.0%}")),
        ("dropped", ", ".join(f"{reason} {count}" for reason, count in dropped.items()) or "none"),
    ]
    return [(name, value) for name, value in named if value]


def sparkline(values: Sequence[float]) -> str:
    """`values` as a row of block characters, the least as the lowest block."""
    if not values:
        return ""
    low, span = min(values), (max(values) - min(values)) or 1.0
    return "".join(BLOCKS[round((value - low) / span * (len(BLOCKS) - 1))] for value in values)


def duration(seconds: float) -> str:
    """Seconds as a person says them: `48 s`, `9 min 41 s`, `3 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _number(row: Mapping[str, Any], key: str, form: str) -> str:
    return form.format(row[key]) if is_number(row.get(key)) else ""
