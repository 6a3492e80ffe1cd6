"""The house keeps to its plan: imports point down, no circles, Ray in thin shells, nothing heavy to say hello."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import layers
import pytest

HEAVY = ("torch", "ray", "diffusers", "transformers", "deepspeed", "matplotlib", "pyarrow", "scipy", "wandb")
EXPERIMENTS = sorted(
    path.name for path in (layers.ROOT / "configs").glob("*.yaml") if path.name not in ("artifacts.yaml", "jury.yaml")
)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return layers.import_graph()


def test_imports_point_down(graph: grimp.ImportGraph) -> None:
    assert not [*layers.upward_imports(graph)]


def test_every_room_has_a_floor(graph: grimp.ImportGraph) -> None:
    assert not [*layers.rooms_without_a_floor(graph)]


def test_there_is_no_circle(graph: grimp.ImportGraph) -> None:
    assert not [*layers.circles(graph)]


def test_ray_is_imported_by_the_listed_shells_alone(graph: grimp.ImportGraph) -> None:
    assert layers.ray_importers(graph) == layers.RAY, "a file that no longer imports Ray leaves the list"


def test_no_room_is_crowded() -> None:
    assert not [*layers.crowded_rooms()]


def test_tests_mirror_the_tree() -> None:
    assert not [*layers.unmirrored_tests()]


@pytest.mark.parametrize("command", ["", "train", "bench", "report", "compare", "serve", "judge", "menagerie"])
def test_help_loads_nothing_heavy(command: str) -> None:
    assert loaded_by(f"sys.argv = ['salon', *{command.split()}, '--help']; main()") == []


@pytest.mark.parametrize("config", EXPERIMENTS)
def test_reading_a_config_loads_nothing_heavy(config: str) -> None:
    assert loaded_by(f"load_config(Path('configs/{config}'))") == []


def loaded_by(code: str) -> list[str]:
    """The heavy libraries that a fresh process has loaded after `code`."""
    script = f"""
import json, sys
from pathlib import Path
from cluster.cli.main import main
from cluster.config.experiment import load_config
try:
    {code}
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]), file=sys.stderr)
"""
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=layers.ROOT, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(result.stderr.splitlines()[-1])


# -- tests of the tests: each departure, made in a copy of the tree, is found there ------------------------------------

DEPARTURES = {
    "an import that is turned round": ("rewards/verdict.py", "import cluster.errors", "rewards lies below cluster"),
    "an import of a room above": ("cluster/ledger/ledger.py", "import cluster.cli.main", "ledger is on floor"),
    "an import inside a function": (
        "rewards/verdict.py",
        "def late():\n    from rewards.http import api\n    return api",
        "verdict is on floor",
    ),
    "a circle": ("actors/ticket.py", "import actors.trajectory", "a circle: "),
    "Ray in a new file": ("learners/maths/objectives.py", "import ray", "learners.maths.objectives imports Ray"),
    "a file that is too long": ("actors/adapter.py", "X = 1\n" * 300, "actors/adapter.py has 3"),
    "a file that is too short": ("actors/small.py", "X = 1", "actors/small.py has 2 lines"),
    "a room on no floor": ("actors/attic/__init__.py", "X = 1", "actors.attic is on no floor"),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("house")
    for folder in (*layers.FOLDERS, "tests"):
        shutil.copytree(
            layers.ROOT / folder, root / folder, ignore=shutil.ignore_patterns("models", "__pycache__", "*.jpg")
        )
        if folder == "rewards":
            shutil.copytree(layers.ROOT / "rewards" / "models", root / "rewards" / "models", dirs_exist_ok=True)
    return root


def departures(root: Path) -> str:
    """What `python tests/layers.py` prints in `root`."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "tests/layers.py"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_copy_of_the_tree_is_as_planned(copied: Path) -> None:
    assert departures(copied) == "as planned\n"


@pytest.mark.parametrize("departure", DEPARTURES)
def test_a_departure_is_found(copied: Path, departure: str) -> None:
    name, line, found = DEPARTURES[departure]
    file = copied / name
    before = file.read_text() if file.exists() else None
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{before or ''}\n{line}\n")
    try:
        assert found in departures(copied)
    finally:
        file.unlink() if before is None else file.write_text(before)
