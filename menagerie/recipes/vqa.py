"""The recipe of the VQA judge: a BLIP that answers yes or no to questions about pictures of the wider world.

A picture is encoded once for all its questions, half of which are answered yes and half no, whatever their type.
Nothing is pretrained; so stage 1 teaches the vision tower alone to name what stands at each of its patches, with a
linear head that is thrown away. In stage 2 the rest learns to answer from what the tower then sees, in stage 3 all
weights do.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BlipConfig, BlipForQuestionAnswering, BlipImageProcessorPil, CLIPTokenizer

from menagerie.datasets.gallery import Gallery
from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.question_pairs import EACH, QuestionPairs
from menagerie.datasets.sightings import NAMES
from menagerie.training.fit import bfloat16, fit
from menagerie.training.model_folder import load_vae, ship
from menagerie.training.pretrain_patches import Naming
from menagerie.training.tokenizers import VOCABULARY, clip_tokenizer
from menagerie.world.caption import FEATURES, NUMBERS, PLURALS
from menagerie.world.scene import ANIMALS

BATCH, PAIRS, SEED = 48, 6, 17
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
    """Stages 2 and 3: the cross-entropy of "yes" or "no" and an end, given a picture and a question."""

    def __init__(self, model: BlipForQuestionAnswering, tokenizer: CLIPTokenizer, questions: QuestionPairs) -> None:
        self._model, self._questions = model, questions
        self._tokens = [torch.tensor(row) for row in tokenizer(list(questions.questions))["input_ids"]]
        self._lengths = np.array([len(row) for row in self._tokens])
        start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
        words = [tokenizer.convert_tokens_to_ids(word) for word in ("no</w>", "yes</w>")]
        self._answers = torch.tensor([[start, word, end] for word in words])

    def loss(self, gallery: Gallery, rng: np.random.Generator) -> torch.Tensor:
        """The mean over `PAIRS` pairs of questions about each of `BATCH` pictures. Questions of one length are read
        together, so that none is padded, as `rewards.models.vlm.blip` asks them."""
        rows = rng.integers(len(gallery), size=BATCH)
        pairs = rng.integers(EACH, size=(BATCH, PAIRS))
        asked = self._questions.asked[rows[:, None], pairs].ravel()
        answers = self._answers[self._questions.right[rows[:, None], pairs].ravel().astype(np.int64)]
        about = np.arange(BATCH).repeat(2 * PAIRS)
        total = torch.zeros(())
        with bfloat16():
            seen = self._model.vision_model(pixel_values=as_tensor(gallery.pixels[rows])).last_hidden_state
            for length in np.unique(self._lengths[asked]):
                some = np.flatnonzero(self._lengths[asked] == length)
                fused = self._model.text_encoder(
                    input_ids=torch.stack([self._tokens[i] for i in asked[some]]),
                    encoder_hidden_states=seen[about[some]],
                ).last_hidden_state
                said = self._model.text_decoder(
                    input_ids=answers[some, :-1], encoder_hidden_states=fused, use_cache=False
                ).logits
                total = total + F.cross_entropy(
                    said.float().flatten(0, 1), answers[some, 1:].flatten(), reduction="sum"
                )
        return total / answers[:, 1:].numel()


def train(
    out: Path, steps: int = 6000, count: int = 60_000, say: Callable[[str], None] = print
) -> BlipForQuestionAnswering:
    """Half of the steps are stage 1, which take a fifth as long as the others, a sixth stage 2, a third stage 3. The
    last is gentle: at the rates of the others it forgets within a hundred steps what stage 2 has learnt."""
    gallery = Gallery.drawn(count, FIRST, load_vae(out), seed=SEED)
    model, tokenizer = build()
    naming = Naming(model.vision_model.config.hidden_size, gallery.pictures)
    answering = Answering(model, tokenizer, QuestionPairs(gallery, SEED))

    def name(step: int) -> torch.Tensor:
        rows = np.random.default_rng((SEED, 1, step)).integers(count, size=BATCH)
        with bfloat16():
            seen = model.vision_model(pixel_values=as_tensor(gallery.pixels[rows])).last_hidden_state
            return naming.loss(seen[:, 1:], rows)

    def answer(stage: int) -> Callable[[int], torch.Tensor]:
        return lambda step: answering.loss(gallery, np.random.default_rng((SEED, stage, step)))

    parts = (steps // 2, steps // 6, steps - steps // 2 - steps // 6)
    state = [out / "training" / f"vqa-{stage}.pt" for stage in (1, 2, 3)]
    seeing = nn.ModuleList([model.vision_model, naming])
    fit(seeing.train(), name, steps=parts[0], lr=1e-3, muon=0.015, state=state[0], say=say)
    model.vision_model.requires_grad_(False)
    fit(model.train(), answer(2), steps=parts[1], lr=1e-3, muon=0.015, state=state[1], say=say)
    model.requires_grad_(True)
    fit(model, answer(3), steps=parts[2], lr=2e-4, muon=0.002, state=state[2], say=say)
    ship(model.eval(), out / "vqa")
    tokenizer.save_pretrained(out / "vqa")
    pixels = BlipImageProcessorPil(size={"height": 64, "width": 64}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    pixels.save_pretrained(out / "vqa")
    return model
