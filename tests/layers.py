"""The plan of the rooms, and how a checkout departs from it. `python tests/layers.py` prints the departures."""

from __future__ import annotations

import graphlib
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]

FOLDERS = ("rewards", "actors", "learners", "menagerie", "cluster")
"""From the bottom up: a folder imports itself and those before it."""

# Each folder's floors, from the bottom up. A room (a subfolder, or a file beside them) imports itself and the floors
# below its own, not its neighbours on the same floor. `*` stands for every file that is not named.
FLOORS: dict[str, tuple[set[str], ...]] = {
    "rewards": (
        {"*", "settings", "user_input"},
        {"models", "verdict", "pictures"},
        {"judge"},
        {"judges"},
        {"registry"},
        {"config", "sub_scores"},
        {"panel"},
        {"serving"},
        {"http"},
    ),
    "actors": ({"*"}, {"diffusion", "protocols"}, {"rollout"}, {"ray_actor"}),
    "learners": (
        {"settings", "judges", "manifest"},
        {"maths", "training_state", "averaged_weights"},
        {"engine", "sources"},
        {"learner"},
        {"algorithms"},
        {"config"},
        {"distributed"},
    ),
    "menagerie": ({"world"}, {"labels"}, {"datasets"}, {"training", "heldout_judge"}, {"recipes"}, {"measures"}),
    "cluster": (
        {"ledger", "errors"},
        {"tracking"},
        {"config"},
        {"report", "crew"},
        {"run"},
        {"sizing"},
        {"bench"},
        {"cli"},
    ),
}

RAY = {
    "actors.clients",
    "actors.ray_actor",
    "cluster.crew.crew",
    "cluster.ledger.ray_actors",
    "cluster.run.background",
    "cluster.run.ray_runtime",
    "learners.distributed.trainer",
    "learners.distributed.worker",
    "rewards.serving.jury",
    "rewards.serving.replica",
}
"""The modules that may import Ray: thin shells. The list only shrinks."""

FILES_A_ROOM, LONGEST, SHORTEST = 16, 300, 25


def import_graph() -> grimp.ImportGraph:
    """Who imports whom in the packages of the current folder, imports inside functions included."""
    return grimp.build_graph(*FOLDERS, include_external_packages=True, cache_dir=None)


def upward_imports(graph: grimp.ImportGraph) -> Iterator[str]:
    """Imports that point up or sideways, a line each."""
    for importer, imported in _own_imports(graph):
        (folder, room), (other, its_room) = _room(importer), _room(imported)
        if folder != other:
            if FOLDERS.index(folder) < FOLDERS.index(other):
                yield f"{importer} imports {imported}: {folder} lies below {other}"
        elif room != its_room and room is not None and its_room is not None:
            floor, its_floor = _floor(folder, room), _floor(folder, its_room)
            beside = floor == its_floor and not {room, its_room} & _unnamed(graph, folder)
            if floor < its_floor or beside:
                yield f"{importer} imports {imported}: {room} is on floor {floor + 1}, {its_room} on {its_floor + 1}"


def rooms_without_a_floor(graph: grimp.ImportGraph) -> Iterator[str]:
    """Subfolders that FLOORS does not name; looks in the current folder."""
    for folder in FOLDERS:
        for room in sorted(graph.find_children(folder)):
            is_folder = Path(*room.split(".")).is_dir()
            if is_folder and room.split(".")[1] not in set().union(*FLOORS[folder]):
                yield f"{room} is on no floor of tests/layers.py"


def circles(graph: grimp.ImportGraph) -> Iterator[str]:
    """A circle of imports, if there is one."""
    needs: dict[str, set[str]] = {}
    for importer, imported in _own_imports(graph):
        needs.setdefault(importer, set()).add(imported)
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        yield "a circle: " + " → ".join(error.args[1])


def ray_importers(graph: grimp.ImportGraph) -> set[str]:
    """The modules that import Ray."""
    return {module for module in graph.find_modules_that_directly_import("ray") if module.split(".")[0] in FOLDERS}


def crowded_rooms(root: Path = ROOT) -> Iterator[str]:
    """Folders with too many files, files that are too long or too short."""
    files = [f for top in (*FOLDERS, "tests", "benchmarks", "docs") for f in sorted((root / top).rglob("*.py"))]
    for folder in sorted({file.parent for file in files}):
        if (count := sum(f.parent == folder and f.name != "__init__.py" for f in files)) > FILES_A_ROOM:
            yield f"{folder.relative_to(root)} holds {count} files; at most {FILES_A_ROOM}"
    for file in files:
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST or (lines < SHORTEST and file.name not in ("__init__.py", "__main__.py")):
            yield f"{file.relative_to(root)} has {lines} lines; {SHORTEST} to {LONGEST}"


def unmirrored_tests(root: Path = ROOT) -> Iterator[str]:
    """Folders of tests that no room of the code answers to."""
    for folder in sorted({file.parent.relative_to(root / "tests") for file in (root / "tests").rglob("test_*.py")}):
        if folder.parts and folder.parts[0] in FOLDERS and not (root / folder).is_dir():
            yield f"tests/{folder} mirrors no folder of the code"


def _own_imports(graph: grimp.ImportGraph) -> Iterator[tuple[str, str]]:
    for importer in sorted(graph.modules):
        if importer.split(".")[0] in FOLDERS:
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                if imported.split(".")[0] in FOLDERS:
                    yield importer, imported


def _room(module: str) -> tuple[str, str | None]:
    folder, *rest = module.split(".")
    return folder, rest[0] if rest else None


def _floor(folder: str, room: str) -> int:
    floors = FLOORS[folder]
    named = [number for number, rooms in enumerate(floors) if room in rooms]
    return named[0] if named else next((number for number, rooms in enumerate(floors) if "*" in rooms), -1)


def _unnamed(graph: grimp.ImportGraph, folder: str) -> set[str]:
    """Files that share a floor without being rooms of their own; they may use each other."""
    named = set().union(*FLOORS[folder])
    return {room for module in graph.modules if (room := _room(module)[1]) and _room(module)[0] == folder} - named


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    found = import_graph()
    lines = [
        *rooms_without_a_floor(found),
        *upward_imports(found),
        *circles(found),
        *crowded_rooms(),
        *unmirrored_tests(),
    ]
    lines += [f"{module} imports Ray" for module in sorted(ray_importers(found) - RAY)]
    print("\n".join(lines) or "as planned")
