"""`salon judge --metadata`: objects on the command line, in files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Salon, refused
from PIL import Image

from cluster.cli.metadata_option import read_metadata

RED, BLUE = {"colour": "red"}, {"colour": "blue", "n": [1, 2]}
JURY = """\
rewards:
  judges:
    size: {kind: jpeg}
    reds: {kind: jpeg, applies_if: {key: colour, op: equals, value: red}}
"""


def test_one_for_all_or_one_for_each_from_options_and_files(tmp_path: Path) -> None:
    one, several = tmp_path / "one.json", tmp_path / "several.json"
    one.write_bytes("\ufeff".encode() + json.dumps(RED).encode())
    several.write_text(json.dumps([RED, BLUE]))
    assert read_metadata([], 2) is None
    assert read_metadata([json.dumps(RED)], 3) == [RED] * 3
    assert read_metadata([str(one)], 2) == [RED] * 2
    assert read_metadata([str(several)], 2) == [RED, BLUE]
    assert read_metadata([f" {json.dumps(BLUE)}", str(several)], 3) == [BLUE, RED, BLUE]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["{}", "{}"], "--metadata: 2 given for 3 pictures"),
        (["{"], "--metadata: not JSON"),
        (["[" * 100_000], "--metadata: not JSON that can be read (nested too deeply)"),
        (['{"n": %s}' % ("9" * 5_001)], "--metadata: not JSON (Exceeds the limit"),
        (['{"n": NaN}'], "--metadata: holds nan"),
        (["[1]"], "--metadata: is no JSON object"),
        (["absent.json"], "absent.json: there is no such file"),
        (["/dev/zero"], "/dev/zero: is a device, not a regular file"),
        (["fifo"], "fifo: is a pipe, not a regular file"),
    ],
)
def test_what_is_no_metadata_is_said_in_one_line(
    salon: Salon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    import os

    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    Path("jury.yaml").write_text(JURY)
    asked = [part for option in options for part in ("--metadata", option)]
    pictures = ["a.png", "b.png", "c.png"]  # not looked at
    assert said in refused(salon("judge", *pictures, "--prompt", "x", "--config", "jury.yaml", *asked))


def test_judges_are_asked_about_pictures_to_whose_metadata_they_apply(
    salon: Salon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("jury.yaml").write_text(JURY)
    Image.new("RGB", (8, 8)).save("a.png")
    asked = ["judge", "a.png", "a.png", "--prompt", "x", "--config", "jury.yaml"]
    metadata = ["--metadata", json.dumps(RED), "--metadata", json.dumps(BLUE)]
    code, out, _ = salon(*asked, *metadata, "--json")
    assert code == 0
    statuses = [[one["status"] for one in picture["verdicts"]] for picture in json.loads(out)["pictures"]]
    assert statuses == [["ok", "ok"], ["ok", "abstain"]]
    code, out, _ = salon(*asked, *metadata)
    words = " ".join("".join(line.split("│")[-2]) for line in out.splitlines() if line.startswith("│"))
    assert "as reds gave no value" in " ".join(words.split())
