"""A finished run's folder is damaged at random: it goes on from a whole checkpoint, or a line says why it cannot."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plain_loop import save_as_version_0_1_0

from cluster.cli.main import main
from cluster.run.adapter_archive import AdapterArchive
from cluster.run.observers import open_audit
from cluster.tracking.history import RunHistory
from learners.distributed.checkpoints import CheckpointStore

TIMES, KEPT = 200, (3, 2)


class Reached(BaseException):
    """Ray would start now."""


def damage(run: Path, rng: random.Random) -> tuple[Path, str]:
    """Damages one thing in `run`: a file, a checkpoint's folder or the learner's; which, and how."""
    files = sorted(path for path in run.rglob("*") if path.is_file())
    state = [path for path in files if "learner" in path.parts]
    path = rng.choice(state if rng.random() < 0.6 else files)
    kinds: list[tuple[str, Callable[[], object]]] = [
        ("cut", lambda: path.write_bytes(path.read_bytes()[: rng.randrange(max(1, path.stat().st_size))])),
        ("emptied", lambda: path.write_bytes(b"")),
        ("zeroed", lambda: path.write_bytes(bytes(path.stat().st_size))),
        ("deleted", path.unlink),
        ("flipped", lambda: _flip(path, rng)),
        ("a folder", lambda: (path.unlink(), path.mkdir())),
    ]
    if rng.random() < 0.1 and path.parent != run:
        path = path.parent
        kinds = [("deleted", lambda: shutil.rmtree(path)), ("a file", lambda: (shutil.rmtree(path), path.touch()))]
    kind, act = rng.choice(kinds)
    act()
    return path, kind


def _flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 4) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


@pytest.fixture
def resume(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[[Path], tuple[list[Any], list[str]]]:
    """`salon train --resume RUN` until Ray would start: what it would start with (nothing if it refuses), and what it
    said on stderr."""
    started: list[Any] = []

    @contextlib.contextmanager
    def ray_runtime(*_: object) -> Iterator[None]:
        yield

    def running_services(config: object, run_dir: Path, saved: object, *others: object) -> None:
        started.extend([config, saved])
        raise Reached

    monkeypatch.setattr("cluster.run.train.ray_runtime", ray_runtime)
    monkeypatch.setattr("cluster.run.train.running_services", running_services)

    def run(folder: Path) -> tuple[list[Any], list[str]]:
        started.clear()
        with pytest.raises((SystemExit, Reached)) as ended:
            main(["train", "--resume", str(folder)])
        said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("salon: ")]
        if isinstance(ended.value, SystemExit):
            assert ended.value.code == 2
            assert len(said) == 1, said
        return [*started], said

    return run


def go_on(finished: Any, folder: Path, config: Any, saved: Any, learner: Any) -> int:
    """What the run does next with what it reads, but for Ray: the update that it goes on from."""
    ledger = finished.new_ledger()
    ledger.restore(saved)
    ledger.conservation()
    found = CheckpointStore(folder).newest(saved["published"]).checkpoint
    assert found is not None
    assert found.update == saved["published"], "the learner and the ledger are of one update"
    whole = finished.folder / "learner" / found.folder.name
    for name in ("ledger.json", *(path.name for path in whole.glob("*.safetensors"))):
        # A checkpoint of version 0.1.0 has other files.
        if name == "ledger.json" or not (found.folder / "engine").exists():
            assert (found.folder / name).read_bytes() == (whole / name).read_bytes()
    learner.restore(found.folder)
    assert learner.adapter().checksum() == finished.checksums[found.update]
    assert all(row["update"] <= found.update for row in RunHistory.read(folder).updates)
    with open_audit(config, folder, found.update):
        pass
    AdapterArchive(folder, 1).rewind(found.update)
    return found.update


def test_a_run_that_is_whole_goes_on_from_its_end_and_says_nothing(
    finished: Any, learner: Any, tmp_path: Path, resume: Callable[[Path], tuple[list[Any], list[str]]]
) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    (config, saved), said = resume(folder)
    assert (go_on(finished, folder, config, saved, learner), said) == (KEPT[0], [])


def test_a_run_of_an_earlier_release_goes_on_whatever_ray_train_wrote_of_it(
    finished: Any, learner: Any, tmp_path: Path, resume: Callable[[Path], tuple[list[Any], list[str]]]
) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    for checkpoint in folder.glob("learner/*"):
        learner.restore(checkpoint)
        save_as_version_0_1_0(learner, checkpoint)
        for path in [*checkpoint.glob("*.safetensors"), checkpoint / "manifest.json", checkpoint / "config.yaml"]:
            path.unlink()
    (folder / "learner" / "checkpoint_manager_snapshot.json").write_text("")
    (config, saved), said = resume(folder)
    assert (go_on(finished, folder, config, saved, learner), said) == (KEPT[0], [])
    for seed in range(20):
        hurt = shutil.copytree(folder, tmp_path / str(seed))
        rng = random.Random(seed)
        newest = hurt / "learner" / "checkpoint_000003"
        path = rng.choice(sorted([*newest.glob("*.json"), *newest.glob("engine/*.pt")]))
        kind = rng.choice(["cut", "deleted", "emptied"])
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if kind == "cut" else b"")
        if kind == "deleted":
            path.unlink()
        (config, saved), said = resume(hurt)
        assert go_on(finished, hurt, config, saved, learner) == KEPT[1], (path, kind)
        assert any(str(path) in line or str(path.parent) in line for line in said), said


def test_a_run_without_its_config_says_where_there_is_a_copy(
    finished: Any, tmp_path: Path, resume: Callable[[Path], tuple[list[Any], list[str]]]
) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    (folder / "config.yaml").unlink()
    _, (said,) = resume(folder)
    copy = folder / "learner" / "checkpoint_000003" / "config.yaml"
    assert said.endswith(f"there is no config.yaml in it; put {copy} there, which is a copy of it")
    shutil.copy(copy, folder)
    (_, saved), said = resume(folder)
    assert (saved["published"], said) == (KEPT[0], [])


@pytest.mark.parametrize("part", range(4))
def test_whatever_is_damaged_it_goes_on_from_a_whole_checkpoint_or_says_a_line(
    finished: Any,
    learner: Any,
    tmp_path: Path,
    resume: Callable[[Path], tuple[list[Any], list[str]]],
    part: int,
) -> None:
    refused = 0
    for seed in range(part, TIMES, 4):
        rng = random.Random(seed)
        folder = shutil.copytree(finished.folder, tmp_path / str(seed) / "run")
        hurt = [damage(folder, rng) for _ in range(rng.choice([1, 1, 1, 2]))]
        case = f"seed {seed}: {[(str(path.relative_to(folder)), kind) for path, kind in hurt]}"
        started, said = resume(folder)
        if not started:
            refused += 1
            continue
        config, saved = started
        done = go_on(finished, folder, config, saved, learner)
        newest = CheckpointStore(folder).path(KEPT[0])
        if done != KEPT[0]:
            assert any("going on from update 2" in line for line in said), case
            assert any(str(newest) in line for line in said) or not newest.exists(), case
        if config != finished.config:
            assert any("from now on" in line for line in said), case
        shutil.rmtree(folder.parent)
    assert refused < TIMES // 8, "it goes on wherever it can"
