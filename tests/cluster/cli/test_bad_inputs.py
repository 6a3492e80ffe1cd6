# pyright: strict
"""Bad inputs over all commands: one line, exit code 2, and nothing is started."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from bad_inputs.files import COMMANDS, CONFIGS, FOLDERS, PROCESSES, PROMPTS, Command
from bad_inputs.overrides import OVERRIDES
from commands import Salon
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "menagerie" / "models"
EXPERIMENT = f"""\
name: tiny
updates: 2
groups_per_update: 2
samples_per_prompt: 2
policy: {{model: {MODELS}/policy, lora: {{rank: 4, alpha: 4}}}}
sampler: {{steps: 4, guidance: 1.0}}
prompts: {{file: prompts.txt}}
actors: {{count: 1, num_cpus: 0.1}}
rewards: {{judges: {{size: {{kind: jpeg, serve: {{num_cpus: 0.1}}}}}}}}
learner: {{lr: 1.0e-3, num_cpus: 0.1, algorithm: {{advantage: {{kind: group}}}}}}
evaluation: {{prompts: 2, samples: 2}}
cluster: {{object_store_mb: 80}}
"""
SECONDS = 10.0
"""of a processor of its own; by the clock it would depend on what else this machine does"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with what the inputs name, the current one; and a Ray that nobody may start."""
    (tmp_path / "tiny.yaml").write_text(EXPERIMENT)
    (tmp_path / "prompts.txt").write_text("a red cat\n")
    (tmp_path / "jury.yaml").write_text("rewards: {judges: {size: {kind: jpeg}}}\n")
    (tmp_path / "bad_syntax.py").write_text("def judge(:\n")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "cat.png")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # pyright: ignore[reportUnknownMemberType]
    for name in ("WANDB_API_KEY", "SALON_TOKEN", "TMPDIR", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def started(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("Ray was started")

    import ray

    monkeypatch.setattr(ray, "init", started)
    yield tmp_path
    assert not [*tmp_path.glob("runs/*/config.yaml")], "a run was begun"


def check(result: tuple[int, str, str], said: str, seconds: float) -> None:
    code, out, err = result
    assert "Traceback" not in err
    assert code == 2, err
    assert out == ""
    assert err.startswith("salon: ")
    assert err.count("\n") == 1, err
    assert said in err
    assert len(err) < 1000
    assert seconds < SECONDS


def run(salon: Salon, command: Command, said: str) -> None:
    begun = time.process_time()
    result = salon(*(word.replace("MODELS", str(MODELS)) for word in command))
    check(result, said, time.process_time() - begun)


def named(table: list[tuple[Any, ...]]) -> list[Any]:
    """Rows with short names."""
    return [pytest.param(*row, id=f"{i}-{ascii(row[0])[:40]}") for i, row in enumerate(table)]


def test_there_are_two_hundred_and_more() -> None:
    assert sum(map(len, (OVERRIDES, CONFIGS, PROMPTS, FOLDERS, COMMANDS, PROCESSES))) >= 200


@pytest.mark.parametrize(("override", "said"), named(OVERRIDES))
def test_an_override(salon: Salon, override: str, said: str) -> None:
    run(salon, ["train", "tiny.yaml", "--set", override], said)


@pytest.mark.parametrize(("content", "said"), named(CONFIGS))
def test_a_config(salon: Salon, content: bytes, said: str) -> None:
    Path("bad.yaml").write_bytes(content)
    for command in (["train", "bad.yaml"], ["serve", "bad.yaml"]):
        run(salon, command, said)


@pytest.mark.parametrize(("name", "content", "judges", "said"), named(PROMPTS))
def test_a_prompt_file(salon: Salon, name: str, content: bytes, judges: str, said: str) -> None:
    Path(name).write_bytes(content)
    judges = judges.replace("MODELS", str(MODELS))
    run(salon, ["train", "tiny.yaml", "--set", f"prompts.file={name}", "--set", f"rewards.judges={judges}"], said)


@pytest.mark.parametrize(("file", "content", "said"), named(FOLDERS))
def test_a_folder_of_a_policy(salon: Salon, file: str, content: bytes | None, said: str) -> None:
    shutil.copytree(MODELS / "policy", "policy", copy_function=os.link)
    Path("policy", file).unlink()
    if content is not None:
        Path("policy", file).write_bytes(content)
    run(salon, ["train", "tiny.yaml", "--set", "policy.model=policy"], said)


@pytest.mark.parametrize(("command", "said"), named(COMMANDS))
def test_a_command(salon: Salon, command: Command, said: str) -> None:
    run(salon, command, said)


@pytest.mark.parametrize(("shell", "said"), named(PROCESSES))
def test_a_process_in_an_odd_environment(place: Path, shell: str, said: str) -> None:
    command = f"{sys.executable} -m cluster.cli"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        ["bash", "-c", shell.replace("COMMAND", command)],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    check((result.returncode, result.stdout, result.stderr), said, seconds)
