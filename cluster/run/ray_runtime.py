"""Ray for a run: one of its own on this machine, or an existing cluster's."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator

import psutil
import ray

from cluster.config.experiment import ClusterConfig
from cluster.errors import PreflightError, RunStopped

# Set before Ray starts, so that every process of the run inherits them. One thread a process: oversubscribed OpenMP
# is several times slower, and parts that may have more say so in their config. By default, glibc gives the pages of a
# freed tensor of megabytes back to the system, which zeroes them for the next one: a sixth of a small judge's time.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "RAY_TRAIN_V2_ENABLED": "1",
    "MALLOC_MMAP_THRESHOLD_": str(64 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}
ANSWER_S = 10.0


@contextlib.contextmanager
def ray_runtime(config: ClusterConfig) -> Iterator[None]:
    """Context manager: starts a Ray or joins the cluster's, and shuts it down on exit, however the block ends."""
    if config.address is None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        _start(config)
    else:
        _join(config.address)
    for name in ("ray.train", "ray.serve", "ray.data"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        ray.shutdown()


def _join(address: str) -> None:
    try:
        host, colon, port = address.rpartition(":")
        if colon and "//" not in address:
            # Ray itself would try for minutes.
            socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
        ray.init(
            address=address, runtime_env={"env_vars": ENVIRONMENT}, log_to_driver=False, logging_level=logging.ERROR
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PreflightError(
            f"cluster.address: no Ray cluster answers at {address!r} ({reason}); start one with `ray start --head`, or "
            "leave the address out for a Ray of this run's own"
        ) from error


def _start(config: ClusterConfig) -> None:
    """A Ray of our own. Ray gives itself 30 s, too few on a busy machine or from a cold disk, which a second try finds
    warm."""
    this = psutil.Process()
    before = set(this.children(recursive=True))
    for last in (False, True):
        try:
            ray.init(
                # Whatever cluster this machine or its environment knows of.
                address="local",
                num_cpus=config.num_cpus,
                object_store_memory=config.object_store_mb * 10**6,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
            return
        except Exception as error:
            # Ray has no class of its own for it.
            if "timed out during startup" not in str(error):
                raise
            ray.shutdown()
            for process in set(this.children(recursive=True)) - before:  # of a node that Ray does not know of yet
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            if last:
                raise RunStopped(
                    "Ray could not start in twice 30 s; is this machine busy with something else?"
                ) from error
