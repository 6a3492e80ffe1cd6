# pyright: strict
"""GPUs by their memory, and which of them a process fits on."""

from __future__ import annotations

from typing import NamedTuple

GB = 1e9


class Gpu(NamedTuple):
    """Models of one size of memory, in bytes, by their makers' data sheets."""

    names: str
    memory: float


GPUS = (
    Gpu("T4 (16 GB)", 16 * GB),
    Gpu("L4, A10, RTX 4090 (24 GB)", 24 * GB),
    Gpu("RTX 5090 (32 GB)", 32 * GB),
    Gpu("A100 (40 GB)", 40 * GB),
    Gpu("L40S, A6000 (48 GB)", 48 * GB),
    Gpu("A100, H100 (80 GB)", 80 * GB),
    Gpu("H200 (141 GB)", 141 * GB),
    Gpu("B200 (180 GB)", 180 * GB),
)

CONTEXT = 0.6 * GB
"""what CUDA, cuBLAS and cuDNN take of a GPU for each process"""
FRAGMENTS = 1.1
"""what an allocator holds for each byte that is in use; a rule of thumb"""


def fits(memory: float, processes: int = 1) -> str:
    """The smallest GPU that has `memory` bytes of tensors in `processes` processes, in words."""
    needed = memory * FRAGMENTS + processes * CONTEXT
    for gpu in GPUS:
        if needed <= gpu.memory:
            return f"fits {gpu.names}"
    return "fits no single GPU"
