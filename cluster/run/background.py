"""Work in a Ray process of its own, while the caller goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import OutOfMemoryError, RayTaskError, WorkerCrashedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.errors import RunStopped

T = TypeVar("T")


class Background(Generic[T]):
    """`work(*arguments)` in another process on this machine: Ray Train blocks where it is called, and the driver must
    go on.

    A thread would not do: a driver that leaves Ray while one of its threads is inside it can crash.
    """

    def __init__(self, name: str, work: Callable[..., T], *arguments: Any) -> None:
        here: Any = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        task: Any = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=here)(work)
        self._name, self._result = name, task.remote(*arguments)

    def running(self) -> bool:
        """Whether the work has not ended yet."""
        return not ray.wait([self._result], timeout=0)[0]

    def wait(self, seconds: float) -> None:
        """Waits for the work to end, at most so long."""
        ray.wait([self._result], timeout=seconds)

    def result(self) -> T:
        """What the work returned; raises what it raised, and RunStopped when its process died. Waits for it."""
        try:
            return ray.get(self._result)
        except RayTaskError as error:
            raise error.cause from None
        except (WorkerCrashedError, OutOfMemoryError) as error:
            raise RunStopped(f"the process of the {self._name} died, most often for want of memory") from error
