# pyright: strict
"""A measurement in a process of its own, so that its peak memory is its own and its end gives all of it back."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, ParamSpec

from cluster.bench.measurement import Measurement

P = ParamSpec("P")


def isolated(measure: Callable[P, Measurement], *args: P.args, **kwargs: P.kwargs) -> Measurement | str:
    """What `measure` returns in a fresh process; or why it could not be measured, in one line."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_guarded, measure, args, kwargs).result()
        except BrokenProcessPool:
            return "the process was killed, as the system does when memory runs out"


def _guarded(measure: Callable[..., Measurement], args: Any, kwargs: Any) -> Measurement | str:
    from actors.not_finite import NotFinite
    from rewards.pretrained import quiet_libraries

    quiet_libraries()

    import torch

    try:
        return measure(*args, **kwargs)
    except torch.OutOfMemoryError:
        _, total = torch.cuda.mem_get_info()
        return f"does not fit: {total / 1e9:.0f} GB are too little"
    except (NotFinite, ValueError) as error:
        return " ".join(str(error).split())
