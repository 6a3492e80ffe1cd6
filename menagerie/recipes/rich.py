"""The recipe of the rich-feedback model: RAHF (arXiv 2312.10240) of two million parameters, in both of its variants.

The paper starts from a pretrained ViT and a pretrained T5. Here two stages take the place of pre-training. In stage 1
the ViT, which starts from the vision tower of the shipped VQA model, learns alone where raters click. In stage 2 ViT
and T5 encoder learn to find misaligned words and patches. The T5 starts from random weights, but for the embeddings of
objects and colours, which start close to the ViT's tokens of them. Stage 3 is the paper's training, without its
cropping and jittering, since any number of pictures can be drawn.

Both variants, with seven heads and with augmented prompts, get about the same processor time; `variants.json` has their
metrics on a validation set. The better one is trained further, on other pictures: in stage 4 nine raters rate each of
them instead of three, so that the maps of clicks are less noisy. In stage 5 the loss of the maps includes a
cross-entropy, which, unlike the squared error, distinguishes a small probability of a click from none. This model is
shipped.
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
from menagerie.datasets.rated_pictures import RatedPictures
from menagerie.training.fit import bfloat16, fit
from menagerie.training.init_weights import READER, copy_vision_tower, init_word_embeddings, load_reader
from menagerie.training.model_folder import load_vae, require_model, save_model
from menagerie.training.pretrain_patches import PatchClassifier
from menagerie.training.pretrain_reading import ReadingPretraining
from menagerie.training.pretrain_vision import VisionPretraining
from menagerie.training.tokenizers import word_tokenizer
from menagerie.world.caption import FORMS, write_caption
from menagerie.world.wide import sample_wide_scene
from rewards.arrays import IntArray
from rewards.models.misaligned_words import SUFFIX, label_prompt
from rewards.models.rahf import TASKS, RahfConfig, RahfModel, task_prefixes
from rewards.pretrained import load_frozen
from rewards.registry import build_judge, judge_config

Heads = Literal["seven", "augmented"]
BATCH: dict[Heads, int] = {"seven": 32, "augmented": 12}
"""The augmented variant reads each picture seven times, once for each task; so its batch is smaller."""
VISION_BATCH = 48
"""Pictures in a step of stage 1."""
DECISIVE = ("plausibility PLCC", "alignment PLCC", "implausibility CC", "misaligned words F1")
"""The metrics whose sum decides which variant is better."""
SEED, FIRST, KEPT = 23, 30_000_000, 500
LONGEST = 64
IGNORED = -100
LOSS_WEIGHTS = (200.0, 10.0, 1.0)
"""Of maps, scores and words, so that their losses are comparable; the paper does not give its weights."""
LAST_WEIGHTS = (500.0, 10.0, 1.0)
"""The same in stages 4 and 5, which are mainly for the maps."""
ENTROPY = 20.0
"""The weight of the maps' cross-entropy in stage 5."""
RATERS = 9
"""Raters of each picture of stages 4 and 5."""
MUON = 0.003
"""Muon's learning rate after stage 1, a low one: at 0.012 the loss of stage 2 is 1.6 after 2,000 of 6,300 steps, at
this rate already after 200 of 400."""
NAMING = 0.3
"""The weight of patch classification relative to `LOSS_WEIGHTS`."""


def corpus() -> list[str]:
    """The text that the tokenizer is trained on: captions of the wider world, and the names of the tasks."""
    scenes = [sample_wide_scene(random.Random(i)) for i in range(2000)]
    return [write_caption(scene, form).text for scene in scenes for form in FORMS] + [f"{task}:" for task in TASKS]


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


class RahfTraining(nn.Module):
    """Trains a whole `RahfModel` on rated pictures, with a `PatchClassifier` as an auxiliary task.

    `entropy` is the weight of the maps' cross-entropy, which the paper does not have.
    """

    entropy = 0.0

    def __init__(self, model: RahfModel, rated: RatedPictures, tokenizer: Any) -> None:
        super().__init__()
        self.model, self.rated = model, rated
        self.naming = PatchClassifier(model.vit.config.hidden_size, rated.pictures)
        self.prompts = tokenizer(list(rated.prompts), padding=True, return_tensors="pt")
        marked = [label_prompt(prompt, bad) for prompt, bad in zip(rated.prompts, rated.misaligned, strict=True)]
        words = tokenizer(marked, padding=True, return_tensors="pt")
        self.words = words.input_ids.masked_fill(words.attention_mask == 0, IGNORED)

    def loss(self, rows: IntArray) -> torch.Tensor:
        """The paper's loss on pictures `rows`, plus patch classification."""
        seen: list[torch.Tensor] = []
        watch = self.model.vit.register_forward_hook(lambda *call: seen.append(call[-1].last_hidden_state[:, 1:]))
        maps = torch.from_numpy(self.rated.maps[rows]).float() / 255
        with watch, bfloat16():
            output = self.model(
                as_tensor(self.rated.pixels[rows]),
                self.prompts.input_ids[rows],
                self.prompts.attention_mask[rows],
                heatmaps=maps,
                scores=torch.from_numpy(self.rated.scores[rows]),
                words=self.words[rows],
            )
            loss = output.loss.float() + NAMING * self.naming.loss(seen[0], rows)
        if self.entropy:
            chance = output.heatmaps.float().clamp(1e-6, 1 - 1e-6)
            loss = loss + self.entropy * F.binary_cross_entropy(chance, maps)
        return loss


def train(
    out: Path, steps: int = 15_700, count: int = 120_000, kept: int = KEPT, say: Callable[[str], None] = print
) -> RahfModel:
    """Most steps are stage 2's, since alignment depends on the reader; those of stage 1 take a fourth as long. The
    variant that is better on `kept` other drawings, the validation set, goes on to stages 4 and 5, which have half of
    the `count` drawings."""
    require_model(out, "vqa")
    vae, training = load_vae(out), out / "training"
    half = count // 2
    rated, validation = RatedPictures.draw(half, FIRST, vae), RatedPictures.draw(kept, FIRST - kept, vae)
    vision_steps, reader_steps, each, last, ranking = (max(1, steps * part // 157) for part in (7, 49, 28, 35, 10))
    reader = _reader(out, rated, vision_steps, reader_steps, say)
    models: dict[Heads, RahfModel] = {}
    found: dict[Heads, dict[str, float]] = {}
    for heads in BATCH:
        models[heads], tokenizer = build(heads)
        load_reader(models[heads], reader)
        _fit(RahfTraining(models[heads], rated, tokenizer), heads, heads, each, training, say)
        metrics = _measured(models[heads], tokenizer, training / f"rich-{heads}", validation)
        found[heads] = {key: metrics[key] for key in DECISIVE}
        say(f"{heads}: {', '.join(f'{key} {value:.3f}' for key, value in found[heads].items())}")
    best = max(found, key=lambda heads: sum(found[heads].values()))
    (_, tokenizer), model = build(best), models[best]
    model.config.loss_weights = list(LAST_WEIGHTS)
    task = RahfTraining(model, RatedPictures.draw(half, FIRST + half, vae, RATERS), tokenizer)
    _fit(task, best, "last", last, training, say)
    task.entropy = ENTROPY
    _fit(task, best, "ranking", ranking, training, say, gently=0.5)
    save_model(model.eval(), out / "rich")
    tokenizer.save_pretrained(out / "rich")
    (out / "rich" / "variants.json").write_text(json.dumps(found, indent=2) + "\n")
    return load_frozen(RahfModel, str(out / "rich"), "cpu")


def _measured(model: RahfModel, tokenizer: Any, folder: Path, validation: RatedPictures) -> dict[str, float]:
    save_model(model.eval(), folder)
    tokenizer.save_pretrained(folder)
    verdicts = build_judge("rich", judge_config("rich_feedback", model=str(folder))).judge(
        validation.pixels, validation.prompts
    )
    return rich_feedback_metrics(
        verdicts, validation.scores, validation.maps, validation.prompts, validation.misaligned
    )


def _reader(
    out: Path, rated: RatedPictures, vision_steps: int, reader_steps: int, say: Callable[[str], None]
) -> dict[str, torch.Tensor]:
    """Stages 1 and 2: the trained weights of the reader, ViT and T5 encoder."""
    model, tokenizer = build("seven")
    vqa = load_frozen(BlipForQuestionAnswering, str(out / "vqa"), "cpu")
    copy_vision_tower(model, vqa.vision_model)
    vision = VisionPretraining(model, rated)
    states = [out / "training" / f"rich-{stage}.pt" for stage in ("looking", "reader")]

    def vision_loss(step: int) -> torch.Tensor:
        return vision.loss(np.random.default_rng((SEED, 0, step)), VISION_BATCH)

    progress = partial(_say_of, say, "looking")
    fit(vision.train(), vision_loss, steps=vision_steps, lr=1e-3, muon=0.015, state=states[0], say=progress)
    init_word_embeddings(model, tokenizer, vision.naming)
    reading = ReadingPretraining(model, rated, tokenizer, vision.naming, SEED)
    for name, weight in reading.model.named_parameters():
        weight.requires_grad_(name.startswith(READER))

    def loss(step: int) -> torch.Tensor:
        return reading.loss(np.random.default_rng((SEED, 1, step)), BATCH["seven"])

    progress = partial(_say_of, say, "reader")
    fit(reading.train(), loss, steps=reader_steps, lr=1e-3, muon=MUON, state=states[1], say=progress)
    return {name: weight for name, weight in model.state_dict().items() if name.startswith(READER)}


def _fit(
    task: RahfTraining,
    heads: Heads,
    stage: str,
    steps: int,
    training: Path,
    say: Callable[[str], None],
    gently: float = 1,
) -> None:
    def loss(step: int) -> torch.Tensor:
        return task.loss(np.random.default_rng((SEED, step)).integers(len(task.rated), size=BATCH[heads]))

    state, progress = training / f"rich-{stage}.pt", partial(_say_of, say, stage)
    rates = {"lr": 1e-3 * gently, "muon": MUON * gently}
    fit(task.train(), loss, steps=steps, **rates, state=state, warmup=150, every=50, say=progress)


def _say_of(say: Callable[[str], None], stage: str, line: str) -> None:
    say(f"{stage}: {line}")
