# pyright: strict
"""Algorithms on equal terms: `python -m benchmarks.algorithms [--configs …] [--seeds 0 1 2] [--out runs/algorithms]`.

Every algorithm trains the same policy on the same prompts and seeds, with as many pictures, against the same judges.
The table has what the judge in no reward says, per 1,000 pictures and per minute, at two settings: as trained, and as
people draw who load the LoRA and set nothing; what it cost in diversity and in the animals recognised; and when an
alarm rang first. Settings are each algorithm's own (`VARIANTS`), one set for all seeds. Runs that have ended are kept
in OUT and not made again; one takes about ten minutes on two idle cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.training_runs import ROOT, TrainedRun, Variant, markdown, spread, trained_runs

CONFIGS = (ROOT / "configs" / "menagerie.yaml", ROOT / "configs" / "flow.yaml")
VARIANTS = [
    Variant("ddpo", ()),
    Variant("ddpo-window", ("learner.algorithm.sde_window={size: 2}",)),
    Variant(
        "ddpo-credit",
        (
            "rewards.judges.rich={kind: rich_feedback, model: menagerie/models/rich, role: audit}",
            "learner.algorithm.credit={judge: rich, heatmap: implausibility}",
        ),
    ),
    Variant("nft", ("learner.algorithm={kind: nft}",)),
    Variant("dpo", ("learner.algorithm={kind: dpo}",)),
    Variant("sft", ("learner.algorithm={kind: sft}",)),
    Variant("rwr", ("learner.algorithm={kind: rwr}",)),
]


def row(variant: Variant, runs: Sequence[TrainedRun]) -> dict[str, str]:
    """A line of the table: means over the seeds, with the lowest and the highest."""
    gains = [run.points("artifact_free") for run in runs]
    alarms = [run.first_alarm for run in runs]
    return {
        "algorithm": variant.name,
        "seeds": str(len(runs)),
        "flawless after, %": spread([run.after("artifact_free") for run in runs], ".1f"),
        "gain, points": spread(gains),
        "per 1,000 pictures": spread([g / run.pictures * 1000 for g, run in zip(gains, runs, strict=True)], "+.2f"),
        "per minute": spread([g / run.seconds * 60 for g, run in zip(gains, runs, strict=True)], "+.2f"),
        "gain by plain diffusers": spread([run.points("artifact_free", plain=True) for run in runs]),
        "flawless then, %": spread([run.after("artifact_free", plain=True) for run in runs], ".1f"),
        "diversity, %": spread([run.diversity for run in runs]),
        "animals recognised, points": spread([run.points("animal") for run in runs]),
        "first alarm, update": ", ".join("none" if alarm is None else str(alarm) for alarm in alarms),
    }


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", nargs="+", type=Path, default=CONFIGS)
    parser.add_argument("--algorithms", nargs="+", choices=[v.name for v in VARIANTS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/algorithms"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    chosen = [v for v in VARIANTS if arguments.algorithms is None or v.name in arguments.algorithms]
    for config in arguments.configs:
        out = arguments.out.resolve() / config.stem
        found = trained_runs(config.resolve(), chosen, arguments.seeds, out, arguments.overrides)
        table = markdown([row(variant, runs) for variant, runs in found])
        print(f"{config.stem}\n\n{table}\n", flush=True)
        (out / "algorithms.md").write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
