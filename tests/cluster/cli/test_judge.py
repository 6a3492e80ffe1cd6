"""`salon judge` as a user types it; no Ray is started here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import JURY, Salon, refused
from PIL import Image

from rewards.judges.jpeg import JpegConfig, JpegJudge

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "jury.yaml"
    file.write_text(JURY)
    return file


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Two pictures of the same name in two folders, and one of another size."""
    files = [tmp_path / "a" / "cat.png", tmp_path / "b" / "cat.png", tmp_path / "dog.jpg"]
    for i, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (16, 16 + i // 2, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    return files


def test_the_table_shows_what_each_judge_says(salon: Salon, config: Path, pictures: list[Path]) -> None:
    code, out, err = salon("judge", *pictures, "--prompt", "a cat", "--config", config)
    assert (code, err) == (0, "")
    (expected,) = JpegJudge("size", JpegConfig()).judge(np.asarray(Image.open(pictures[0]))[None], ["a cat"])
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert rows[0] == ["cat.png", "size", f"{expected.value:.4f}", f"kB {expected.scores['kB']:.4g}"]
    assert rows[1][:2] == ["", "quality"]
    assert rows[2][:3] == ["", "reward", f"{expected.value:.4f}"]
    assert [row[0] for row in rows if row[0]] == ["cat.png", "cat.png", "dog.jpg"]


def test_json_says_the_same_with_a_prompt_for_each(salon: Salon, config: Path, pictures: list[Path]) -> None:
    prompts = [part for i in range(3) for part in ("--prompt", f"prompt {i}")]
    code, out, _ = salon("judge", *pictures, *prompts, "--config", config, "--json")
    assert code == 0
    answer = json.loads(out)["pictures"]
    assert [picture["file"] for picture in answer] == [str(file) for file in pictures]
    assert [picture["prompt"] for picture in answer] == ["prompt 0", "prompt 1", "prompt 2"]
    assert [(picture["width"], picture["height"]) for picture in answer] == [(16, 16), (16, 16), (17, 16)]
    for picture in answer:
        size, quality = picture["verdicts"]
        assert (size["judge"], quality["judge"]) == ("size", "quality")
        assert picture["reward"] == pytest.approx(size["value"])


def test_what_judges_mark_is_drawn_and_no_file_is_written_over(
    salon: Salon, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "tests" / "rewards"), *sys.path])
    config = tmp_path / "marks.yaml"
    config.write_text("rewards: {judges: {marks: {kind: 'marking_judges:Marks'}}}\n")
    before = pictures[2].read_bytes()
    code, out, _ = salon("judge", *pictures, "--prompt", "x", "--config", config, "--draw", tmp_path)
    assert code == 0
    drawn = [line.removeprefix("drawn: ") for line in out.splitlines() if line.startswith("drawn: ")]
    assert [Path(file).name for file in drawn] == ["cat.judged.png", "cat.2.judged.png", "dog.judged.png"]
    assert Image.open(drawn[0]).size == (2 * 384 + 4, 384), "the picture with boxes, and the heatmap"
    assert pictures[2].read_bytes() == before
    assert "left half, heatmap artifact" in out


def test_ratings_show_how_far_each_judge_agrees_with_people(
    salon: Salon, config: Path, pictures: list[Path], tmp_path: Path
) -> None:
    ratings = tmp_path / "ratings.csv"
    # By path, by name, and by two raters. The more kB, the better people find it; `size` rewards few.
    sizes = [
        JpegJudge("size", JpegConfig()).judge(np.asarray(Image.open(file))[None], [""])[0].scores["kB"]
        for file in pictures
    ]
    rows = [f"{pictures[0]},{sizes[0]},ann", f"{pictures[1]},{sizes[1]},ann", f"dog.jpg,{sizes[2] - 1},ann"]
    ratings.write_text("\n".join(["file,rating,rater", *rows, f"dog.jpg,{sizes[2] + 1},bob", "other.png,3,bob"]))
    asked = ["judge", *pictures, "--prompt", "x", "--config", config, "--ratings", ratings]
    code, out, err = salon(*asked, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)["agreement"]
    assert set(answer) == {"size", "quality"}
    assert answer["size"] == {"plcc": pytest.approx(-1), "srcc": pytest.approx(-1), "pictures": 3}
    _, out, _ = salon(*asked)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert ["size", "-1.000", "-1.000", "3"] in rows
    code, out, _ = salon("judge", pictures[2], "--prompt", "x", "--config", config, "--ratings", ratings, "--json")
    assert json.loads(out)["agreement"]["size"] == {"plcc": None, "srcc": None, "pictures": 1}


def test_a_table_of_ratings_is_text_as_everywhere(salon: Salon, config: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a\u2028cat.png"
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(odd)
    ratings = tmp_path / "ratings.csv"
    ratings.write_bytes(f"\ufefffile,rating\r{odd.name},2\r".encode())
    code, out, _ = salon("judge", odd, "--prompt", "x", "--config", config, "--ratings", ratings, "--json")
    assert (code, json.loads(out)["agreement"]["size"]["pictures"]) == (0, 1)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (None, "ratings.csv: there is no such file"),
        ("file,score\na.png,1\n", "ratings.csv: has no column rating; its first line names them"),
        ("", "ratings.csv: has no column file and no column rating"),
        ("file,rating\ncat.png,1\ncat.png,good\n", "ratings.csv, line 3: rating 'good' is no number"),
        ("file,rating\ncat.png\n", "ratings.csv: rates none of the pictures"),
        ('file,rating\n"cat.png,1\n' + 20_000 * "a.png,1\n", "is a quotation mark left open?"),
        ("file,rating\nb.png,1\n", "ratings.csv: rates none of the pictures"),
        ('file,rating\n"cat.png,1\nb.png,1\n', "is a quotation mark left open?"),
        ("file,rating,rating\ncat.png,1,2\n", "ratings.csv: has more than one column rating"),
        (f"{'x' * 200_000},rating\n", "ratings.csv, after line 0: field larger than field limit"),
        (f"file,rating\ncat.png,{'1' * 200_000}\n", "ratings.csv, after line 1: field larger than field limit"),
    ],
)
def test_ratings_that_are_none_are_said_in_one_line(
    salon: Salon, config: Path, pictures: list[Path], tmp_path: Path, table: str | None, said: str
) -> None:
    ratings = tmp_path / "ratings.csv"
    if table is not None:
        ratings.write_text(table)
    assert said in refused(salon("judge", *pictures, "--prompt", "x", "--config", config, "--ratings", ratings))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.png", "--prompt", "x"], "absent.png: there is no such file"),
        ([".", "--prompt", "x"], ".: is a folder, not a regular file"),
        (["text.png", "--prompt", "x"], "text.png: is no PNG or JPEG picture"),
        (["cut.png", "--prompt", "x"], "cut.png: cannot be decoded"),
        (["text.png"], "--prompt"),
        (["whole.png", "--prompt", "caf\udce9"], "--prompt: not UTF-8 text"),
        (["/dev/zero", "--prompt", "x"], "/dev/zero: is a device, not a regular file"),
        (["a\u2028b.png", "--prompt", "x"], "b.png: there is no such file"),
        (["a.png", "b.png", "c.png", "--prompt", "x", "--prompt", "y"], "--prompt: 2 given for 3 pictures"),
        (["a.png", "--prompt", "x", "--set", "rewards.judges.size.qualty=3"], "qualty: unknown key; did you mean"),
        ([], "IMAGE"),
    ],
)
def test_what_cannot_be_judged_is_said_in_one_line(
    salon: Salon, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.png").write_text("a cat")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save("whole.png")
    Path("cut.png").write_bytes(Path("whole.png").read_bytes()[:2000])
    assert said in refused(salon("judge", *arguments, "--config", config))


def test_a_judge_whose_model_is_missing_is_named(salon: Salon, tmp_path: Path, pictures: list[Path]) -> None:
    config = tmp_path / "jury.yaml"
    config.write_text("rewards: {judges: {eyes: {kind: clip, model: ./nowhere}}}\n")
    result = salon("judge", pictures[0], "--prompt", "x", "--config", config)
    assert "rewards.judges.eyes.model: no folder './nowhere'" in refused(result)


def test_the_default_jury_is_the_menageries_as_far_as_it_has_models(
    salon: Salon, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    Path("configs/jury.yaml").write_text(
        "name: other\nlearner: {lr: 1}\n"  # the rest of an experiment is not looked at
        "rewards: {judges: {clip: {kind: clip, model: not/there/yet}, size: {kind: jpeg, role: audit}}}\n"
    )
    code, out, err = salon("judge", pictures[0], "--prompt", "x")
    assert code == 0
    assert err == "salon: configs/jury.yaml: left out for want of a model: clip\n"
    assert "size" in out
    assert "unscored" in out, "a part of the jury gives no reward"
    Path("configs/jury.yaml").write_text("rewards: {judges: {clip: {kind: clip, model: not/there/yet}}}\n")
    code, _, err = salon("judge", pictures[0], "--prompt", "x")
    assert code == 2
    assert err.splitlines()[1].startswith("salon: no judge is left; make the models with `salon menagerie train`")
