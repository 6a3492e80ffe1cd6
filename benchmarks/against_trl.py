"""Salon against TRL's DDPOTrainer, the same training on the same machine: `python -m benchmarks.against_trl`.

A small Stable Diffusion (`small_diffusion.py`) is trained with LoRA of rank 4 on the size of its pictures as JPEGs, in
batches of 16 pictures with two optimizer steps each, at all of 10 denoising steps, and with guidance 5 on both sides.
The sides take turns, round by round, so that whatever else the machine does falls on all; the first updates of a turn
are not counted, as everything is loaded then. `--work` keeps the model, TRL's environment and Salon's runs.

TRL 0.23.1 is the last with this trainer. It gets an environment of its own, which sees the packages of this one: both
sides have one torch, one diffusers and one peft. TRL runs with one thread and with all cores. Of Salon's sides,

    given      one rollout actor and one learner worker, a policy at most one update behind: how a run begins
    balanced   with a learner worker for every core
    halves     balanced, and each half of the batch is an update of its own: as many optimizer steps, none of which
               needs the log-probs of the policy before the last one
    TRL's own  no lag, and ratios to the policy that drew the pictures, as in TRL; an actor and a worker for every core

The bound is what the cores could do if they did nothing but the network's passes: cores ÷ CPU seconds of a picture's
sampling and training on one thread, measured in each round. Only ratios of one run mean anything, and only on a machine
that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.small_diffusion import ROOT, save_small_diffusion
from cluster.report.summary import run_summary
from cluster.tracking.history import RunHistory

TRL = "trl==0.23.1"
GROUPS, SAMPLES, MINIBATCHES, STEPS, GUIDANCE, RANK, LR = 2, 8, 2, 10, 5.0, 4, 3e-4
PICTURES = GROUPS * SAMPLES
PROMPTS = ROOT / "configs" / "prompts" / "animals.txt"


@dataclass(frozen=True)
class Side:
    """One way of training: a name, and Salon's settings or TRL's threads."""

    name: str
    settings: tuple[str, ...] = ()
    threads: int = 0


def sides(cores: int, more: Sequence[str]) -> list[Side]:
    """TRL's first, as Salon's are compared with them."""
    workers = max(n for n in range(1, min(cores, GROUPS) + 1) if GROUPS % n == 0)
    shared = (f"learner.workers={workers}", f"learner.num_cpus={0.5 / workers}")
    halves = (f"samples_per_prompt={SAMPLES // MINIBATCHES}", "learner.minibatches=1")
    one_policy = ("max_lag=0", "learner.algorithm.clip.kind=behaviour", f"actors.count={workers}")
    return [
        *(Side(f"TRL, {n} thread{'s' * (n > 1)}", threads=n) for n in sorted({1, cores})),
        Side("Salon, given"),
        Side("Salon, balanced", shared),
        Side("Salon, halves", (*shared, *halves)),
        Side("Salon, TRL's own", (*shared, *one_policy, f"actors.num_cpus={0.5 / workers}")),
        *(Side(f"Salon, {settings}", tuple(settings.split())) for settings in more),
    ]


def environment(work: Path, given: Path | None) -> Path:
    """The Python that has TRL: `given`, or one made in `work`."""
    if given is not None:
        return given
    python = work / "trl" / "bin" / "python"
    if not python.exists():
        print(f"making an environment with {TRL} in {work / 'trl'}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(work / "trl")], check=True)
        (site,) = (work / "trl" / "lib").glob("python*/site-packages")
        import torch

        (site / "salon.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", TRL], check=True)
    return python


def cost(model: Path) -> float:
    """CPU seconds of one picture's sampling and training on one thread, of the network alone."""
    script = f"from benchmarks.against_trl import network_cost; print(network_cost({str(model)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=_environment(1), capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def network_cost(model: str) -> float:
    """See `cost`: forward passes in batches of a group, forward and backward ones in batches of 64 pairs."""
    import torch

    from actors.config import LoraConfig, PolicyConfig
    from actors.diffusion.policy import Policy

    torch.set_num_threads(1)
    policy = Policy.load(PolicyConfig(model=model, lora=LoraConfig(rank=RANK, alpha=RANK)))
    uncond = policy.encode([""])

    def seconds(size: int, backward: bool) -> float:
        x, t, cond = torch.randn(size, *policy.latent_shape), torch.full((size,), 500), policy.encode(["a cat"] * size)
        taken: list[float] = []
        for _ in range(5):
            start = time.thread_time()
            with torch.set_grad_enabled(backward):
                output = policy.predict(x, t, cond, uncond, GUIDANCE)
            if backward:
                output.sum().backward()
            taken.append(time.thread_time() - start)
        return min(taken) / size

    return STEPS * (seconds(PICTURES, backward=False) + seconds(64, backward=True))


def train_trl(side: Side, python: Path, model: Path, args: argparse.Namespace) -> float:
    """Pictures a second of TRL in one turn."""
    settings = {
        "prompts": PROMPTS,
        "epochs": args.warm + args.updates,
        "threads": side.threads,
        "batch": PICTURES,
        "minibatches": MINIBATCHES,
        "steps": STEPS,
        "guidance": GUIDANCE,
        "lr": LR,
    }
    options = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("trl_side.py")), str(model), *options],
        env=_environment(side.threads),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{side.name} failed:\n{done.stderr[-2000:]}")
    seconds = [json.loads(line)["seconds"] for line in done.stdout.splitlines() if line.startswith("{")]
    return PICTURES / statistics.mean(seconds[args.warm :])


def train_salon(side: Side, work: Path, model: Path, turn: int, args: argparse.Namespace) -> float:
    """Pictures a second of Salon in one turn; the run stays in `work`."""
    name = re.sub(r"\W+", "-", side.name.partition(", ")[2])[:60]
    config: dict[str, Any] = {
        "name": f"{name}-{turn}",
        "updates": args.warm + args.updates,
        "groups_per_update": GROUPS,
        "samples_per_prompt": SAMPLES,
        "policy": {"model": str(model), "lora": {"rank": RANK, "alpha": RANK}},
        "sampler": {"steps": STEPS, "guidance": GUIDANCE},
        "prompts": {"file": str(PROMPTS)},
        "actors": {"num_cpus": 0.5},
        "rewards": {"judges": {"jpeg": {"kind": "jpeg", "serve": {"num_cpus": 0.1}}}},
        "learner": {
            "lr": LR,
            "minibatches": MINIBATCHES,
            "num_cpus": 0.5,
            "zero_stage": 0,
            "algorithm": {"kind": "ddpo", "timestep_fraction": 1.0},
        },
        "evaluation": {"prompts": 1, "samples": 1, "plain_samples": 0},
        "tracking": {"wandb": "disabled"},
        "checkpoint_every": args.warm + args.updates,
    }
    path = work / f"{config['name']}.yaml"
    path.write_text(yaml.safe_dump(config))
    settings = [part for setting in side.settings for part in ("--set", setting)]
    started = time.strftime("%H%M%S")
    runs = work / "runs" / started
    done = subprocess.run(
        [sys.executable, "-m", "cluster.cli", "train", str(path), "--runs", str(runs), *settings],
        cwd=ROOT,
        env=_environment(1),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{side.name} failed:\n{done.stderr[-2000:]}")
    run = runs / str(config["name"])
    for line in run_summary(run):
        if line.startswith("balance"):
            print(f"    {line}", flush=True)
    first, *rows = RunHistory.read(run).updates[args.warm - 1 :]
    return (rows[-1]["images"] - first["images"]) / sum(float(row["seconds/wall"]) for row in rows)


def _environment(threads: int) -> dict[str, str]:
    # TRL's own has no parent package on its path, and Salon's processes import this one's modules by name.
    return os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/against-trl"))
    parser.add_argument("--trl", type=Path, help="the Python of an environment that has TRL; default: one is made")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=20, help="that are counted, of each side in a round")
    parser.add_argument("--warm", type=int, default=3, help="updates before them")
    parser.add_argument("--salon", action="append", default=[], metavar="'KEY=VALUE …'", help="one more side of Salon")
    parser.add_argument("--only", default="", help="sides whose name has this in it, such as Salon or given")
    args = parser.parse_args()
    work, cores = args.work.resolve(), os.cpu_count() or 1
    work.mkdir(parents=True, exist_ok=True)
    python = environment(work, args.trl)
    if not (model := work / "model").exists():
        save_small_diffusion(model)
    chosen = [side for side in sides(cores, args.salon) if args.only in side.name]
    rates: dict[str, list[float]] = {side.name: [] for side in chosen}
    bounds: list[float] = []
    for turn in range(args.rounds):
        picture = cost(model)
        bounds.append(cores / picture)
        print(f"round {turn + 1}: the bound is {bounds[-1]:.2f} images/s ({1000 * picture:.0f} ms of CPU a picture)")
        for side in chosen:
            rate = train_trl(side, python, model, args) if side.threads else train_salon(side, work, model, turn, args)
            rates[side.name].append(rate)
            print(f"  {side.name:24} {rate:6.2f} images/s", flush=True)
    _table(rates, bounds)


def _table(rates: dict[str, list[float]], bounds: list[float]) -> None:
    """Prints medians over the rounds, and medians of the rounds' ratios."""
    theirs = [rate for name, rate in rates.items() if name.startswith("TRL")]
    better = [max(each) for each in zip(*theirs, strict=True)]
    print(f"\n{'':24} images/s  × TRL's better  of the bound")
    for name, rate in rates.items():
        ratio = f"{statistics.median(a / b for a, b in zip(rate, better, strict=True)):.2f}" if better else "–"
        share = statistics.median(a / b for a, b in zip(rate, bounds, strict=True))
        print(f"{name:24} {statistics.median(rate):8.2f}  {ratio:>14}  {share:>12.2f}")


if __name__ == "__main__":
    main()
