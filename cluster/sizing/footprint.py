"""The peak memory of a computation, counted on the `meta` device, where nothing is computed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_bytes(work: Callable[[], Any]) -> int:
    """The most bytes that tensors which `work` makes take at one time; those that were there before are not counted.

    An estimate: of eager execution with a fused attention, without a kernel's own workspace, and without what an
    allocator keeps between its blocks."""
    count = _LiveBytes()
    with _fused_attention(), count:
        work()
    return count.peak


class _LiveBytes(TorchDispatchMode):
    """Counts the storages that operations make, until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._live = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        old = {_storage(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf.device.type == "meta" and _storage(leaf) not in old:
                storage = leaf.untyped_storage()
                if storage not in self._known:
                    self._known.add(storage)
                    self._live += storage.nbytes()
                    weakref.finalize(storage, self._freed, storage.nbytes())
        self.peak = max(self.peak, self._live)
        return result

    def _freed(self, size: int) -> None:
        self._live -= size


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


@contextmanager
def _fused_attention() -> Generator[None]:
    """Context manager: attention as the fused kernels of a GPU do it, without the matrix of scores; `meta` would take
    the plain way. A backward that computes anew does so in another thread, where torch's own modes do not reach."""
    functional: Any = torch.nn.functional
    plain = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = _fused
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = plain


def _fused(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    if attn_mask is not None and attn_mask.dtype is torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype)
    kernel: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return kernel(query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]
