# pyright: strict
"""Where the time of one update or one group goes: a trace by torch's profiler, in which our own methods are named."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from rewards.settings.section import Section

P = ParamSpec("P")
R = TypeVar("R")

OURS = ("actors", "learners")
"""Packages whose methods are named in a trace."""
ROWS = 40
"""of the table beside a trace"""


def traced(work: Callable[P, R], folder: Path, name: str, owner: object, warm_up: int = 1) -> Callable[P, R]:
    """`work`, of which the call after `warm_up` others is traced, and every other call is left alone.

    Writes `folder/name.json.gz`, a Chrome trace, and `folder/name.txt`, a table of what took longest. Methods of
    `owner` and of the objects that it holds are named in them, as "Policy.decode". The first call allocates and chooses
    kernels, which no later one does: hence the warm-up.
    """
    calls = 0

    @wraps(work)
    def traced_work(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal calls
        calls += 1
        if calls != warm_up + 1:
            return work(*args, **kwargs)
        with _named(owner), _profiled(folder, name):
            return work(*args, **kwargs)

    return traced_work


@contextmanager
def _profiled(folder: Path, name: str) -> Generator[None]:
    import torch
    from torch.profiler import ProfilerActivity, profile

    cuda = torch.cuda.is_available()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as profiler:
        yield
        if cuda:  # what was launched belongs to it
            torch.cuda.synchronize()
    folder.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(folder / f"{name}.json.gz"))
    averages: Any = profiler.key_averages()
    by = "self_cuda_time_total" if cuda else "self_cpu_time_total"
    inclusive = "cuda_time_total" if cuda else "cpu_time_total"
    table: str = averages.table(sort_by=by, row_limit=ROWS, max_name_column_width=60)
    named: list[Any] = [row for row in averages if row.key[:1].isupper() and "." in row.key]
    seconds = sorted(((row.cpu_time_total / 1e6, row.count, row.key) for row in named), reverse=True)
    lines = [f"{took:10.3f} s {count:7d} calls  {method}" for took, count, method in seconds]
    methods = "\n".join(["Methods, with all that they call (seconds of the CPU's clock):", *lines])
    (folder / f"{name}.txt").write_text(f"{methods}\n\nOperations, by {by} ({inclusive} has what they call):\n{table}")


@contextmanager
def _named(owner: object) -> Generator[None]:
    """Context manager: methods of `owner` and of its parts mark themselves in a trace."""
    with ExitStack() as stack:
        for part in [owner, *getattr(owner, "__dict__", {}).values()]:
            for method in _methods(part):
                try:
                    setattr(part, method, _marked(getattr(part, method), f"{type(part).__name__}.{method}"))
                except AttributeError:  # a frozen object keeps its methods
                    break
                stack.callback(delattr, part, method)
        yield


def _methods(part: object) -> Iterator[str]:
    if type(part).__module__.partition(".")[0] in OURS and not isinstance(part, Section):
        for name, member in inspect.getmembers_static(type(part)):
            plain = inspect.isfunction(member) and not inspect.isgeneratorfunction(inspect.unwrap(member))
            if plain and not name.startswith("__") and name not in vars(part):
                yield name


def _marked(method: Callable[..., Any], label: str) -> Callable[..., Any]:
    from torch.profiler import record_function

    @wraps(method)
    def marked(*args: Any, **kwargs: Any) -> Any:
        with record_function(label):
            return method(*args, **kwargs)

    return marked
