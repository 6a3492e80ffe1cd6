"""Every recipe, a few steps of it, and the whole job on what it left: the same classes that carry the real models."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from cluster.tracking.history import RunHistory
from menagerie.measures.card import write_cards
from menagerie.measures.timing import RecipeTiming
from menagerie.recipes import (
    aesthetic,
    artifact,
    auditor,
    autoencoder,
    clip,
    detector,
    flow,
    heldout,
    policy,
    rich,
    vqa,
    writer,
)
from menagerie.recipes.train import RECIPES, train
from menagerie.training.init_weights import load_reader
from menagerie.training.model_folder import MODELS, train_hint
from menagerie.world.picture import sample
from rewards.models.rahf import HEATMAPS, SCORES
from rewards.registry import build_judge, judge_config

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SALON = [sys.executable, "-c", "from cluster.cli.main import main; main()"]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All small models after next to no training, made in the order in which they need each other."""
    out = tmp_path_factory.mktemp("models")
    steps_of = {autoencoder: 2, clip: 2, policy: 2, flow: 2, artifact: 3, heldout: 2, auditor: 2, vqa: 6, detector: 2}
    for recipe, steps in steps_of.items():
        recipe.train(out, steps=steps, count=100, say=lambda _: None)
    for recipe in (aesthetic, writer):
        recipe.train(out, steps=2, count=40, say=lambda _: None)
    rich.train(out, steps=3, count=40, kept=30, say=lambda _: None)
    return out


def test_every_recipe_leaves_a_model_that_its_class_loads(models: Path):
    from diffusers import StableDiffusion3Pipeline, StableDiffusionPipeline

    pipe: Any = StableDiffusionPipeline.from_pretrained(models / "policy", safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    assert {p.dtype for part in (pipe.unet, pipe.vae, pipe.text_encoder) for p in part.parameters()} == {torch.float32}
    picture = pipe("a grey elephant in the meadow", num_inference_steps=2, output_type="np").images
    assert picture.shape == (1, 64, 64, 3)
    three: Any = StableDiffusion3Pipeline.from_pretrained(models / "flow", text_encoder_3=None, tokenizer_3=None)
    three.set_progress_bar_config(disable=True)
    parts = (three.transformer, three.vae, three.text_encoder, three.text_encoder_2)
    assert {p.dtype for part in parts for p in part.parameters()} == {torch.float32}
    assert three("a cat", num_inference_steps=2, output_type="np").images.shape == (1, 64, 64, 3)
    for config in models.glob("*/**/config.json"):
        assert str(models) not in config.read_text(), f"{config} names a folder of this machine"
    pixels = np.stack([sample(seed).pixels for seed in range(5)])
    for kind in ("artifact", "clip", "heldout", "vqa", "detector"):
        path = "menagerie.heldout_judge:HeldoutJudge" if kind == "heldout" else kind
        judge = build_judge(kind, judge_config(kind=path, model=str(models / kind)))
        verdicts = judge.judge(pixels, ["a grey elephant in the meadow"] * 5, [{"animals": ["elephant"]}] * 5)
        assert len(verdicts) == 5


def test_the_scoring_judges_say_what_the_panel_takes(models: Path):
    pixels, prompts = np.stack([sample(seed).pixels for seed in range(5)]), ["a grey elephant in the meadow"] * 5
    rich_judge = build_judge("rich", judge_config(kind="rich_feedback", model=str(models / "rich")))
    for verdict in rich_judge.judge(pixels, prompts):
        assert set(verdict.scores) == set(SCORES)
        assert [verdict.heatmaps[name].shape for name in HEATMAPS] == [(64, 64)] * 2
    variants = json.loads((models / "rich" / "variants.json").read_text())
    assert set(variants) == set(rich.BATCH)
    assert all(set(metrics) == set(rich.DECISIVE) for metrics in variants.values())
    settings = judge_config(kind="aesthetic", model=str(models / "aesthetic"), encoder=str(models / "clip"))
    assert all(1 < (v.value or 0) < 10 for v in build_judge("aesthetic", settings).judge(pixels, prompts))


def test_a_writer_writes_the_same_on_the_same_seed(models: Path):
    from transformers import AutoTokenizer, LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(models / "writer", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(models / "writer")
    once, again, other = (writer.generate(model, tokenizer, ["animals"] * 2, seed) for seed in (1, 1, 2))
    assert once == again != other
    assert once[0] != once[1]


@pytest.mark.parametrize("name", ["heldout", "auditor"])
def test_a_held_out_judge_does_not_depend_on_its_batch(models: Path, name: str):
    judge = build_judge("heldout", judge_config(kind="menagerie.heldout_judge:HeldoutJudge", model=str(models / name)))
    pixels = np.stack([sample(seed).pixels for seed in range(6)])
    metadata = [{"animals": ["cat"], "colours": ["red"], "setting": "snow"}] * 6
    whole = judge.judge(pixels, [""] * 6, metadata)
    for order in ([5, 1, 3], [0], [4, 2, 0, 5]):
        part = judge.judge(pixels[order], [""] * len(order), [metadata[i] for i in order])
        for i, verdict in zip(order, part, strict=True):
            assert verdict.scores == whole[i].scores
            assert verdict.text == whole[i].text
            assert np.array_equal(np.asarray(verdict.features), np.asarray(whole[i].features))
    assert set(whole[0].scores) == {"artifact_free", "animal", "colour", "setting"}
    assert set(judge.judge(pixels[:1], [""])[0].scores) == {"artifact_free"}


def test_stage_three_of_the_classifier_trains_the_projector_alone(models: Path):
    from safetensors.torch import load_file

    stage_2: Any = torch.load(models / "training" / "artifact-2.pt", weights_only=True)
    final = load_file(models / "artifact" / "model.safetensors")
    averaged = {f"{name}": value for name, value in stage_2["average"].items()}
    moved = 0
    for name, value in final.items():
        before = averaged.get(name) if name in averaged else averaged.get(f"model.{name}")
        if before is not None and "projector" not in name:
            assert np.array_equal(before.half().numpy(), value.numpy()), name
        moved += before is not None and "projector" in name and not np.array_equal(before.half().numpy(), value.numpy())
    assert moved


@pytest.fixture
def known_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares a test the trainings by which a pace is measured."""
    monkeypatch.setattr(
        RecipeTiming, "measure", lambda name, out: RecipeTiming(step=0.5, picture=0.01, steps=10, pictures=10)
    )


def test_the_pace_of_a_recipe_is_measured_and_leaves_its_model_alone(models: Path):
    weights = (models / "aesthetic" / "model.safetensors").read_bytes()
    pace = RecipeTiming.measure("aesthetic", models)
    assert pace.minutes > 0
    assert (pace.steps, pace.pictures) == (2500, 24_000)
    assert (models / "aesthetic" / "model.safetensors").read_bytes() == weights


@pytest.mark.usefixtures("known_pace")
def test_cards_are_made_from_measurements(models: Path):
    written = write_cards(
        ["clip", "artifact", "heldout", "auditor", "policy", "flow", "autoencoder", "vqa", "detector"],
        out=models,
        count=20,
    )
    for card in written:
        text = card.read_text()
        assert "on 20 drawings held out" in text
        assert "ms a step" in text
        assert text.count("|") > 8


@pytest.mark.usefixtures("known_pace")
def test_cards_of_what_scores_and_writes_are_made_from_measurements(models: Path):
    for card in write_cards(["aesthetic", "rich", "writer"], out=models, count=22):
        text = card.read_text()
        assert f"on 22 {'prompts that it wrote' if 'writer' in card.parts else 'drawings held out'}" in text
        assert text.count("|") > 8


def test_names_that_are_no_recipe_or_not_there_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="the recipes are autoencoder, clip"):
        train("autoencodr", tmp_path)
    with pytest.raises(FileNotFoundError, match="salon menagerie train clip"):
        write_cards(["clip"], out=tmp_path)
    asked = [*SALON, "menagerie", "card", "clip", "--out", str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2
    assert done.stderr.strip() == f"salon: {tmp_path}/clip is not there; {train_hint('clip', tmp_path)}"
    assert RECIPES[0] == "autoencoder"


def test_a_training_from_the_shell_says_what_it_did_and_nothing_of_its_libraries(tmp_path: Path):
    asked = [*SALON, "menagerie", "train", "writer", "--steps", "1", "--out", str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"writer: trained, in {tmp_path}\n", "")
    assert (tmp_path / "writer" / "model.safetensors").is_file()


def test_a_folder_without_models_is_refused_and_never_with_advice_to_write_over_the_shipped_ones(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=f"there is no model in {tmp_path}; run .* --out {tmp_path}` first"):
        write_cards(out=tmp_path)
    asked = [*SALON, "menagerie", "card", "--out", str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"salon: there is no model in {tmp_path}; ")
    assert train_hint("clip", tmp_path / "my models") == (
        f"run `salon menagerie train clip --out '{tmp_path}/my models'` first"
    )
    assert train_hint("clip", MODELS / ".." / "models") == "run `salon menagerie train clip --shipped` first"


@pytest.mark.parametrize(
    ("name", "there", "missing"),
    [
        *((name, (), "autoencoder") for name in ("policy", "artifact", "heldout", "auditor", "vqa", "detector")),
        ("policy", ("policy/vae",), "clip"),
        ("aesthetic", ("policy/vae",), "clip"),
        ("rich", ("policy/vae",), "vqa"),
        ("flow", (), "policy"),
        ("flow", ("policy/vae", "clip"), "policy"),
        ("flow", ("policy",), "clip"),
    ],
)
def test_what_a_recipe_builds_on_is_asked_for_before_anything_is_drawn(
    models: Path, tmp_path: Path, name: str, there: tuple[str, ...], missing: str
):
    for folder in there:
        shutil.copytree(models / folder, tmp_path / folder)
    with pytest.raises(FileNotFoundError, match=f"run `salon menagerie train {missing} --out {tmp_path}` first"):
        train(name, tmp_path, steps=1)


def test_a_training_that_has_ended_leaves_nothing_to_go_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def recipe(out: Path, say: Any) -> None:
        for name in ("rich-seven/config.json", "rich-last.pt", "clip.pt"):
            (out / "training" / name).parent.mkdir(parents=True, exist_ok=True)
            (out / "training" / name).touch()

    monkeypatch.setattr(rich, "train", recipe)
    train("rich", tmp_path)
    assert [path.name for path in (tmp_path / "training").iterdir()] == ["clip.pt"]


@pytest.mark.parametrize(
    ("recipe", "built"),
    [(clip, "flow and aesthetic in .* another CLIP"), (autoencoder, "policy and flow in .* other latents")],
)
def test_whoever_makes_again_what_others_build_on_is_told(models: Path, tmp_path: Path, recipe: Any, built: str):
    out, said = tmp_path / "models", []
    shutil.copytree(models, out, symlinks=True, ignore=shutil.ignore_patterns("training"))
    recipe.train(out, steps=1, count=20, say=said.append)
    assert re.search(built, said[-1])


def test_a_folder_with_parts_of_a_model_is_not_that_model(models: Path, tmp_path: Path):
    shutil.copytree(models / "policy" / "vae", tmp_path / "policy" / "vae")
    with pytest.raises(FileNotFoundError, match=f"run `salon menagerie train policy --out {tmp_path}` first"):
        write_cards(["policy"], out=tmp_path)
    shutil.copytree(models / "policy", tmp_path / "policy", dirs_exist_ok=True)
    with pytest.raises(FileNotFoundError, match=f"run `salon menagerie train heldout --out {tmp_path}` first"):
        write_cards(["policy"], out=tmp_path, count=2)


def test_a_reader_without_the_weights_of_one_is_refused(models: Path):
    model, _ = rich.build("augmented")
    with pytest.raises(ValueError, match="the reader has not the weights of vit"):
        load_reader(model, {name: weight for name, weight in model.state_dict().items() if name.startswith("t5.")})
    with pytest.raises(ValueError, match="the reader has not the weights of vit"):
        load_reader(model, {"nonsense": torch.zeros(1)})


@pytest.mark.system
def test_the_default_job_runs_on_all_of_them(models: Path, tmp_path: Path):
    config = yaml.safe_load((ROOT / "configs" / "menagerie.yaml").read_text())
    config |= {
        "updates": 2,
        "groups_per_update": 2,
        "samples_per_prompt": 2,
        "evaluation": {"prompts": 2, "samples": 2},
    }
    config["policy"]["model"] = str(models / "policy")
    config["prompts"] = {k: str(ROOT / v) for k, v in config["prompts"].items()}
    config["tracking"] = {"wandb": "disabled"}
    for name, judge in config["rewards"]["judges"].items():
        judge["model"] = str(models / name)
    # A classifier after three steps says nothing that its grammar knows: the other judge carries the reward.
    config["rewards"]["on_error"] = "renormalise"
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    done = subprocess.run([*SALON, "train", str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    history = RunHistory.read(tmp_path / "runs" / "menagerie")
    assert [row["update"] for row in history.updates] == [1, 2]
    for row in history.updates:
        assert {"judge/clip", "judge/heldout", "heldout/animal", "heldout/diversity"} <= row.keys()
    assert history.evaluation("after") is not None
