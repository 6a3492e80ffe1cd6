# pyright: strict
"""What stale pictures cost: `python -m benchmarks.staleness [CONFIG] [--seeds 0 1 2] [--out runs/staleness]`.

The same job with `max_lag` 0, 1, 2 and 4, each with the staleness correction (decoupled PPO, clipped around the policy
at the start of the update) and without (clipped around the policy that drew). Every run draws and trains the same
number of pictures, so the gain per picture compares what was learnt, and the gain per minute what waiting would have
cost. Lag is what a run allows, not what it has: how stale pictures really were is in the table. Runs that have ended
are kept in OUT and not made again; the default config takes about ten minutes a run on two idle cores.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.training_runs import ROOT, TrainedRun, Variant, markdown, spread, trained_runs

LAGS = (0, 1, 2, 4)
CLIPS = {"corrected": "proximal", "uncorrected": "behaviour"}


def variants(lags: Sequence[int]) -> list[Variant]:
    """Every lag with and without the correction; at lag 0 there is nothing to correct."""
    return [
        Variant(f"lag{lag}-{name}", (f"max_lag={lag}", f"learner.algorithm.clip.kind={clip}"))
        for lag in lags
        for name, clip in CLIPS.items()
        if lag > 0 or clip == "proximal"
    ]


def row(variant: Variant, runs: Sequence[TrainedRun]) -> dict[str, str]:
    """A line of the table: means over the seeds, with the lowest and the highest."""
    return {
        "run": variant.name,
        "seeds": str(len(runs)),
        "lag, mean": spread([run.mean("lag/mean") for run in runs], ".2f"),
        "held-out gain, points": spread([run.points("artifact_free") for run in runs]),
        "per 1,000 pictures": spread([per_thousand(run) for run in runs], "+.2f"),
        "per minute": spread([per_minute(run) for run in runs], "+.2f"),
        "diversity, %": spread([run.diversity for run in runs]),
        "clipped, %": spread([100 * run.mean("clip_fraction") for run in runs], ".1f"),
        "KL from the drawing policy, nats a step": spread([_kl(run) for run in runs], ".3f"),
        "learner waits, %": spread([100 * run.mean("idle/learner") for run in runs], ".0f"),
    }


def plot(rows: Sequence[tuple[Variant, Sequence[TrainedRun]]], path: Path) -> None:
    """Gain per 1,000 pictures and per minute against the lag that was allowed, with and without the correction."""
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(8.4, 3.2), layout="constrained")
    panels = zip(figure.subplots(1, 2), (per_thousand, per_minute), ("1,000 pictures", "minute"), strict=True)
    for panel, gain, unit in panels:
        for color, name in enumerate(CLIPS):
            lags = {
                lag: [gain(run) for run in runs] for variant, runs in rows if (lag := _lag(variant, name)) is not None
            }
            means = {lag: statistics.fmean(gains) for lag, gains in lags.items() if gains}
            panel.plot([*means], [*means.values()], color=f"C{color}", label=name)
            for lag, gains in lags.items():
                panel.plot([lag] * len(gains), gains, ".", color=f"C{color}")
        panel.set_title(f"held-out gain, points per {unit}", fontsize=9)
        panel.set_xlabel("max_lag")
        panel.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def per_thousand(run: TrainedRun) -> float:
    """Points of the held-out share of flawless pictures, per 1,000 pictures drawn."""
    return run.points("artifact_free") / run.pictures * 1000


def per_minute(run: TrainedRun) -> float:
    """The same per minute of training."""
    return run.points("artifact_free") / run.seconds * 60


def _lag(variant: Variant, correction: str) -> int | None:
    """The lag that `variant` allows, if it is of that `correction`; lag 0 has nothing to correct, and is of both."""
    lag, its = variant.name.removeprefix("lag").split("-")
    return int(lag) if its == correction or lag == "0" else None


def _kl(run: TrainedRun) -> float:
    """The un-pooled KL, weighted by nothing: the mean over the lags that occurred, of their means."""
    keys = run.history.keys("kl/lag")
    known = [value for key in keys if (value := run.mean(key)) == value]
    return sum(known) / len(known) if known else float("nan")


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=ROOT / "configs" / "menagerie.yaml")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--lags", nargs="+", type=int, default=LAGS)
    parser.add_argument("--out", type=Path, default=Path("runs/staleness"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    config, out = arguments.config.resolve(), arguments.out.resolve()
    found = [*trained_runs(config, variants(arguments.lags), arguments.seeds, out, arguments.overrides)]
    table = markdown([row(variant, runs) for variant, runs in found])
    print(table)
    (out / "staleness.md").write_text(table + "\n", encoding="utf-8")
    plot(found, out / "staleness.png")


if __name__ == "__main__":
    main()
