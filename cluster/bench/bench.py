# pyright: strict
"""The bench: the parts of a run, measured one after the other, and what that means for the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from cluster.bench.isolated import isolated
from cluster.bench.judge_parts import measure_judge
from cluster.bench.measurement import Measurement
from cluster.bench.policy_parts import measure_learner, measure_sampler
from cluster.config.experiment import ExperimentConfig
from cluster.sizing.gpus import GB, fits


def bench(
    config: ExperimentConfig, parts: Sequence[str], device: str, at_least_s: float, say: Callable[[str], None]
) -> bool:
    """Measures `parts` (sampler, learner, judges), and says a line for each at once; whether all could be measured."""
    measured: list[Measurement] = []
    failed = False
    say(f"{'part':<20} {'speed':>24} {'pictures/s':>11} {'peak memory':>12}")
    for name, measure in _wanted(config, parts, device, at_least_s):
        result = isolated(measure)
        if isinstance(result, str):
            failed = True
            say(f"{name:<20} {result}")
        else:
            measured.append(result)
            say(_row(result, device))
    for line in conclusions(config, measured):
        say(line)
    return not failed


def conclusions(config: ExperimentConfig, measured: Sequence[Measurement]) -> Iterator[str]:
    """What the measurements mean for the run as it is configured: which part is slowest, and what would balance it."""
    processes = {"sampler": config.actors.count, "learner": config.learner.workers}
    processes |= {f"judge {name}": judge.serve.min_replicas for name, judge in config.rewards.judges.items()}
    rates = {m.part: m.pictures_a_second * processes[m.part] for m in measured}
    if len(rates) > 1:
        slowest = min(rates, key=lambda part: rates[part])
        shares = ", ".join(
            f"{part} {rates[slowest] / rate:.0%}" for part, rate in sorted(rates.items()) if part != slowest
        )
        yield f"{slowest} (× {processes[slowest]}) is what the run waits for; the others would be busy: {shares}"
    by_part = {m.part: m for m in measured}
    if "sampler" in by_part and "learner" in by_part:
        ratio = by_part["sampler"].pictures_a_second / by_part["learner"].pictures_a_second
        yield f"one rollout actor draws what {ratio:.2f} learner workers train"


def _wanted(
    config: ExperimentConfig, parts: Sequence[str], device: str, at_least_s: float
) -> Iterator[tuple[str, Callable[[], Measurement]]]:
    if "sampler" in parts:
        yield "sampler", partial(measure_sampler, config, device, at_least_s)
    if "learner" in parts:
        yield "learner", partial(measure_learner, config, device, at_least_s)
    if "judges" in parts:
        for name in config.rewards.judges:
            yield f"judge {name}", partial(measure_judge, config, name, device, at_least_s)


def _row(m: Measurement, device: str) -> str:
    where = f"  {fits(m.memory)}" if device != "cpu" else ""
    note = f"  ({m.note})" if m.note else ""
    speed = f"{m.rate:,.2f} {m.unit}/s"
    return f"{m.part:<20} {speed:>24} {m.pictures_a_second:>11,.2f} {m.memory / GB:>9.2f} GB{where}{note}"
