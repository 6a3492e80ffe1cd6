"""A user's own function as a judge, and the example in docs/own-judge.md as it is printed there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import own_functions
import pytest
import yaml
from promise import keeps_its_promise

import rewards
from rewards.config import RewardsConfig
from rewards.registry import build_judge, judge_config

PAGE = (Path(rewards.__file__).parents[1] / "docs" / "own-judge.md").read_text("utf-8")


def block(language: str, which: int = 0) -> str:
    """A code block of the page in `language`, the first if not said otherwise."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[which]


def build(function: str, **options: object):
    return build_judge("mine", judge_config(kind=f"own_functions:{function}", options=options))


@pytest.fixture
def my_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's module, importable by the name that it has there."""
    (tmp_path / "my_judge.py").write_text(block("python"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_judge", raising=False)
    import my_judge

    return my_judge


def test_the_example_of_the_page_judges_pictures(my_judge: ModuleType):
    assert len([line for line in block("python").splitlines() if line.strip()]) <= 10
    config = RewardsConfig.model_validate(yaml.safe_load(block("yaml"))["rewards"])
    judge = build_judge("brightness", config.judges["brightness"])
    images = np.zeros((3, 8, 8, 3), np.uint8)
    images[:2, 0] = 204  # an eighth of the picture is at 0.8, so its mean is 0.1
    dark, light, plain = judge.judge(images, ["a cat at night", "a cat in the sun", "a cat"])
    assert dark.value == pytest.approx(0.0)
    assert light.value == pytest.approx(-0.5)
    assert (plain.status, plain.value, plain.text) == ("error", None, "ValueError: the picture is of one colour")
    assert {verdict.version for verdict in (dark, light, plain)} == {judge.version}


def test_the_class_of_the_page_says_more_than_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: np.ndarray
):
    (tmp_path / "my_class.py").write_text(block("python", 1))
    monkeypatch.syspath_prepend(str(tmp_path))
    judge = build_judge("dark", judge_config(kind="my_class:Darkness", options={"below": 0.2}))
    images = np.full((2, 8, 8, 3), 200, np.uint8)
    images[0, :, :4] = 20
    half, plain = judge.judge(images, ["a cat"] * 2)
    assert (half.status, half.value, half.boxes[0][0]) == ("ok", 0.5, "left half")
    assert half.heatmaps["dark"].sum() == 32
    assert (plain.status, plain.value, plain.text) == ("abstain", None, "the picture is of one colour")
    keeps_its_promise(judge, noise[:9])


def test_the_version_follows_the_source_and_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    versions: list[str] = []
    for i, source in enumerate([block("python"), block("python"), block("python").replace("0.6", "0.7")]):
        (tmp_path / f"version{i}.py").write_text(source)
        kind = f"version{i}:brightness"
        versions += [build_judge("b", judge_config(kind=kind, options=o)).version for o in ({}, {"night": 0.1})]
    assert versions[:2] == versions[2:4]
    assert len(set(versions)) == 4


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("says_nan", "value nan"),
        ("says_infinity", "value inf"),
        ("says_nothing", "TypeError: "),
        ("raises", "KeyError: 'cat'"),
    ],
)
def test_a_function_that_goes_wrong_for_one_picture_is_an_error_for_that_one(function: str, reason: str):
    images = np.stack([np.full((4, 4, 3), pixel, np.uint8) for pixel in (own_functions.BAD, 1)])
    bad, fine = build(function).judge(images, ["a cat", "a dog"])
    assert (bad.status, bad.value) == ("error", None)
    assert bad.text.startswith(reason)
    assert (fine.status, fine.value) == ("ok", 1.0)


def test_a_function_that_paints_over_its_picture_paints_over_a_copy():
    images = np.full((1, 4, 4, 3), 7, np.uint8)
    assert build("paints").judge(images, ["a cat"])[0].value == 0.0
    assert (images == 7).all()


@pytest.mark.parametrize(
    ("function", "options", "reason"),
    [
        ("waits", {}, "waits is async or a generator"),
        ("too_few", {}, "too_few cannot be called as"),
        ("paints", {"colour": "red"}, "paints cannot be called as"),
        ("BAD", {}, "is not a rewards.judge.Judge, nor a function"),
    ],
)
def test_what_cannot_be_a_judge_is_refused_by_key(function: str, options: dict[str, object], reason: str):
    with pytest.raises(ValueError, match=f"rewards.judges.mine.kind: .*{reason}"):
        build(function, **options)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def judge(image, prompt:\n", r"\(SyntaxError: '\(' was never closed \(broken\.py, line 1\)\)$"),
        ("raise RuntimeError('no licence\\nfound')", r"\(RuntimeError: found\)$"),
        ("import nowhere_at_all", r"\(ModuleNotFoundError: No module named 'nowhere_at_all'\)$"),
        ("", r"\(AttributeError: "),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused_by_key(
    source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "broken.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    with pytest.raises(ValueError, match=rf"^rewards\.judges\.mine\.kind: cannot import 'broken:judge' {reason}"):
        build_judge("mine", judge_config(kind="broken:judge"))


def test_options_that_a_class_does_not_take_are_refused_by_key():
    with pytest.raises(ValueError, match=r"^rewards\.judges\.mine\.options: faulty_judges:Steady .*argument 'colour'"):
        build_judge("mine", judge_config(kind="faulty_judges:Steady", options={"colour": "red"}))


def test_a_model_for_a_function_is_refused():
    with pytest.raises(ValueError, match=r"rewards.judges.mine.model: a function has no model"):
        build_judge("mine", judge_config(kind="own_functions:paints", model="some/model"))
