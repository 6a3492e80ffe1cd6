"""The jury on Ray Serve against a plain HTTP server with the same model: `python -m benchmarks.judges`.

Four Ray actors, as rollout actors do, each keep three groups of pictures with the judge. All sides are loaded at the
same time and measured in turn, so that whatever else the machine does falls on all. Every picture is new to the judges,
and every side may use every core: Serve as replicas of one thread each, a plain server as torch threads, or one thread,
which is what `OMP_NUM_THREADS=1` gives. The plain servers hold

    same     the very judge that Serve has, in the environment of Salon's processes: what is compared is serving alone
    usual    the same model as such servers are commonly written (`compared_judges.Usual`), and started

Against `same`, Serve can win replicas times batching across callers, and the first lines say how much that is at most;
what Serve itself costs, as the empty judge shows, comes off that. CPU is that of all processes, callers included:
unlike pictures a second, it hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray import serve

from benchmarks.callers import Caller, Turn
from cluster.config.experiment import ClusterConfig
from cluster.run.ray_runtime import ENVIRONMENT, ray_runtime
from menagerie.world.picture import sample
from rewards.config import RewardsConfig
from rewards.registry import build_judge, judge_config
from rewards.serving.jury import JuryHandle, serve_jury

ROOT = Path(__file__).parents[1]
ARTIFACT = str(ROOT / "menagerie" / "models" / "artifact")
# Ray's workers and the plain servers import the judges of this benchmark by name.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
STARTED_IN = dict(os.environ)
"""The environment as the user has it; Salon's own is added to it for its processes."""
EMPTY, USUAL = "benchmarks.compared_judges:Empty", "benchmarks.compared_judges:Usual"


def cost(kind: str, sizes: Sequence[int]) -> dict[int, float]:
    """Milliseconds of CPU that a picture costs the artifact judge of `kind` in a call of so many, on one thread.

    CPU time, unlike wall time, does not depend on what else the machine does."""
    judge = build_judge("artifact", judge_config(kind, model=ARTIFACT))
    torch.set_num_threads(1)
    images = np.stack([sample(i).pixels for i in range(max(sizes))])
    found: dict[int, float] = {}
    for size in sizes:
        calls: list[float] = []
        for _ in range(5):
            start = time.thread_time()
            judge.judge(images[:size], ["a picture"] * size)
            calls.append(time.thread_time() - start)
        found[size] = 1000 * min(calls) / size
    return found


def _numbers(known: dict[int, float]) -> str:
    return " ".join(f"{ms:.1f}" for ms in known.values())


def plain_server(kind: str, model: str, threads: int) -> tuple[subprocess.Popen[str], int]:
    """A running plain server, and its port."""
    command = [sys.executable, "-m", "benchmarks.plain_server", kind, model, str(threads)]
    # A session of its own, as Ray's processes have, since the scheduler shares a busy machine out among sessions.
    environment = {**STARTED_IN, **({} if kind == USUAL else ENVIRONMENT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment)
    assert process.stdout is not None
    if not (port := process.stdout.readline()):
        raise SystemExit(f"the plain server ended with exit code {process.wait()}")
    return process, int(port)


def compare(
    jury: JuryHandle, ports: dict[str, int], size: int, callers: int, depth: int, args: argparse.Namespace
) -> None:
    """Prints what each side does, and how many times its rate Serve reaches, round by round."""
    actor: Any = ray.remote(num_cpus=0.05)(Caller)
    asking = [actor.remote(i, size, depth) for i in range(callers)]
    turns: dict[str, list[Turn]] = {"serve": [], **{side: [] for side in ports}}
    for round_ in range(args.rounds + 1):
        for side, done in turns.items():
            seconds = args.seconds if round_ else 2.0
            calls = [
                c.by_serve.remote(jury, seconds) if side == "serve" else c.by_http.remote(ports[side], seconds)
                for c in asking
            ]
            turn = Turn.of(calls, size)
            if round_:  # the first is for warming up
                done.append(turn)
    for caller in asking:
        ray.kill(caller)
    for side, done in turns.items():
        rate, cpu, wait = (statistics.median(getattr(turn, key) for turn in done) for key in ("rate", "cpu", "wait"))
        ratios = [ours.rate / turn.rate for ours, turn in zip(turns["serve"], done, strict=True)]
        each = " ".join(f"{ratio:.2f}" for ratio in ratios)
        than = "" if side == "serve" else f"; Serve is {statistics.median(ratios):.2f} times as fast ({each})"
        print(
            f"    {side:16} {rate:6.1f} pictures/s, {cpu:5.1f} ms of CPU each, {wait:5.0f} ms a group{than}", flush=True
        )


def main() -> None:
    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--depth", type=int, default=3, help="groups that a caller has with the judge")
    parser.add_argument("--pictures", type=int, nargs="+", default=[8, 1], help="pictures in a group")
    parser.add_argument("--replicas", type=int, default=cores, help="of Serve, one thread each")
    parser.add_argument("--threads", type=int, nargs="+", default=[cores, 1], help="of the plain server")
    parser.add_argument("--batch", type=int, default=8, help="groups that one model call of Serve may take")
    parser.add_argument("--wait", type=float, default=0.002, help="seconds that Serve waits for a batch to fill")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each side in a round")
    args = parser.parse_args()
    sizes = sorted({*args.pictures, 8 * max(args.pictures)})
    same, usual = cost("artifact", sizes), cost(USUAL, sizes)
    print(f"CPU ms a picture in a call of {', '.join(map(str, sizes))}: same {_numbers(same)}, usual {_numbers(usual)}")
    for size in args.pictures:
        against = " and ".join(f"{args.replicas * known[size] / min(same.values()):.1f}" for known in (same, usual))
        print(
            f"groups of {size}: {args.replicas} replicas can gain at most {against} over one thread of same and usual"
        )
    with ray_runtime(ClusterConfig(num_cpus=cores, object_store_mb=300)):
        compare_all(cores, args)


def compare_all(cores: int, args: argparse.Namespace) -> None:
    serving = {"num_cpus": 0.1, "min_replicas": args.replicas, "max_replicas": args.replicas}
    serving |= {"max_batch_size": args.batch, "batch_wait_s": args.wait}
    print(f"Serve has {args.replicas} replicas of one thread each")
    # An empty judge shows what asking costs: one group at a time, and nothing to wait for.
    measure("empty", EMPTY, "", {"same, 1 thread": (EMPTY, 1)}, serving | {"batch_wait_s": 0.0}, 1, 1, args)
    plain = {
        f"{side}, {threads} thread{'s' * (threads > 1)}": (kind, threads)
        for side, kind in (("same", "artifact"), ("usual", USUAL))
        for threads in args.threads
    }
    measure("artifact", "artifact", ARTIFACT, plain, serving, args.callers, args.depth, args)


def measure(
    name: str,
    kind: str,
    model: str,
    plain: dict[str, tuple[str, int]],
    serving: dict[str, Any],
    callers: int,
    depth: int,
    args: argparse.Namespace,
) -> None:
    """The judge `name` on Serve against the plain servers, each given by its kind of judge and its threads."""
    judge = {"kind": kind, "serve": serving} | ({"model": model} if model else {})
    jury = serve_jury(RewardsConfig.model_validate({"judges": {"judge": judge}, "deadline_s": 120.0}), name)
    with contextlib.ExitStack() as ending:
        ports: dict[str, int] = {}
        for side, (its_kind, threads) in plain.items():
            process, ports[side] = plain_server(its_kind, model, threads)
            ending.callback(process.kill)
        for size in args.pictures:
            print(f"  {name} judge, {callers} callers with {depth} groups of {size} pictures each")
            compare(jury, ports, size, callers, depth, args)
    serve.delete(name)


if __name__ == "__main__":
    main()
