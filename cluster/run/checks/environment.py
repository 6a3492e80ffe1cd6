# pyright: strict
"""What the environment of the command lacks: Ray's folder for temporary files, keys, GPUs, processors."""

from __future__ import annotations

import netrc
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cluster.config.experiment import ClusterConfig, ExperimentConfig
from cluster.run.machine import Machine
from cluster.tracking.trackers.wandb_tracker import API_KEY
from rewards.config import RewardsConfig

SOCKET_BYTES = 107
"""of the path of a Unix socket, by Linux"""
SOCKET = "/ray/session_2000-01-01_00-00-00_000000_{pid}/sockets/plasma_store"
"""the longest path that Ray makes in the folder for temporary files"""
ANSWER_S = 5.0
CPUS_A_PROCESSOR = 64
"""logical CPUs of Ray for each processor: Ray keeps a process for each that it hands out"""


def environment_problems(config: ExperimentConfig) -> Iterator[str]:
    """One line per problem of a run by `config`."""
    if config.tracking.wandb == "online" and not (os.environ.get(API_KEY) or _key_in_netrc()):
        yield (
            f"tracking.wandb: online needs W&B's key; set the environment variable {API_KEY} or run `wandb login`, or "
            "use `--set tracking.wandb=offline`"
        )


def ray_problems(cluster: ClusterConfig, rewards: RewardsConfig, machine: Machine | None = None) -> Iterator[str]:
    """What keeps a Ray of our own from starting on `machine` (default: this), or its judges from their devices; of an
    existing cluster whether it answers."""
    if cluster.address is not None:
        yield from _unanswered(cluster.address)
        return
    machine = machine or Machine.here()
    yield from _temporary_folder()
    yield from _home()
    if cluster.num_cpus is not None and cluster.num_cpus > (most := CPUS_A_PROCESSOR * machine.cpus):
        yield (
            f"cluster.num_cpus: {cluster.num_cpus:,} logical CPUs on {machine.cpus} processors; {most:,} at most, as "
            "each that is handed out is a process"
        )
    for name, judge in rewards.judges.items():
        if judge.device == "cuda" and machine.gpus == 0:
            yield f"rewards.judges.{name}.device: cuda, and this machine has no GPU; use auto or cpu"


def _unanswered(address: str) -> Iterator[str]:
    host, colon, port = address.rpartition(":")
    if not colon or "//" in address:  # "auto", or a client's address, which Ray itself looks for
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
    except (OSError, ValueError, OverflowError) as error:
        yield (
            f"cluster.address: no Ray cluster answers at {address!r} ({error}); start one with `ray start --head`, or "
            "leave the address out for a Ray of this run's own"
        )


def _temporary_folder() -> Iterator[str]:
    key = "RAY_TMPDIR" if "RAY_TMPDIR" in os.environ else "TMPDIR"
    folder = os.environ.get(key, "/tmp")
    room = SOCKET_BYTES - len(SOCKET.format(pid=os.getpid()))
    if (length := len(os.fsencode(folder))) > room:
        yield (
            f"{key}: {folder} has {length} bytes, and Ray's sockets below it leave room for {room}; set {key} to a "
            "shorter path, such as /tmp"
        )
        return
    if reason := _unwritable(folder):
        yield f"{key}: Ray cannot write into {folder} ({reason}); set {key} to a folder that you may write"


def _home() -> Iterator[str]:
    folder = os.path.expanduser("~")
    if reason := _unwritable(os.path.join(folder, ".cache")):
        yield (
            f"HOME: {folder} cannot be written ({reason}), and Ray, DeepSpeed and W&B keep caches there; set HOME to a "
            "folder that you may write, such as /tmp"
        )


def _unwritable(folder: str) -> str:
    """Why `folder` can neither be written nor made, in the system's words; empty if it can."""
    there = Path(folder)
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            return ""
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)


def _key_in_netrc() -> bool:
    """Whether `wandb login` has left a key."""
    try:
        hosts = netrc.netrc(os.environ.get("NETRC")).hosts
    except (OSError, netrc.NetrcParseError, RuntimeError):
        return False
    return any("wandb" in host for host in hosts) or "WANDB_BASE_URL" in os.environ
