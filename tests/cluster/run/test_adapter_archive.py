# pyright: strict
"""Which policy a rollback publishes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actors.adapter import Adapter
from cluster.run.adapter_archive import AdapterArchive
from cluster.tracking.alarm import Alarm


def adapter(version: int) -> Adapter:
    return Adapter.pack(version, {"up.lora_A": np.full((2, 3), version), "down.lora_B": np.full(4, -version)})


def alarm(earlier: tuple[int, int]) -> Alarm:
    return Alarm("heldout/animal", 30, earlier, (25, 30), reward=(0.1, 0.5), metric=(0.9, 0.2), rose=True)


def test_a_rollback_takes_the_newest_policy_that_drew_pictures_of_the_earlier_window(tmp_path: Path) -> None:
    archive = AdapterArchive(tmp_path, every=5)
    for version in range(31):
        archive.keep(adapter(version))
    assert archive.versions() == [0, 5, 10, 15, 20, 25, 30]
    found = archive.before([alarm((11, 16))])
    assert found is not None
    assert found.version == 15, "the pictures of update 16 were drawn by policy 15 at the newest"
    assert found.checksum() == adapter(15).checksum()
    assert found.names == adapter(15).names
    assert found.shapes == adapter(15).shapes
    earliest = archive.before([alarm((11, 16)), alarm((1, 6)), alarm((20, 25))])
    assert earliest is not None
    assert earliest.version == 5, "every alarm has its say"


def test_without_an_old_enough_policy_there_is_none(tmp_path: Path) -> None:
    archive = AdapterArchive(tmp_path, every=5)
    for version in (7, 8, 12):
        archive.keep(adapter(version))
    assert archive.versions() == [7, 12]
    assert archive.before([alarm((1, 6))]) is None


def test_a_restart_takes_out_what_is_made_again(tmp_path: Path) -> None:
    archive = AdapterArchive(tmp_path, every=2)
    for version in range(9):
        archive.keep(adapter(version))
    again = AdapterArchive(tmp_path, every=2)
    again.rewind(5)
    assert again.versions() == [0, 2, 4]
    again.keep(adapter(6))
    assert again.versions() == [0, 2, 4, 6]


def test_a_damaged_policy_is_passed_over(tmp_path: Path) -> None:
    archive = AdapterArchive(tmp_path, every=5)
    for version in range(31):
        archive.keep(adapter(version))
    (tmp_path / "adapters" / "notes.safetensors").touch()
    flipped, torn = (tmp_path / "adapters" / f"{version:06d}.safetensors" for version in (15, 10))
    data = bytearray(flipped.read_bytes())
    data[-1] ^= 1
    flipped.write_bytes(data)
    torn.write_bytes(torn.read_bytes()[:20])
    found = archive.before([alarm((11, 16))])
    assert found is not None
    assert found.version == 5
