"""The jury on Ray Serve against the same judge behind a plain HTTP server: `python tests/benchmarks/judges.py`.

Four Ray actors, as rollout actors do, each keep three groups of pictures with the judge. Both sides are loaded at the
same time and measured in turn, so that whatever else the machine does falls on both. Every picture is new to the judge,
and both sides may use every core: the plain server as torch threads, Serve as replicas of one thread each.

What Serve can win is replicas times batching across callers, and the first lines say how much that is at most. On two
cores, the shipped artifact judge costs 11 ms of CPU for a picture alone, 5.9 in a call of 8, and 5.2 in one of 24. So
groups of 8 can gain 1.1 by batching and 2.3 with two replicas, groups of 1 up to 2.1 and 4.2; what Serve itself costs,
as the empty judge shows, comes off that. Against a plain server with two threads it is less by what the second thread
gives. A factor of 3 with groups of 8 needs more replicas, or a GPU, on which a larger call is hardly slower.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray import serve

from menagerie.picture import draw
from menagerie.scene import sample_scene
from rewards.config import RewardsConfig
from rewards.jury import JuryHandle, serve_jury
from rewards.kinds import judge_config
from rewards.registry import build_judge

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
ARTIFACT = str(ROOT / "menagerie" / "models" / "artifact")
EMPTY = "empty_judge:Empty"

Ask = Callable[[np.ndarray], Awaitable[None]]


class Caller:
    """Keeps `depth` groups of `size` pictures with a judge, as a rollout actor does."""

    def __init__(self, seed: int, size: int, depth: int) -> None:
        rng = random.Random(seed)
        drawn = np.stack([draw(sample_scene(rng), (), seed=rng.randrange(2**31)).pixels for _ in range(32)])
        self._pictures, self._rng, self._size, self._depth = drawn, np.random.default_rng(seed), size, depth

    async def by_serve(self, jury: JuryHandle, seconds: float) -> tuple[int, list[float]]:
        """Groups judged, and the seconds that each took."""
        names = list(jury.config.judges)

        async def ask(images: np.ndarray) -> None:
            verdicts = await jury.verdicts(images, ["a picture"] * len(images))
            assert all(verdict.status != "error" for name in names for verdict in verdicts[name])

        return await self._keep_asking([ask] * self._depth, seconds)

    async def by_http(self, port: int, seconds: float) -> tuple[int, list[float]]:
        """Groups judged, and the seconds that each took."""

        def asking() -> Ask:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

            def post(images: np.ndarray) -> None:
                pixels, prompts = b64encode(images.tobytes()).decode(), ["a picture"] * len(images)
                connection.request(
                    "POST", "/", json.dumps({"shape": images.shape, "pixels": pixels, "prompts": prompts})
                )
                assert len(json.loads(connection.getresponse().read())) == len(images)

            return lambda images: asyncio.to_thread(post, images)

        return await self._keep_asking([asking() for _ in range(self._depth)], seconds)

    async def _keep_asking(self, asks: list[Ask], seconds: float) -> tuple[int, list[float]]:
        until, took = time.monotonic() + seconds, list[float]()

        async def one(ask: Ask) -> None:
            while (start := time.monotonic()) < until:
                await ask(self._group())
                took.append(time.monotonic() - start)

        await asyncio.gather(*(one(ask) for ask in asks))
        return len(took), took

    def _group(self) -> np.ndarray:
        """Pictures that nobody has seen: drawn ones under a little noise."""
        chosen = self._pictures[self._rng.integers(0, len(self._pictures), self._size)]
        return np.clip(chosen + self._rng.normal(0, 2, chosen.shape), 0, 255).astype(np.uint8)


def cost(sizes: Sequence[int]) -> dict[int, float]:
    """Milliseconds of CPU that a picture costs the artifact judge in a call of so many, on one thread.

    CPU time, unlike wall time, does not depend on what else the machine does."""
    judge = build_judge("artifact", judge_config("artifact", model=ARTIFACT))
    torch.set_num_threads(1)
    images = np.stack([draw(sample_scene(random.Random(i)), (), seed=i).pixels for i in range(max(sizes))])
    found: dict[int, float] = {}
    for size in sizes:
        calls: list[float] = []
        for _ in range(5):
            start = time.thread_time()
            judge.judge(images[:size], ["a picture"] * size)
            calls.append(time.thread_time() - start)
        found[size] = 1000 * min(calls) / size
    return found


def plain_server(kind: str, model: str, threads: int) -> tuple[subprocess.Popen[str], int]:
    """A running plain server, and its port."""
    command = [sys.executable, str(HERE / "plain_server.py"), kind, model, str(threads)]
    # A session of its own, as Ray's processes have, since the scheduler shares a busy machine out among sessions.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def per_second(calls: list[Any], size: int) -> tuple[float, float]:
    """Pictures a second of all callers together, and the median seconds of a group."""
    start = time.monotonic()
    answers: list[tuple[int, list[float]]] = ray.get(calls)
    elapsed = time.monotonic() - start
    took = [seconds for _, all_of in answers for seconds in all_of]
    return size * sum(count for count, _ in answers) / elapsed, statistics.median(took)


def compare(jury: JuryHandle, port: int, size: int, callers: int, depth: int, args: argparse.Namespace) -> None:
    """Prints the two rates, round by round, and their ratio."""
    actor: Any = ray.remote(num_cpus=0.05)(Caller)
    asking = [actor.remote(i, size, depth) for i in range(callers)]
    rates: dict[str, list[float]] = {"serve": [], "plain": []}
    times: dict[str, list[float]] = {"serve": [], "plain": []}
    for turn in range(args.rounds + 1):
        for side in rates:
            seconds = args.seconds if turn else 2.0
            asked = [
                c.by_serve.remote(jury, seconds) if side == "serve" else c.by_http.remote(port, seconds) for c in asking
            ]
            rate, median = per_second(asked, size)
            if turn:  # the first is for warming up
                rates[side].append(rate)
                times[side].append(median)
    for caller in asking:
        ray.kill(caller)
    for side, found in rates.items():
        per_group = 1000 * statistics.median(times[side])
        told = " ".join(f"{rate:.1f}" for rate in found)
        print(f"    {side}: {statistics.median(found):8.1f} pictures/s ({told}); a group takes {per_group:.0f} ms")
    ratios = [a / b for a, b in zip(rates["serve"], rates["plain"], strict=True)]
    print(f"    ratio: {statistics.median(ratios):.2f} ({' '.join(f'{ratio:.2f}' for ratio in ratios)})", flush=True)


def main() -> None:
    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--depth", type=int, default=3, help="groups that a caller has with the judge")
    parser.add_argument("--pictures", type=int, nargs="+", default=[8, 1], help="pictures in a group")
    parser.add_argument("--replicas", type=int, default=cores, help="of Serve, one thread each")
    parser.add_argument("--threads", type=int, nargs="+", default=[cores, 1], help="of the plain server")
    parser.add_argument("--batch", type=int, default=8, help="groups that one model call of Serve may take")
    parser.add_argument("--wait", type=float, default=0.02, help="seconds that Serve waits for a batch to fill")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each side in a round")
    args = parser.parse_args()
    known = cost(sorted({*args.pictures, 8 * max(args.pictures)}))
    least = min(known.values())
    for size in args.pictures:
        gain = known[size] / least
        told = ", ".join(f"{ms:.1f} in a call of {n}" for n, ms in known.items())
        print(
            f"groups of {size}: batching can gain {gain:.2f} on one thread, {gain * args.replicas:.2f} with "
            f"{args.replicas} replicas (CPU ms a picture: {told})"
        )
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    ray.init(include_dashboard=False, log_to_driver=False, object_store_memory=300 * 2**20)
    serving = {"num_cpus": 0.1, "min_replicas": args.replicas, "max_replicas": args.replicas}
    serving |= {"max_batch_size": args.batch, "batch_wait_s": args.wait}
    print(f"Serve has {args.replicas} replicas of one thread each")
    for name, kind, model in (("empty", EMPTY, ""), ("artifact", "artifact", ARTIFACT)):
        judge = {"kind": kind, "serve": serving} | ({"model": model} if model else {})
        jury = serve_jury(RewardsConfig.model_validate({"judges": {"judge": judge}, "deadline_s": 120.0}), name)
        # An empty judge has no use for threads; asked for one group at a time, it shows what asking costs.
        callers, depth = (args.callers, args.depth) if model else (1, 1)
        for threads in args.threads if model else [1]:
            server, port = plain_server(kind, model, threads)
            for size in args.pictures:
                print(
                    f"  {name} judge, {callers} callers with {depth} groups of {size} pictures each, plain server with "
                    f"{threads} threads"
                )
                compare(jury, port, size, callers, depth, args)
            server.kill()
        serve.delete(name)


if __name__ == "__main__":
    main()
