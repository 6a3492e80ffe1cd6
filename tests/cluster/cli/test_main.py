"""The command line as a whole: help, wrong words, and a command that needs nothing."""

from __future__ import annotations

import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from commands import Salon, refused

from cluster.errors import AlarmRang, BadInput, ConfigError, PreflightError, RunBusyError, RunStopped, UserError

HEAVY = {"torch", "ray", "diffusers", "transformers", "wandb", "numpy", "matplotlib", "pandas", "pyarrow"}


@pytest.mark.parametrize(("arguments", "shown"), [([], ["Commands:"]), (["train"], ["--resume", "--set"])])
def test_help_answers_at_once_because_nothing_heavy_is_imported(arguments: list[str], shown: list[str]) -> None:
    look = (
        f"import sys; from cluster.cli.main import main\n"
        f"try: main({[*arguments, '--help']})\n"
        f"finally: print(sorted({HEAVY} & set(sys.modules)))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert all(word in result.stdout for word in shown)
    assert result.stdout.splitlines()[-1] == "[]"
    # On a processor of its own; by the clock it would depend on what else this machine does.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_the_command_is_a_module_too() -> None:
    result = subprocess.run([sys.executable, "-m", "cluster.cli", "trian"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("salon: No such command 'trian'")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RunStopped("one\n\n  two   words"), 1),
        (ConfigError("one\n\n  two   words"), 2),
        (PreflightError("one\n\n  two   words"), 2),
        (RunBusyError("one\n\n  two   words"), 2),
        (BadInput("one\n\n  two   words"), 2),
        (AlarmRang("one\n\n  two   words"), 3),
    ],
)
def test_an_error_for_the_user_is_lines_and_an_exit_code(
    salon: Salon, monkeypatch: pytest.MonkeyPatch, error: UserError, code: int
) -> None:
    def write_report(run: Path, damaged: list[str]) -> Path:
        raise error

    monkeypatch.setattr("cluster.report.report.write_report", write_report)
    assert salon("report", "run") == (code, "", "salon: one\nsalon: two words\n")


@pytest.mark.parametrize("arguments", [["-h"], ["train", "-h"], ["menagerie", "-h"], ["menagerie", "draw", "-h"]])
def test_help_has_a_short_form(salon: Salon, arguments: list[str]) -> None:
    assert salon(*arguments) == salon(*arguments[:-1], "--help")
    assert salon(*arguments)[0] == 0


def test_the_version_is_that_of_the_package(salon: Salon) -> None:
    assert salon("--version") == (0, f"salon {version('salon')}\n", "")


@pytest.mark.parametrize("arguments", [[], ["menagerie"]])
def test_without_a_command_there_is_help(salon: Salon, arguments: list[str]) -> None:
    code, out, err = salon(*arguments)
    assert (code, err) == (0, "")
    assert "Commands:" in out
    assert "train" in out
    assert "jury of frozen AI judges" in " ".join(out.split()) or arguments


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "trian"),
        (["menagerie", "train", "clip"], "give --out FOLDER or, to write over the models that ship with Salon"),
        (["menagerie", "card", "--out", "x", "--shipped"], "give --out FOLDER or"),
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
def test_a_wrong_command_line_is_answered_in_one_line(salon: Salon, arguments: list[str], said: str) -> None:
    assert said in refused(salon(*arguments))


def test_the_report_is_written_and_named(salon: Salon, run: Path) -> None:
    code, out, _ = salon("report", run)
    assert code == 0
    assert out == f"report: {run / 'report.html'}\n"
    assert (run / "report.html").is_file()
