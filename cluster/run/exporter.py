# pyright: strict
"""The exporter: adapters as files where no rollout actor has the policy to make them."""

from __future__ import annotations

from typing import Protocol

from actors.adapter import Adapter
from actors.config import PolicyConfig
from cluster.run.background import Background


class Exports(Protocol):
    """What makes files of what was trained; `cluster.crew.crew.RolloutCrew` does, too."""

    def initial(self) -> Adapter:
        """The adapter of version 0."""
        ...

    def exported(self, adapter: Adapter) -> dict[str, bytes]:
        """The files by name from which plain diffusers loads `adapter`, see `Policy.exported`."""
        ...


class Exporter:
    """Loads the policy when it is asked for something, in a process of its own that ends with the answer: a run that
    draws nothing keeps no second copy of the policy. `seed` is the run's."""

    def __init__(self, policy: PolicyConfig, seed: int) -> None:
        self._policy, self._seed = policy, seed

    def initial(self) -> Adapter:
        """See `Exports.initial`."""
        return Background("exporter", _initial, self._policy, self._seed).result()

    def exported(self, adapter: Adapter) -> dict[str, bytes]:
        """See `Exports.exported`."""
        return Background("exporter", _exported, self._policy, self._seed, adapter).result()


def _initial(config: PolicyConfig, seed: int) -> Adapter:
    from actors.diffusion.policy import Policy

    return Policy.load(config, seed).adapter(0)


def _exported(config: PolicyConfig, seed: int, adapter: Adapter) -> dict[str, bytes]:
    from actors.diffusion.policy import Policy

    policy = Policy.load(config, seed)
    policy.load_adapter(adapter)
    return policy.exported()
