"""Pre-training of the rich-feedback model's reader, the ViT and the T5 encoder, by comparing prompts with pictures.

Each picture is paired with several prompts that are wrong in up to three respects. Linear heads on the encoder's
tokens predict for each word and each patch whether it is misaligned, and for the whole whether anything is. The labels
of rated pictures, a score and a word or two, contain the same signal, but too sparsely.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.rated_pictures import RatedPictures
from menagerie.labels.mismatch import right_prompt, wrong_prompt
from menagerie.training.fit import bfloat16
from menagerie.training.pretrain_patches import GRID, PatchClassifier, covered
from menagerie.world.caption import FORMS
from rewards.models.rahf import RahfModel

PROMPTS, READ, WRONG = 6, 4, (0, 1, 2, 3)
"""Prompts of a picture, prompts that are read in a step, and the numbers of respects in which one may be wrong."""
RARE = 3.0
"""The weight of misaligned words and patches, which are the minority."""
UNKNOWN = -1
"""The label of a token that belongs to no word."""


class ReadingPretraining(nn.Module):
    """Trains the reader of a `RahfModel`: its ViT, and the T5 encoder over picture and prompt.

    ids     `[n · PROMPTS, t]`, tokens
    wrong   of the same shape: 1 for a token of a misaligned word, 0 for one of another word, `UNKNOWN` for no word
    places  `[n · PROMPTS, patches]` bool, the patches in misaligned regions
    naming  the patch classification of the same pictures, whose training goes on
    """

    def __init__(
        self, model: RahfModel, rated: RatedPictures, tokenizer: Any, naming: PatchClassifier, seed: int
    ) -> None:
        super().__init__()
        self.model, self.rated, self.naming = model, rated, naming
        width = model.t5.config.d_model
        self.words, self.patches, self.whole = (nn.Linear(width, 1) for _ in range(3))
        rng = random.Random(seed)
        prompts = [
            wrong_prompt(picture, rng, rng.choice(FORMS), things)
            if things
            else right_prompt(picture, rng.choice(FORMS))
            for picture in rated.pictures
            for things in rng.choices(WRONG, k=PROMPTS)
        ]
        texts = tokenizer([p.text for p in prompts], padding=True, return_tensors="pt", return_offsets_mapping=True)
        self.ids, self.mask = texts.input_ids, texts.attention_mask
        self.wrong = torch.tensor(
            [
                word_flags(prompt.text, prompt.misaligned, spans)
                for prompt, spans in zip(prompts, texts.offset_mapping.tolist(), strict=True)
            ],
            dtype=torch.int8,
        )
        grids = [sum(map(covered, prompt.regions), np.zeros((GRID, GRID), bool)) for prompt in prompts]
        self.places = torch.from_numpy(np.stack(grids).reshape(len(prompts), -1))

    def loss(self, rng: np.random.Generator, batch: int) -> torch.Tensor:
        """The sum of the heads' cross-entropies, over `READ` prompts of each of `batch` pictures."""
        rows = rng.integers(len(self.rated), size=batch)
        read = (rows[:, None] * PROMPTS + rng.integers(PROMPTS, size=(batch, READ))).ravel()
        model, ids, wrong = self.model, self.ids[read], self.wrong[read]
        with bfloat16():
            seen = model.vit(pixel_values=as_tensor(self.rated.pixels[rows])).last_hidden_state[:, 1:]
            image = model.join(seen).repeat_interleave(READ, 0)
            whole = torch.cat([image, model.t5.shared(ids)], 1)
            mask = torch.cat([ids.new_ones(image.shape[:2]), self.mask[read]], 1)
            fused = model.t5.encoder(inputs_embeds=whole, attention_mask=mask).last_hidden_state
            patches, words = fused.split([image.shape[1], ids.shape[1]], 1)
            known = wrong != UNKNOWN
            return (
                _rare(self.words(words)[..., 0][known], wrong[known])
                + _rare(self.patches(patches)[..., 0], self.places[read])
                + _rare(self.whole(patches.mean(1))[:, 0], (wrong == 1).any(1))
                + self.naming.loss(seen, rows)
            )


def _rare(logits: torch.Tensor, wrong: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), wrong.float(), pos_weight=torch.tensor(RARE))


def word_flags(text: str, misaligned: tuple[bool, ...], spans: list[tuple[int, int]]) -> list[int]:
    """For each token, which covers one of the `spans` of the text, whether its word is misaligned, or `UNKNOWN`."""
    at = np.full(len(text) + 1, UNKNOWN)
    start = 0
    for word, bad in zip(text.split(" "), misaligned, strict=True):
        at[start : start + len(word)] = bad
        start += len(word) + 1
    return [int(at[end - 1]) if end > begin else UNKNOWN for begin, end in spans]
