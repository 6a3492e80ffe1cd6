# pyright: strict
"""The weight store: which adapter is the newest."""

from __future__ import annotations

from actors.adapter import Adapter


class WeightStore:
    """Holds the newest adapter. Versions go up one at a time; only a rollback, announced as such, may go back.

    Publish before the ledger settles the update (so that a ticket admitted afterwards meets the new weights), and
    before the ledger rolls back.
    """

    def __init__(self) -> None:
        self._adapter: Adapter | None = None
        self._evaluated: Adapter | None = None

    def publish(self, adapter: Adapter, evaluated: Adapter | None = None, *, rollback: bool = False) -> int:
        """Makes `adapter` the newest and returns its version. The first may have any version: a resumed run's.
        `evaluated` is what evaluations take in its place, such as an average of the weights.

        Publishing the newest once more does nothing. Raises ValueError for a version that goes back or skips one
        without `rollback`, and for other weights under the newest's version.
        """
        newest = self._adapter
        if newest is not None and not rollback:
            if adapter.version == newest.version and adapter.checksum() == newest.checksum():
                return newest.version
            if adapter.version != newest.version + 1:
                raise ValueError(
                    f"cannot publish version {adapter.version} ({adapter.checksum()}) after version {newest.version} "
                    f"({newest.checksum()}): versions go up by one; a restored learner publishes with rollback=True"
                )
        self._adapter, self._evaluated = adapter, evaluated
        return adapter.version

    def latest(self) -> Adapter | None:
        """The newest adapter, None while nothing has been published."""
        return self._adapter

    def evaluated(self) -> Adapter | None:
        """What evaluations and the run's end take of the newest version, None while nothing has been published."""
        return self._evaluated or self._adapter

    @property
    def version(self) -> int | None:
        """The newest adapter's version, None while nothing has been published."""
        return None if self._adapter is None else self._adapter.version
