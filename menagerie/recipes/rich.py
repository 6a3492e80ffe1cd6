"""The recipe of the rich-feedback model: RAHF (arXiv 2312.10240) of two million parameters, in both of its variants.

The paper starts from a pretrained ViT and a pretrained T5. Here two stages make them. The vision tower begins as the
one of the shipped VQA model, which knows the things of the wider world, and learns alone to tell where raters clicked.
Then it learns, with the T5 encoder, to spot what is wrong with prompts. That one begins from nothing, but for the words
of things and colours: these begin as what the tower's patches show where such a thing stands. Stage 3 is the paper's.
Pictures and ratings are drawn without end, so there is no cropping or jittering of a few. The variants with seven heads
and with augmented prompts are trained for about the same processor time; `variants.json` has what both reach on
drawings kept apart. The better one goes on with other pictures, in stage 4, which nine raters rated instead of three:
where they clicked is less a matter of chance. In stage 5 its maps are told by their cross-entropy, too: squares hardly
tell a small chance of a click from none, which is all there is to go by where nothing stands out. That one is shipped.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BlipForQuestionAnswering

from learners.judges.metrics.rich_feedback import rich_feedback_metrics
from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.rated import Rated
from menagerie.training.fit import bfloat16, fit
from menagerie.training.init_weights import READER, inherit, inherit_names, inherit_vision
from menagerie.training.model_folder import load_vae, needed, ship
from menagerie.training.pretrain_patches import Naming
from menagerie.training.pretrain_reading import Spotting
from menagerie.training.pretrain_vision import Looking
from menagerie.training.tokenizers import word_tokenizer
from menagerie.world.caption import FORMS, tell
from menagerie.world.wide import sample_wide_scene
from rewards.judges.rich_feedback import RichFeedbackJudge
from rewards.models.misaligned_words import SUFFIX, label_prompt
from rewards.models.rahf import TASKS, RahfConfig, RahfModel, task_prefixes
from rewards.pretrained import load_frozen

Heads = Literal["seven", "augmented"]
BATCH: dict[Heads, int] = {"seven": 32, "augmented": 12}
"""The augmented variant reads a picture seven times, once for each task, so in the same time it sees fewer."""
LOOKED_AT = 48
"""Pictures of a step of stage 1."""
DECISIVE = ("plausibility PLCC", "alignment PLCC", "implausibility CC", "misaligned words F1")
"""The figures whose sum says which variant is better."""
SEED, FIRST, KEPT = 23, 30_000_000, 500
LONGEST = 64
IGNORED = -100
LOSS_WEIGHTS = (200.0, 10.0, 1.0)
"""Of maps, scores and words, in place of the paper's blank: so that none is lost beside the others."""
LAST_WEIGHTS = (500.0, 10.0, 1.0)
"""The same in stages 4 and 5, which are for the maps most of all."""
ENTROPY = 20.0
"""The weight of the maps' cross-entropy in stage 5."""
RATERS = 9
"""Of each picture of stages 4 and 5."""
MUON = 0.003
"""Muon's rate after stage 1, which is gentle. At 0.012 the loss of stage 2 is 1.6 after 2,000 of 6,300 steps, which 200
of 400 steps at this rate reach."""
NAMING = 0.3
"""The weight of naming beside these."""


def corpus() -> list[str]:
    """What the tokenizer is made from: captions of the wider world, and the names of the tasks."""
    scenes = [sample_wide_scene(random.Random(i)) for i in range(2000)]
    return [tell(scene, form).text for scene in scenes for form in FORMS] + [f"{task}:" for task in TASKS]


def build(heads: Heads) -> tuple[RahfModel, Any]:
    torch.manual_seed(SEED)
    tokenizer = word_tokenizer(corpus(), [SUFFIX], max_length=LONGEST)
    config = RahfConfig(
        heads=heads,
        vision={
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 5,
            "num_attention_heads": 4,
            "image_size": 64,
            "patch_size": 8,
            "layer_norm_eps": 1e-5,
            "hidden_dropout_prob": 0.0,
        },
        text={
            "vocab_size": len(tokenizer),
            "d_model": 128,
            "d_kv": 32,
            "d_ff": 256,
            "num_layers": 3,
            "num_decoder_layers": 2,
            "num_heads": 4,
            "dropout_rate": 0.0,
        },
        task_ids=task_prefixes(tokenizer) if heads == "augmented" else None,
        heatmap_convs=(48, 48),
        heatmap_deconvs=(32, 16, 8),
        score_convs=(32, 24, 16, 8),
        score_dense=(32, 16),
        loss_weights=LOSS_WEIGHTS,
        max_tokens=LONGEST,
    )
    return RahfModel(config), tokenizer


class Lesson(nn.Module):
    """A model with what it learns from: prompts and targets of rated pictures as it takes them, and a `Naming`.

    `entropy` is the weight of the maps' cross-entropy, which the paper has not.
    """

    entropy = 0.0

    def __init__(self, model: RahfModel, rated: Rated, tokenizer: Any) -> None:
        super().__init__()
        self.model, self.rated = model, rated
        self.naming = Naming(model.vit.config.hidden_size, rated.pictures)
        self.prompts = tokenizer(list(rated.prompts), padding=True, return_tensors="pt")
        marked = [label_prompt(prompt, bad) for prompt, bad in zip(rated.prompts, rated.misaligned, strict=True)]
        words = tokenizer(marked, padding=True, return_tensors="pt")
        self.words = words.input_ids.masked_fill(words.attention_mask == 0, IGNORED)

    def loss(self, rows: np.ndarray) -> torch.Tensor:
        seen: list[torch.Tensor] = []
        watch = self.model.vit.register_forward_hook(lambda *call: seen.append(call[-1].last_hidden_state[:, 1:]))
        maps = torch.from_numpy(self.rated.maps[rows]).float() / 255
        with watch, bfloat16():
            told = self.model(
                as_tensor(self.rated.pixels[rows]),
                self.prompts.input_ids[rows],
                self.prompts.attention_mask[rows],
                heatmaps=maps,
                scores=torch.from_numpy(self.rated.scores[rows]),
                words=self.words[rows],
            )
            loss = told.loss.float() + NAMING * self.naming.loss(seen[0], rows)
        if self.entropy:
            chance = told.heatmaps.float().clamp(1e-6, 1 - 1e-6)
            loss = loss + self.entropy * F.binary_cross_entropy(chance, maps)
        return loss


def train(
    out: Path, steps: int = 15_700, count: int = 120_000, kept: int = KEPT, say: Callable[[str], None] = print
) -> RahfModel:
    """Most steps are stage 2, since reading is what alignment waits for; those of stage 1 take a fourth as long. The
    variant that does better on `kept` drawings, which are kept apart, goes on. Half of the `count` drawings are for
    stages 4 and 5."""
    needed(out, "vqa")
    vae, training = load_vae(out), out / "training"
    half = count // 2
    rated, apart = Rated.drawn(half, FIRST, vae), Rated.drawn(kept, FIRST - kept, vae)
    looking, reading, each, last, ranking = (max(1, steps * part // 157) for part in (7, 49, 28, 35, 10))
    reader = _reader(out, rated, looking, reading, say)
    models: dict[Heads, RahfModel] = {}
    found: dict[Heads, dict[str, float]] = {}
    for heads in BATCH:
        models[heads], tokenizer = build(heads)
        inherit(models[heads], reader)
        _fit(Lesson(models[heads], rated, tokenizer), heads, heads, each, training, say)
        figures = _measured(models[heads], tokenizer, training / f"rich-{heads}", apart)
        found[heads] = {key: figures[key] for key in DECISIVE}
        say(f"{heads}: {', '.join(f'{key} {value:.3f}' for key, value in found[heads].items())}")
    best = max(found, key=lambda heads: sum(found[heads].values()))
    (_, tokenizer), model = build(best), models[best]
    model.config.loss_weights = list(LAST_WEIGHTS)
    lesson = Lesson(model, Rated.drawn(half, FIRST + half, vae, RATERS), tokenizer)
    _fit(lesson, best, "last", last, training, say)
    lesson.entropy = ENTROPY
    _fit(lesson, best, "ranking", ranking, training, say, gently=0.5)
    ship(model.eval(), out / "rich")
    tokenizer.save_pretrained(out / "rich")
    (out / "rich" / "variants.json").write_text(json.dumps(found, indent=2) + "\n")
    return load_frozen(RahfModel, str(out / "rich"), "cpu")


def _measured(model: RahfModel, tokenizer: Any, folder: Path, apart: Rated) -> dict[str, float]:
    ship(model.eval(), folder)
    tokenizer.save_pretrained(folder)
    verdicts = RichFeedbackJudge("rich", str(folder)).judge(apart.pixels, apart.prompts)
    return rich_feedback_metrics(verdicts, apart.scores, apart.maps, apart.prompts, apart.misaligned)


def _reader(out: Path, rated: Rated, looking: int, reading: int, say: Callable[[str], None]) -> dict[str, torch.Tensor]:
    """Stages 1 and 2: the weights of what reads pictures and prompts."""
    model, tokenizer = build("seven")
    vqa = load_frozen(BlipForQuestionAnswering, str(out / "vqa"), "cpu")
    inherit_vision(model, vqa.vision_model)
    look, states = Looking(model, rated), [out / "training" / f"rich-{stage}.pt" for stage in ("looking", "reader")]

    def looks(step: int) -> torch.Tensor:
        return look.loss(np.random.default_rng((SEED, 0, step)), LOOKED_AT)

    told = partial(_tell, say, "looking")
    fit(look.train(), looks, steps=looking, lr=1e-3, muon=0.015, state=states[0], say=told)
    inherit_names(model, tokenizer, look.naming)
    spotting = Spotting(model, rated, tokenizer, look.naming, SEED)
    for name, weight in spotting.model.named_parameters():
        weight.requires_grad_(name.startswith(READER))

    def loss(step: int) -> torch.Tensor:
        return spotting.loss(np.random.default_rng((SEED, 1, step)), BATCH["seven"])

    told = partial(_tell, say, "reader")
    fit(spotting.train(), loss, steps=reading, lr=1e-3, muon=MUON, state=states[1], say=told)
    return {name: weight for name, weight in model.state_dict().items() if name.startswith(READER)}


def _fit(
    lesson: Lesson, heads: Heads, stage: str, steps: int, training: Path, say: Callable[[str], None], gently: float = 1
) -> None:
    def loss(step: int) -> torch.Tensor:
        return lesson.loss(np.random.default_rng((SEED, step)).integers(len(lesson.rated), size=BATCH[heads]))

    state, told = training / f"rich-{stage}.pt", partial(_tell, say, stage)
    rates = {"lr": 1e-3 * gently, "muon": MUON * gently}
    fit(lesson.train(), loss, steps=steps, **rates, state=state, warmup=150, every=50, say=told)


def _tell(say: Callable[[str], None], part: str, line: str) -> None:
    say(f"{part}: {line}")
