from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SMALL = """\
name: small
updates: 4
groups_per_update: 2
samples_per_prompt: 2
policy: {model: nowhere/policy}
prompts: {file: nowhere/prompts.txt}
rewards:
  judges:
    jpeg: {kind: jpeg}
"""


def refused(result: tuple[int, str, str]) -> str:
    """The one line that says what is wrong."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("salon: ")
    assert err.count("\n") == 1, err
    return err


def test_help_answers_at_once_because_nothing_heavy_is_imported() -> None:
    look = (
        "import sys; from cluster.cli.main import main\n"
        "try: main(['train', '--help'])\n"
        "finally: print(sorted({'torch', 'ray', 'diffusers', 'wandb', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert "--resume" in result.stdout
    assert "--set" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [[], ["menagerie"]])
def test_without_a_command_there_is_help(salon: Callable[..., tuple[int, str, str]], arguments: list[str]) -> None:
    code, out, err = salon(*arguments)
    assert (code, err) == (0, "")
    assert "Commands:" in out
    assert "train" in out
    assert "jury of frozen AI judges" in " ".join(out.split()) or arguments


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "trian"),
        (["train", "--sett", "a=b"], "--sett"),
        (["train"], "needs a CONFIG"),
        (["report"], "RUN"),
        (["report", "nowhere"], "nowhere: there is no config.yaml in it"),
        (["menagerie", "draw", "--count", "many", "--out", "x"], "'--count': Input should be a valid integer"),
        (["menagerie", "draw", "--count", "0", "--out", "x"], "--count"),
        (["menagerie", "draw", "--count", "1", "--out", "x", "--schema", "coco"], "--schema"),
        (["train", "--resume", "nowhere"], "--resume nowhere: there is no config.yaml in it"),
    ],
)
def test_a_wrong_command_line_is_answered_in_one_line(
    salon: Callable[..., tuple[int, str, str]], arguments: list[str], said: str
) -> None:
    assert said in refused(salon(*arguments))


def test_a_config_that_is_not_there_is_named(salon: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    assert "absent.yaml" in refused(salon("train", tmp_path / "absent.yaml"))


def test_an_unknown_key_is_refused_with_the_nearest_name(
    salon: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(SMALL.replace("groups_per_update", "groups_per_updat"))
    said = refused(salon("train", config, "--runs", tmp_path / "runs"))
    assert "groups_per_updat" in said
    assert "groups_per_update" in said.replace("groups_per_updat ", "").replace("groups_per_updat'", "")
    assert "small.yaml" in said
    assert not (tmp_path / "runs").exists(), "nothing started"


def test_several_problems_are_said_in_a_line_each(salon: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(SMALL.replace("updates: 4", "updates: 0") + "wheels: 4\n")
    code, _, err = salon("train", config, "--runs", tmp_path / "runs")
    assert code == 2
    assert len(err.splitlines()) == 2
    assert all(line.startswith(f"salon: {config}: ") for line in err.splitlines())


def test_an_override_is_checked_like_the_file(salon: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(SMALL)
    assert "updates" in refused(salon("train", config, "--set", "updates=many", "--runs", tmp_path / "runs"))


def test_a_run_that_exists_is_not_begun_again(
    salon: Callable[..., tuple[int, str, str]], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run(updates=3, name="small", pictures=False)
    config = tmp_path / "small.yaml"
    config.write_text(SMALL)
    said = refused(salon("train", config, "--runs", tmp_path))
    assert f"salon train --resume {run}" in said
    assert "3 updates" in said


def test_the_report_is_written_and_named(salon: Callable[..., tuple[int, str, str]], run: Path) -> None:
    code, out, _ = salon("report", run)
    assert code == 0
    assert out == f"report: {run / 'report.html'}\n"
    assert (run / "report.html").is_file()


def test_pictures_are_drawn_and_never_over_others(salon: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, out, _ = salon("menagerie", "draw", "--count", 6, "--out", tmp_path / "drawn", "--seed", 3)
    assert code == 0
    assert "6 pictures" in out
    first = sorted((tmp_path / "drawn" / "images").glob("0*.json"))
    assert len(first) == 6
    assert json.loads(first[0].read_text())["image"] == "000000.png"
    assert "drawn is not empty" in refused(salon("menagerie", "draw", "--count", 6, "--out", tmp_path / "drawn"))


def test_ratings_and_prompts_are_written(salon: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, _, _ = salon("menagerie", "draw", "--count", 6, "--out", tmp_path / "rated", "--schema", "richhf")
    assert code == 0
    assert {p.stem for p in (tmp_path / "rated").glob("*.tfrecord")} == {"train", "dev", "test"}
    prompts = tmp_path / "prompts.txt"
    assert salon("menagerie", "prompts", "--count", 1, "--out", prompts)[:2] == (0, f"11 prompts in {prompts}\n")
    assert "is there already" in refused(salon("menagerie", "prompts", "--out", prompts))


# What ends a run early: the launcher is replaced by one that waits, for the signal is what is tried here; the tests of
# the whole system end real runs.
WAITING = """
import sys, time, types
launch = types.ModuleType("cluster.run.train")
def train(config, run_dir, resume):
    print("running", flush=True)
    time.sleep(60)
launch.train = train
sys.modules["cluster.run.train"] = launch
from cluster.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_says_how_to_go_on(
    make_run: Callable[..., Path], number: signal.Signals, code: int
) -> None:
    run = make_run(updates=3, pictures=False)
    (run / "config.yaml").write_text(SMALL)
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, "train", "--resume", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.splitlines()[-1] == f"salon: stopped after update 3; continue with `salon train --resume {run}`"
    assert "Traceback" not in err


def test_what_nobody_foresaw_keeps_its_traceback_and_says_how_to_go_on(make_run: Callable[..., Path]) -> None:
    run = make_run(updates=3, pictures=False)
    (run / "config.yaml").write_text(SMALL)
    broken = WAITING.replace("time.sleep(60)", "raise RuntimeError('the disk is full')")
    result = subprocess.run(
        [sys.executable, "-c", broken, "train", "--resume", str(run)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "salon: failed after update 3; continue with `salon train --resume" in result.stderr
    assert result.stderr.splitlines()[-1] == "RuntimeError: the disk is full"
