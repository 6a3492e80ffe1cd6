"""The recipe of the detector: an OWLv2 that finds the animals and things of the wider world by their names.

A picture has 64 patches, and each can predict one object. An object is assigned to the patch at its centre, which
learns to predict its name, and its name with colour or material, against all other names (focal loss), and its box (L1
and generalised IoU). OWL-ViT has the same losses (arXiv 2205.06230, section 3), but assigns by bipartite matching.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers import CLIPTokenizer, Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessorPil
from transformers.image_transforms import center_to_corners_format
from transformers.loss.loss_for_object_detection import generalized_box_iou, sigmoid_focal_loss

from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.visible_objects import NAMES, PHRASES, visible_objects
from menagerie.datasets.wide_pictures import WidePictures
from menagerie.training.fit import bfloat16, fit
from menagerie.training.model_folder import load_vae, save_model
from menagerie.training.tokenizers import VOCABULARY, clip_tokenizer
from rewards.arrays import Float32Array, IntArray

BATCH, SEED = 48, 23
FIRST = 70_000_000
PATCH, GRID, LENGTH, MOST = 8, 8, 16, 8
QUERIES = (*NAMES, *PHRASES)
TEMPLATES = ("a photo of a {}", "a picture of a {}", "a {}", "{}")


def build() -> tuple[Owlv2ForObjectDetection, CLIPTokenizer]:
    torch.manual_seed(SEED)
    words = (word for phrase in QUERIES for word in phrase.split())
    tokenizer = clip_tokenizer(LENGTH, (*VOCABULARY, *words))
    model = Owlv2ForObjectDetection(
        Owlv2Config(
            text_config={
                "vocab_size": len(tokenizer),
                "hidden_size": 64,
                "intermediate_size": 192,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "max_position_embeddings": LENGTH,
                "bos_token_id": tokenizer.bos_token_id,
                "eos_token_id": tokenizer.eos_token_id,
                "pad_token_id": tokenizer.pad_token_id,
            },
            vision_config={
                "hidden_size": 128,
                "intermediate_size": 384,
                "num_hidden_layers": 5,
                "num_attention_heads": 4,
                "image_size": 64,
                "patch_size": PATCH,
            },
            projection_dim=64,
        )
    )
    begin_silent(model)
    model.owlv2.visual_projection.requires_grad_(False)  # for whole pictures: a detector does not use it
    return model, tokenizer


def begin_silent(model: Any) -> None:
    """Initialises the heads, whose weights transformers 5.23 initialises fifty times too wide.

    At first every predicted box is its patch, and a logit is -5 if text and patch are dissimilar, 5 if they are alike.
    """
    heads = (model.class_head, model.box_head, model.objectness_head)
    for layer in (layer for head in heads for layer in head.modules() if isinstance(layer, torch.nn.Linear)):
        layer.reset_parameters()
    shift, scale = model.class_head.logit_shift, model.class_head.logit_scale
    for layer, bias in (
        (shift, -0.5),
        (scale, 9.0),
        (model.box_head.dense2, 0.0),
        (model.objectness_head.dense2, -4.0),
    ):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias, bias)


class PatchTargets:
    """The patch that each object is assigned to, and what it is to predict; at most `MOST` objects a picture.

    patch   `[n, MOST]`, -1 for no object
    boxes   `[n, MOST, 4]`, as centre, width and height
    called  `[n, MOST, 2]`, the indices in `QUERIES` of its name, and of its name with colour or material
    """

    def __init__(self, dataset: WidePictures) -> None:
        n = len(dataset)
        self.patch = np.full((n, MOST), -1)
        self.boxes = np.zeros((n, MOST, 4), np.float32)
        self.called = np.zeros((n, MOST, 2), np.int64)
        index = {query: i for i, query in enumerate(QUERIES)}
        for i, picture in enumerate(dataset.pictures):
            for k, seen in enumerate(visible_objects(picture) if picture else ()):
                x1, y1, x2, y2 = seen.box
                self.boxes[i, k] = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
                self.patch[i, k] = nearest_free(self.boxes[i, k, :2], set(self.patch[i]))
                self.called[i, k] = index[seen.name], index[seen.phrase]


def nearest_free(point: Float32Array, taken: set[int]) -> int:
    """The patch that is not taken and whose centre is nearest to a point."""
    rows, columns = np.divmod(np.arange(GRID * GRID), GRID)
    distance = np.hypot((columns + 0.5) / GRID - point[0], (rows + 0.5) / GRID - point[1])
    return next(int(p) for p in np.argsort(distance, kind="stable") if int(p) not in taken)


def loss(
    model: Owlv2ForObjectDetection,
    texts: dict[str, torch.Tensor],
    pixels: torch.Tensor,
    targets: PatchTargets,
    rows: IntArray,
) -> torch.Tensor:
    """The loss of names, boxes and objectness on pictures `rows`; the queries of every picture are all `texts`."""
    with bfloat16():
        owl: Any = model.owlv2
        queries = owl.text_projection(owl.text_model(**texts).pooler_output)
        features = model.image_embedder(pixels)[0]
        seen = features.flatten(1, 2)
        logits = model.class_predictor(seen, queries.expand(len(rows), -1, -1))[0].float()
        boxes = model.box_predictor(seen, features).float()
        objects = model.objectness_predictor(seen).float()
    picture, k = np.nonzero(targets.patch[rows] >= 0)
    patch = targets.patch[rows][picture, k]
    found = max(len(patch), 1)
    names, things = torch.zeros_like(logits), torch.zeros_like(objects)
    for called in targets.called[rows][picture, k].T:
        names[picture, patch, called] = 1
    things[picture, patch] = 1
    focal = sigmoid_focal_loss(logits, names, found, alpha=0.5) * logits.shape[1]
    predicted, true = boxes[picture, patch], torch.from_numpy(targets.boxes[rows][picture, k])
    corners: Any = center_to_corners_format
    overlap = generalized_box_iou(corners(predicted), corners(true)).diagonal()
    return (
        focal
        + 5 * F.l1_loss(predicted, true, reduction="sum") / found
        + 2 * (1 - overlap).sum() / found
        + F.binary_cross_entropy_with_logits(objects, things, reduction="sum") / found
    )


def train(
    out: Path, steps: int = 6000, count: int = 50_000, say: Callable[[str], None] = print
) -> Owlv2ForObjectDetection:
    dataset = WidePictures.draw(count, FIRST, load_vae(out), seed=SEED)
    model, tokenizer = build()
    targets = PatchTargets(dataset)
    texts = [dict(tokenizer([t.format(q) for q in QUERIES], padding=True, return_tensors="pt")) for t in TEMPLATES]

    def batch_loss(step: int) -> torch.Tensor:
        rng = np.random.default_rng((SEED, step))
        rows = rng.integers(count, size=BATCH)
        return loss(model, texts[rng.integers(len(texts))], as_tensor(dataset.pixels[rows]), targets, rows)

    fit(model.train(), batch_loss, steps=steps, lr=1e-3, muon=0.015, state=out / "training" / "detector.pt", say=say)
    save_model(model.eval(), out / "detector")
    tokenizer.save_pretrained(out / "detector")
    pixels = Owlv2ImageProcessorPil(size={"height": 64, "width": 64}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    pixels.save_pretrained(out / "detector")
    return model
