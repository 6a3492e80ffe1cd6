# pyright: strict
"""The resources of this machine, or of the container: processors, memory and GPUs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import floor
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """Logical CPUs, bytes of memory that are free now, and GPUs."""

    cpus: int
    memory: int
    gpus: int

    @classmethod
    def here(cls, cgroup: Path = CGROUP) -> Machine:
        """This machine; a container's limits (cgroup version 2) count where they are lower than the machine's."""
        cpus = len(os.sched_getaffinity(0))
        quota = _words(cgroup / "cpu.max")
        if len(quota) == 2 and quota[0] != "max":
            cpus = min(cpus, max(1, floor(int(quota[0]) / int(quota[1]))))
        memory = psutil.virtual_memory().available
        limit, used = _words(cgroup / "memory.max"), _words(cgroup / "memory.current")
        if limit and used and limit[0] != "max":
            memory = min(memory, max(0, int(limit[0]) - int(used[0])))
        return cls(cpus, memory, _gpus())


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.is_file() else []


def _gpus() -> int:
    """NVIDIA GPUs that this process may see; asked of the driver, as importing torch takes seconds."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    folder = Path("/proc/driver/nvidia/gpus")
    return len(list(folder.iterdir())) if folder.is_dir() else 0
