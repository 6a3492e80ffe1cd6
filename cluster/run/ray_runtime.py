"""Ray for a run: one of its own on this machine, or an existing cluster's."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterable, Iterator

import psutil
import ray

from cluster.config.experiment import ClusterConfig
from cluster.errors import PreflightError, RunStopped
from cluster.run.stop_signals import StopSignals

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
# Ray takes a run's dozen of processes for a leak, and says so in the middle of the run's lines, when they are four
# times as many as may start at once. By default those are as many as there are CPUs.
AT_ONCE = 4
ANSWER_S = 10.0
# How long the processes of a Ray of our own may take to end by themselves.
GONE_S = 5.0
# A custom resource that says of a Ray that it is one run's own: `auto` finds every Ray on the machine.
PRIVATE = "private_to_a_salon_run"


@contextlib.contextmanager
def ray_runtime(config: ClusterConfig, stop: StopSignals | None = None) -> Iterator[None]:
    """Context manager: starts a Ray or joins the cluster's, and shuts it down on exit, however the block ends.

    Of a Ray of our own no process is left then. A signal that `stop` watches for ends the start, too; Ray's handlers
    do not replace those of `stop`.
    """
    stop = stop or StopSignals()
    if not sys.stderr.isatty():
        os.environ.setdefault("RAY_COLOR_PREFIX", "0")  # Ray colours the lines that go to a file, too
    before = _family(psutil.Process())
    started: set[psutil.Process] | None = None
    try:
        with stop.kept_over():
            if config.address is None:
                at_once = max(AT_ONCE, config.num_cpus or os.cpu_count() or 1)
                raylet = {"RAY_worker_maximum_startup_concurrency": str(at_once)}
                for name, value in (ENVIRONMENT | raylet).items():
                    os.environ.setdefault(name, value)
                _start(config)
            else:
                _join(config.address)
        started = _family(psutil.Process()) - before
        for name in ("ray.train", "ray.serve", "ray.data"):
            logging.getLogger(name).setLevel(logging.WARNING)
        yield
    finally:
        with stop.ignored():
            if started is None:  # Ray has not noticed yet what it has started
                ray.shutdown()
                _kill(_family(psutil.Process()) - before)
            else:
                ours = started.union(*map(_family, started))
                ray.shutdown()
                _kill(psutil.wait_procs(ours, timeout=GONE_S)[1])


def _family(of: psutil.Process) -> set[psutil.Process]:
    """The processes that descend from this one."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return set(of.children(recursive=True))
    return set()


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


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
    if PRIVATE in ray.cluster_resources():
        raise PreflightError(
            f"cluster.address: the Ray at {address!r} is another run's own, and ends with it; start a cluster with "
            "`ray start --head` and give its host:port, or leave the address out for a Ray of this run's own"
        )


def _start(config: ClusterConfig) -> None:
    """A Ray of our own. Ray gives itself 30 s, too few on a busy machine or from a cold disk, which a second try finds
    warm."""
    before = _family(psutil.Process())
    for last in (False, True):
        try:
            ray.init(
                # Whatever cluster this machine or its environment knows of.
                address="local",
                num_cpus=config.num_cpus,
                object_store_memory=config.object_store_mb * 10**6,
                resources={PRIVATE: 1},
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
            _kill(_family(psutil.Process()) - before)  # of a node that Ray does not know of yet
            if last:
                raise RunStopped(
                    "Ray could not start in twice 30 s; is this machine busy with something else?"
                ) from error
