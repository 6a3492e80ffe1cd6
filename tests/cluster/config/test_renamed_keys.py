"""Configs that are written with former names of keys and values, on small sections of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import Field

from cluster.config import renamed_keys
from cluster.config.loading import load_as
from cluster.errors import ConfigError
from rewards.settings.section import Section


class Clip(Section):
    kind: Literal["near", "far"] = "near"
    range: float = Field(default=1.0, gt=0)


class Ppo(Section):
    kind: Literal["ppo"] = "ppo"
    renamed: ClassVar[Mapping[str, str]] = {"eps": "clip.range"}
    clip: Clip = Clip()


class Plain(Section):
    kind: Literal["plain"] = "plain"
    eps: float = 0.0


class Learner(Section):
    renamed: ClassVar[Mapping[str, str]] = {"clip": "algorithm.clip", "rate.start": "lr"}
    lr: float = 1.0
    algorithm: Ppo | Plain = Field(default=Ppo(), discriminator="kind")


class Judge(Section):
    kind: str
    renamed: ClassVar[Mapping[str, str]] = {"strength": "weight"}
    weight: float = 1.0


class Run(Section):
    learner: Learner = Learner()
    judges: dict[str, Judge] = Field(default_factory=dict[str, Judge])


Load = Callable[..., Run]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.setitem(renamed_keys.RENAMED_VALUES, "judges.NAME.kind", {"old": "new"})
    monkeypatch.chdir(tmp_path)

    def load(text: str, *overrides: str, stored: bool = False) -> Run:
        Path("x.yaml").write_text(text)
        return load_as(Run, Path("x.yaml"), overrides, stored=stored)

    return load


PPO = "algorithm: {kind: ppo}"


@pytest.mark.parametrize(
    ("text", "overrides", "lines", "expected"),
    [
        (
            "learner: {algorithm: {kind: ppo}, clip: {range: 3}}",
            [],
            ["x.yaml: learner.clip is now learner.algorithm.clip"],
            {"algorithm": {"kind": "ppo", "clip": {"range": 3}}},
        ),
        ("learner: {rate: {start: 3}}", [], ["x.yaml: learner.rate.start is now learner.lr"], {"lr": 3}),
        (
            "learner: {algorithm: {kind: ppo, eps: 2}}",
            [],
            ["x.yaml: learner.algorithm.eps is now learner.algorithm.clip.range"],
            {"algorithm": {"kind": "ppo", "clip": {"range": 2}}},
        ),
        (
            "learner: {algorithm: {kind: plain, eps: 2}}",
            [],
            [],
            {"algorithm": {"kind": "plain", "eps": 2}},
        ),
        (
            f"learner: {{{PPO}}}",
            ["learner.clip.range=2", "learner.algorithm.clip.kind=far"],
            ["--set learner.clip.range is now learner.algorithm.clip.range"],
            {"algorithm": {"kind": "ppo", "clip": {"kind": "far", "range": 2}}},
        ),
        (
            f"learner: {{{PPO}, clip: {{range: 2}}}}",
            ["learner.clip.range=3", "learner.algorithm.clip.range=4"],
            [
                "x.yaml: learner.clip is now learner.algorithm.clip",
                "--set learner.clip.range is now learner.algorithm.clip.range",
            ],
            {"algorithm": {"kind": "ppo", "clip": {"range": 4}}},
        ),
        (
            "{}\n",
            ["learner={algorithm: {kind: ppo}, clip: {range: 5}}"],
            ["--set learner.clip is now learner.algorithm.clip"],
            {"algorithm": {"kind": "ppo", "clip": {"range": 5}}},
        ),
    ],
)
def test_a_former_key_is_read_as_todays_and_a_line_says_so(
    load: Load,
    capsys: pytest.CaptureFixture[str],
    text: str,
    overrides: list[str],
    lines: list[str],
    expected: dict[str, object],
) -> None:
    assert load(text, *overrides).learner == Learner.model_validate(expected)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"salon: {line}" for line in lines]


def test_keys_under_a_name_of_the_users_own_and_former_values_are_renamed(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    run = load("judges: {a: {kind: old, strength: 2}, b: {kind: old}}", "judges.b.strength=3", "judges.b.kind=old")
    assert run.judges == {"a": Judge(kind="new", weight=2), "b": Judge(kind="new", weight=3)}
    assert capsys.readouterr().err.splitlines() == [
        "salon: x.yaml: judges.a.kind: old is now new",
        "salon: x.yaml: judges.a.strength is now judges.a.weight",
        "salon: x.yaml: judges.b.kind: old is now new",
        "salon: --set judges.b.strength is now judges.b.weight",
        "salon: --set judges.b.kind: old is now new",
    ]


def test_a_config_that_a_run_has_stored_is_read_without_a_word(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    assert load("learner: {rate: {start: 3}}", "judges={a: {kind: old}}", stored=True).learner.lr == 3
    assert capsys.readouterr().err == "salon: --set judges.a.kind: old is now new\n", "the user's own part has its line"


@pytest.mark.parametrize(
    ("text", "overrides", "line"),
    [
        (
            "learner: {algorithm: {kind: ppo, clip: {range: 1}}, clip: {range: 1}}",
            [],
            "x.yaml: learner.clip is now learner.algorithm.clip, and there is something under both names; "
            "keep learner.algorithm.clip",
        ),
        (
            "learner: {}",
            ["learner={rate: {start: 1}, lr: 1}"],
            "--set learner.rate.start is now learner.lr, and there is something under both names; keep learner.lr",
        ),
        ("learner: {rate: {start: fast}}", [], "x.yaml: learner.rate.start: must be a valid number"),
        (
            f"learner: {{{PPO}, clip: {{range: 0}}}}",
            [],
            "x.yaml: learner.clip.range: must be greater than 0, not 0",
        ),
        (
            f"learner: {{{PPO}, clip: {{rnge: 0}}}}",
            [],
            "x.yaml: learner.clip.rnge: unknown key; did you mean learner.algorithm.clip.range?",
        ),
        (f"learner: {{{PPO}}}", ["learner.clip.range=0"], "--set learner.clip.range: must be greater than 0, not 0"),
        (f"learner: {{{PPO}}}", ["learner.clip={range: 0}"], "--set learner.clip.range: must be greater than 0, not 0"),
        (
            "learner: {}",
            ["learner={algorithm: {kind: ppo}, clip: {range: 0}}"],
            "--set learner.clip.range: must be greater than 0, not 0",
        ),
        ("judges: {a: {kind: old, strength: []}}", [], "x.yaml: judges.a.strength: must be a valid number"),
    ],
)
def test_an_error_names_the_key_that_was_written(load: Load, text: str, overrides: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(text, *overrides)
    (only,) = str(error.value).splitlines()
    assert only.startswith(line)
