"""The front door: `import salon`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import salon
from cluster.config.experiment import ExperimentConfig
from cluster.errors import ConfigError
from rewards.config import RewardsConfig

ROOT = Path(salon.__file__).parent
MENAGERIE = ROOT / "configs" / "menagerie.yaml"
SIZES = RewardsConfig.model_validate({"judges": {"size": {"kind": "jpeg"}, "watch": {"kind": "jpeg", "role": "audit"}}})


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)


def test_importing_it_loads_nothing_heavy():
    look = "import sys, salon; print(sorted({'torch', 'ray', 'diffusers', 'numpy', 'pydantic'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_it_has_what_it_says_it_has():
    import rewards.judge
    import rewards.verdict

    assert salon.Judge is rewards.judge.Judge
    assert salon.Verdict is rewards.verdict.Verdict
    assert all(getattr(salon, name) for name in salon.__all__)
    with pytest.raises(AttributeError, match=r"no attribute 'trian'; it has .*train"):
        _ = salon.trian


def test_a_config_is_overridden_by_dotted_keys_and_by_sections():
    overrides: list[dict[str, Any]] = [
        {"updates": 10, "learner.lr": 5e-4, "rewards.judges.clip.weight": 2},
        {"updates": 10, "learner": {"lr": 5e-4}, "rewards": {"judges": {"clip": {"weight": 2}}}},
    ]
    dotted, nested = (salon.load_config(MENAGERIE, **o) for o in overrides)
    assert dotted == nested
    assert (dotted.updates, dotted.learner.lr, dotted.rewards.judges["clip"].weight) == (10, 5e-4, 2.0)
    plain = salon.load_config(MENAGERIE)
    assert dotted.learner.algorithm.kl == plain.learner.algorithm.kl


def test_overrides_may_be_numbers_of_numpy_paths_words_that_yaml_reads_otherwise_and_lists():
    config = salon.load_config(
        str(MENAGERIE),
        updates=np.int64(3),
        name="no",
        prompts={"file": Path("some") / "prompts.txt"},
        policy={"lora": {"targets": ("to_q", "to_k")}},
        **{"learner.lr": np.float64(1e-5)},
    )
    assert (config.updates, config.name, config.learner.lr) == (3, "no", 1e-5)
    assert config.prompts.file == Path("some/prompts.txt")
    assert config.policy.lora.targets == ("to_q", "to_k")


def test_an_override_that_cannot_be_is_said_by_its_key():
    with pytest.raises(ConfigError, match=r"learner\.lr: must be greater than 0, not 0"):
        salon.load_config(MENAGERIE, learner={"lr": 0})


def test_arrays_images_and_files_get_the_same_verdicts(pictures: np.ndarray, tmp_path: Path):
    files = [tmp_path / f"{i}.png" for i in range(2)]
    for file, picture in zip(files, pictures, strict=True):
        Image.fromarray(picture).save(file)
    by_array = salon.judge(pictures, "a cat", SIZES)
    assert [list(judged.verdicts) for judged in by_array] == [["size", "watch"]] * 2
    assert [judged.reward for judged in by_array] == pytest.approx(
        [judged.verdicts["size"].value for judged in by_array]
    )
    for images in (files, [str(file) for file in files], [Image.open(file) for file in files]):
        again = salon.judge(images, ["a cat", "a dog"], SIZES)
        assert [judged.reward for judged in again] == [judged.reward for judged in by_array]
    assert [judged.prompt for judged in again] == ["a cat", "a dog"]
    for one in (pictures[0], files[0], str(files[0]), Image.open(files[0])):
        assert [judged.reward for judged in salon.judge(one, "a cat", SIZES)] == [by_array[0].reward]


def test_some_judges_may_be_asked_and_metadata_given(pictures: np.ndarray):
    judges = {"size": {"kind": "jpeg", "applies_if": {"key": "animal"}}}
    config = RewardsConfig.model_validate({"judges": judges | {"watch": {"kind": "jpeg", "role": "audit"}}})
    cat, other = salon.judge(pictures, "a cat", config, metadata=[{"animal": "cat"}, {}])
    assert [judged.verdicts["size"].status for judged in (cat, other)] == ["ok", "abstain"]
    assert other.reward is None
    (watched,) = salon.judge(pictures[0], "a cat", config, judges=["watch"])
    assert list(watched.verdicts) == ["watch"]


async def _from_inside_a_loop(pictures: np.ndarray) -> list[salon.Judged]:
    return salon.judge(pictures, "a cat", SIZES)


def test_it_can_be_asked_where_an_event_loop_runs_as_in_a_notebook(pictures: np.ndarray):
    import asyncio

    assert len(asyncio.run(_from_inside_a_loop(pictures))) == 2


@pytest.mark.parametrize(
    ("images", "prompts", "more", "said"),
    [
        ("nowhere.png", "a cat", {}, "nowhere.png: there is no such file"),
        (str(MENAGERIE), "a cat", {}, "menagerie.yaml: is no PNG or JPEG picture"),
        (np.zeros((4, 4, 3)), "a cat", {}, r"must be \[h, w, 3\] uint8 in RGB, not \[4, 4, 3\] float64"),
        (np.zeros((2, 4, 4, 3), np.uint8), ["a cat"], {}, "prompts: 1 for 2 pictures"),
        (np.zeros((4, 4, 3), np.uint8), "a cat", {"metadata": []}, "metadata: 0 for 1 pictures"),
        (np.zeros((4, 4, 3), np.uint8), "a cat", {"judges": ["clip"]}, "there is no clip in the config; it has size"),
    ],
)
def test_what_cannot_be_judged_is_said_in_words(images: Any, prompts: Any, more: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        salon.judge(images, prompts, SIZES, **more)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ExperimentConfig, Path, bool]]:
    """The runs that would have been trained."""
    import cluster.run.train

    runs: list[tuple[ExperimentConfig, Path, bool]] = []
    monkeypatch.setattr(cluster.run.train, "train", lambda *run: runs.append(run))
    return runs


def test_a_run_is_trained_in_its_directory(trained: list[tuple[ExperimentConfig, Path, bool]], tmp_path: Path):
    assert salon.train(MENAGERIE, runs=tmp_path, updates=2) == tmp_path / "menagerie"
    assert salon.train(salon.load_config(MENAGERIE, name="other"), run_dir=tmp_path / "here") == tmp_path / "here"
    (first, where, resumed), (second, _, _) = trained
    assert (first.updates, where, resumed) == (2, tmp_path / "menagerie", False)
    assert second.name == "other"


def test_a_run_goes_on_with_the_config_that_it_keeps(
    trained: list[tuple[ExperimentConfig, Path, bool]], tmp_path: Path
):
    (tmp_path / "config.yaml").write_text(MENAGERIE.read_text())
    assert salon.train(resume=tmp_path, updates=60) == tmp_path
    assert [(config.updates, where, resumed) for config, where, resumed in trained] == [(60, tmp_path, True)]


def test_a_run_is_never_begun_over_another(trained: list[Any], tmp_path: Path):
    (tmp_path / "metrics.jsonl").write_text('{"kind": "update", "update": 1, "time": 1.8e9}\n')
    with pytest.raises(ValueError, match="holds a run of 1 updates already: continue it with resume="):
        salon.train(MENAGERIE, run_dir=tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"kind": "update", "update": "many", "time": 1.8e9}\n')
    with pytest.raises(ValueError, match="a run of which nothing can be read"):
        salon.train(MENAGERIE, run_dir=tmp_path)
    with pytest.raises(ValueError, match="needs a config, or resume=RUN"):
        salon.train()
    with pytest.raises(ValueError, match="give updates to load_config"):
        salon.train(salon.load_config(MENAGERIE), updates=3)
    assert trained == []
