"""A policy in a thread of its own, with the adapter that each job asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch

from actors.adapter import Adapter
from actors.diffusion.policy import Policy

_T = TypeVar("_T")


class PolicyThread:
    """Runs all work with a policy in one thread (of `threads` torch threads), one job after another.

    A job loads its adapter first, so whatever it makes is made wholly by that adapter.
    """

    def __init__(self, policy: Policy, threads: int) -> None:
        self.policy = policy
        self.initial = policy.adapter(0)
        """the adapter of the policy at the start"""
        self.loaded = self.initial
        """the adapter of the policy now"""
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="policy", initializer=torch.set_num_threads, initargs=(threads,)
        )

    async def run(self, adapter: Adapter, work: Callable[..., _T], *arguments: Any) -> _T:
        """The result of `work` with `adapter` loaded; the event loop goes on meanwhile."""

        def job() -> _T:
            # By content: after a rollback the same version number may stand for other weights.
            now = self.loaded
            if adapter is not now and (
                adapter.version != now.version or not np.array_equal(adapter.values, now.values)
            ):
                self.policy.load_adapter(adapter)
                self.loaded = adapter
            return work(*arguments)

        return await asyncio.get_running_loop().run_in_executor(self._thread, job)
