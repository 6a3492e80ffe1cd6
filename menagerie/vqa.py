"""The recipe of the VQA judge: a BLIP that answers yes or no to questions about pictures of the wider world.

A picture is encoded once for all its questions, half of which are answered yes and half no. Those answered no are what
wrong captions claim, and what captions claim about other pictures with the same animals and things. Nothing is
pretrained; so a first stage teaches the vision tower alone to name what stands at each of its patches, with a linear
head that is thrown away, and a second stage trains all weights to answer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BlipConfig, BlipForQuestionAnswering, BlipImageProcessorPil, CLIPTokenizer

from menagerie.album import as_tensor
from menagerie.caption import FEATURES, NUMBERS, PLURALS
from menagerie.exam import Exam
from menagerie.exhibits import load_vae
from menagerie.fit import bfloat16, fit
from menagerie.gallery import Gallery
from menagerie.naming import Naming
from menagerie.scene import ANIMALS
from menagerie.shipping import ship
from menagerie.sightings import NAMES
from menagerie.tokenizers import VOCABULARY, clip_tokenizer

BATCH, ASKED, SEED = 48, 4, 17
FIRST = 60_000_000
PATCH = 8
WORDS = (
    *VOCABULARY,
    *("yes", "is", "are", "there", "does", "have", "can", "one", "see", "say", "set", "say", "shaped", "like", "made"),
    *("animals", "small", "big", "left", "right", "behind", "front", "wood", "metal", "holding", "something"),
    *("sleeping", "long", "round", "square", "star", "heart", "sun", "cactus", "trees", "moon", "sea", "toy", "?"),
    *NUMBERS,
    *(word for part in FEATURES.values() for word in part[1].split()),
    *(PLURALS.get(animal, f"{animal}s") for animal in ANIMALS),
    *(word for name in NAMES for word in name.split()),
)


def build() -> tuple[BlipForQuestionAnswering, CLIPTokenizer]:
    torch.manual_seed(SEED)
    tokenizer = clip_tokenizer(words=WORDS)
    tokenizer.add_special_tokens({"pad_token": "<|pad|>"})  # answers end with another, as in BLIP
    tower = {"hidden_size": 128, "num_attention_heads": 4, "initializer_range": 0.05}
    words = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 32,
        "bos_token_id": tokenizer.bos_token_id,
        "sep_token_id": tokenizer.eos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    model = BlipForQuestionAnswering(
        BlipConfig(
            text_config={**tower, **words, "intermediate_size": 256, "num_hidden_layers": 2},
            vision_config={
                **tower,
                "intermediate_size": 384,
                "num_hidden_layers": 5,
                "image_size": 64,
                "patch_size": PATCH,
            },
        )
    )
    return model, tokenizer


class Answering:
    """Stage 2: the cross-entropy of "yes" or "no" and an end, given a picture and a question.

    The questions of a step are of one length, so that none is padded, as `rewards.blip` asks them.
    """

    def __init__(self, model: BlipForQuestionAnswering, tokenizer: CLIPTokenizer, exam: Exam) -> None:
        self._model, self._exam = model, exam
        self._tokens = [torch.tensor(row) for row in tokenizer(list(exam.questions))["input_ids"]]
        lengths = np.array([len(row) for row in self._tokens])[exam.asked]
        both = {n: np.flatnonzero((lengths == n).any(2).all(1)) for n in np.unique(lengths).tolist()}
        self._lengths, self._rows = lengths, {n: rows for n, rows in both.items() if len(rows)}
        share = np.array([(lengths == n).sum() for n in self._rows])
        self._share = share / share.sum()
        start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
        words = [tokenizer.convert_tokens_to_ids(word) for word in ("no</w>", "yes</w>")]
        self._answers = torch.tensor([[start, word, end] for word in words])

    def loss(self, gallery: Gallery, rng: np.random.Generator) -> torch.Tensor:
        """The mean over `ASKED` questions about each of `BATCH` pictures, half answered yes (none for garbage)."""
        length = int(rng.choice(list(self._rows), p=self._share))
        rows = rng.choice(self._rows[length], BATCH)
        asked, right = self._draw(rows, length, rng)
        answers = self._answers[right]
        with bfloat16():
            seen = self._model.vision_model(pixel_values=as_tensor(gallery.pixels[rows])).last_hidden_state
            fused = self._model.text_encoder(
                input_ids=torch.stack([self._tokens[i] for i in asked.tolist()]),
                encoder_hidden_states=seen.repeat_interleave(ASKED, 0),
            ).last_hidden_state
            said = self._model.text_decoder(
                input_ids=answers[:, :-1], encoder_hidden_states=fused, use_cache=False
            ).logits
        return F.cross_entropy(said.float().flatten(0, 1), answers[:, 1:].flatten())

    def _draw(self, rows: np.ndarray, length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of questions of one length about each row, and 1 where the answer is yes."""
        fits = self._lengths[rows] == length
        first = np.argsort(~fits, 2, kind="stable")  # where those that fit stand
        chosen = rng.integers(fits.sum(2, keepdims=True), size=(*fits.shape[:2], ASKED // 2))
        chosen = np.take_along_axis(first, chosen, 2)
        asked = np.take_along_axis(self._exam.asked[rows], chosen, 2)
        right = np.take_along_axis(self._exam.right[rows], chosen, 2)
        return asked.ravel(), right.ravel().astype(np.int64)


def train(
    out: Path, steps: int = 3000, count: int = 24_000, say: Callable[[str], None] = print
) -> BlipForQuestionAnswering:
    """A third of the steps are stage 1, which take a third of the time of the others."""
    gallery = Gallery.drawn(count, FIRST, load_vae(out), seed=SEED)
    model, tokenizer = build()
    naming = Naming(model.vision_model.config.hidden_size, gallery.pictures)
    answering = Answering(model, tokenizer, Exam(gallery, SEED))

    def name(step: int) -> torch.Tensor:
        rows = np.random.default_rng((SEED, 1, step)).integers(count, size=BATCH)
        with bfloat16():
            seen = model.vision_model(pixel_values=as_tensor(gallery.pixels[rows])).last_hidden_state
            return naming.loss(seen[:, 1:], rows)

    def answer(step: int) -> torch.Tensor:
        return answering.loss(gallery, np.random.default_rng((SEED, 2, step)))

    first, state = steps // 3, [out / "training" / f"vqa-{stage}.pt" for stage in (1, 2)]
    seeing = nn.ModuleList([model.vision_model, naming])
    fit(seeing.train(), name, steps=first, lr=1e-3, muon=0.015, state=state[0], say=say)
    fit(model.train(), answer, steps=steps - first, lr=1e-3, muon=0.015, state=state[1], say=say)
    ship(model.eval(), out / "vqa")
    tokenizer.save_pretrained(out / "vqa")
    pixels = BlipImageProcessorPil(size={"height": 64, "width": 64}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    pixels.save_pretrained(out / "vqa")
    return model
