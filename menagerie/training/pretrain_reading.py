"""Spotting: a lesson for a reader that begins from nothing, in which it learns to compare prompts with pictures.

Each picture is read with several prompts in which up to three things are wrong, and linear heads on the encoder's
tokens say of every word whether it is wrong, of every patch whether something is wrong there, and of the whole whether
anything is. A score and a marked word or two a picture would say the same, but too seldom.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.rated import Rated
from menagerie.labels.mismatch import right_prompt, wrong_prompt
from menagerie.training.fit import bfloat16
from menagerie.training.pretrain_patches import GRID, Naming, covered
from menagerie.world.caption import FORMS
from rewards.models.rahf import RahfModel

PROMPTS, READ, WRONG = 6, 4, (0, 1, 2, 3)
"""Prompts of a picture, how many of them are read in a step, and how many things may be wrong in one."""
RARE = 3.0
"""The weight of what is wrong, of which there is less."""
UNKNOWN = -1


class Spotting(nn.Module):
    """Trains the parts of a `RahfModel` that read: its ViT, and the T5 encoder over picture and prompt.

    `ids` `[n · PROMPTS, t]` tokens, `wrong` of the same shape: 1 where a token belongs to a wrong word, `UNKNOWN` where
    it belongs to none; `places` `[n · PROMPTS, patches]`: the patches that a prompt is wrong about. `naming`, of the
    same pictures, goes on meanwhile.
    """

    def __init__(self, model: RahfModel, rated: Rated, tokenizer: Any, naming: Naming, seed: int) -> None:
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
        """Cross-entropies, over `READ` prompts of each of `batch` pictures."""
        rows = rng.integers(len(self.rated), size=batch)
        read = (rows[:, None] * PROMPTS + rng.integers(PROMPTS, size=(batch, READ))).ravel()
        model, ids, wrong = self.model, self.ids[read], self.wrong[read]
        with bfloat16():
            seen = model.vit(pixel_values=as_tensor(self.rated.pixels[rows])).last_hidden_state[:, 1:]
            image = model.join(seen).repeat_interleave(READ, 0)
            whole = torch.cat([image, model.t5.shared(ids)], 1)
            mask = torch.cat([ids.new_ones(image.shape[:2]), self.mask[read]], 1)
            fused = model.t5.encoder(inputs_embeds=whole, attention_mask=mask).last_hidden_state
            there, said = fused.split([image.shape[1], ids.shape[1]], 1)
            known = wrong != UNKNOWN
            return (
                _rare(self.words(said)[..., 0][known], wrong[known])
                + _rare(self.patches(there)[..., 0], self.places[read])
                + _rare(self.whole(there.mean(1))[:, 0], (wrong == 1).any(1))
                + self.naming.loss(seen, rows)
            )


def _rare(said: torch.Tensor, wrong: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(said.float(), wrong.float(), pos_weight=torch.tensor(RARE))


def word_flags(text: str, misaligned: tuple[bool, ...], spans: list[tuple[int, int]]) -> list[int]:
    """For each token, which stands at `spans` in the text, whether its word is misaligned; `UNKNOWN` for no word."""
    at = np.full(len(text) + 1, UNKNOWN)
    start = 0
    for word, bad in zip(text.split(" "), misaligned, strict=True):
        at[start : start + len(word)] = bad
        start += len(word) + 1
    return [int(at[end - 1]) if end > begin else UNKNOWN for begin, end in spans]
