# pyright: strict
"""The adapter archive: adapters of earlier updates, so that a run can publish one from before an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save  # pyright: ignore[reportUnknownVariableType]

from actors.adapter import Adapter
from cluster.tracking.alarm import Alarm
from rewards.atomic_write import atomic_write
from rewards.storage_error import writing

FOLDER = "adapters"


class AdapterArchive:
    """Keeps about every `every`-th adapter of a run in `RUN/adapters/NNNNNN.safetensors`, by version.

    What `alarm.on_alarm: rollback` needs. The run ends and publishes a policy from the archive; it does not train on
    from there, because the same policy, jury, prompts and seeds would only take the same way again. What has to change
    first, the reward, is the user's to change.
    """

    def __init__(self, run_dir: Path, every: int) -> None:
        self._folder, self._every = run_dir / FOLDER, every
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)

    def keep(self, adapter: Adapter) -> None:
        """Keeps the adapter, unless there is one already since the last multiple of `every`."""
        if all(version // self._every != adapter.version // self._every for version in self.versions()):
            with atomic_write(self._path(adapter.version)) as part:
                part.write_bytes(save(adapter.unpack(), {"checksum": adapter.checksum()}))

    def before(self, alarms: Sequence[Alarm]) -> Adapter | None:
        """The newest kept adapter that drew pictures of every alarm's earlier window, or older ones; None if none did.
        One that is damaged is passed over.

        The earlier window's last update trained pictures of the version before it at the newest, so that is the newest
        version that the alarm itself shows to have been in order.
        """
        newest = min(alarm.earlier[1] for alarm in alarms) - 1
        wanted = (self._load(version) for version in reversed(self.versions()) if version <= newest)
        return next((adapter for adapter in wanted if adapter is not None), None)

    def rewind(self, version: int) -> None:
        """Removes the adapters of later versions, which are about to be made again."""
        for later in self.versions():
            if later > version:
                self._path(later).unlink()

    def versions(self) -> list[int]:
        """The versions that are kept."""
        return sorted(int(path.stem) for path in self._folder.glob("*.safetensors") if path.stem.isdecimal())

    def _load(self, version: int) -> Adapter | None:
        path = self._path(version)
        try:
            opened: Any = cast(Any, safe_open)(path, "numpy")
            with opened as file:
                metadata: dict[str, str] = file.metadata() or {}
                adapter = Adapter.pack(version, {str(name): file.get_tensor(name) for name in [*file.keys()]})
        except (OSError, SafetensorError):
            return None
        # Those of earlier releases have no check sum.
        return adapter if metadata.get("checksum") in (None, adapter.checksum()) else None

    def _path(self, version: int) -> Path:
        return self._folder / f"{version:06d}.safetensors"
