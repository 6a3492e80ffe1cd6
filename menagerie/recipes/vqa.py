"""The recipe of the VQA judge: a BLIP that answers yes or no to questions about pictures of the wider world.

Of the questions of each type, half are answered yes and half no; a picture is encoded once for all its questions. The
training starts from random weights. In stage 1 the vision tower alone learns to classify what is visible at each of its
patches, with a linear head that is discarded. In stage 2 the tower is frozen, and the rest learns to answer; in stage 3
all weights are trained.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BlipConfig, BlipForQuestionAnswering, BlipImageProcessorPil, CLIPTokenizer

from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.question_pairs import EACH, QuestionPairs
from menagerie.datasets.visible_objects import NAMES
from menagerie.datasets.wide_pictures import WidePictures
from menagerie.training.fit import bfloat16, fit
from menagerie.training.model_folder import load_vae, save_model
from menagerie.training.pretrain_patches import PatchClassifier
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


class AnswerTraining:
    """The task of stages 2 and 3: "yes" or "no" and an end token, given a picture and a question."""

    def __init__(self, model: BlipForQuestionAnswering, tokenizer: CLIPTokenizer, questions: QuestionPairs) -> None:
        self._model, self._questions = model, questions
        self._tokens = [torch.tensor(row) for row in tokenizer(list(questions.questions))["input_ids"]]
        self._lengths = np.array([len(row) for row in self._tokens])
        start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
        words = [tokenizer.convert_tokens_to_ids(word) for word in ("no</w>", "yes</w>")]
        self._answers = torch.tensor([[start, word, end] for word in words])

    def loss(self, dataset: WidePictures, rng: np.random.Generator) -> torch.Tensor:
        """The mean cross-entropy over `PAIRS` pairs of questions about each of `BATCH` pictures. Questions of equal
        length are one batch, without padding, as in `rewards.models.vlm.blip`."""
        rows = rng.integers(len(dataset), size=BATCH)
        pairs = rng.integers(EACH, size=(BATCH, PAIRS))
        asked = self._questions.asked[rows[:, None], pairs].ravel()
        answers = self._answers[self._questions.right[rows[:, None], pairs].ravel().astype(np.int64)]
        row_of = np.arange(BATCH).repeat(2 * PAIRS)
        total = torch.zeros(())
        with bfloat16():
            seen = self._model.vision_model(pixel_values=as_tensor(dataset.pixels[rows])).last_hidden_state
            for length in np.unique(self._lengths[asked]):
                some = np.flatnonzero(self._lengths[asked] == length)
                fused = self._model.text_encoder(
                    input_ids=torch.stack([self._tokens[i] for i in asked[some]]),
                    encoder_hidden_states=seen[row_of[some]],
                ).last_hidden_state
                logits = self._model.text_decoder(
                    input_ids=answers[some, :-1], encoder_hidden_states=fused, use_cache=False
                ).logits
                total = total + F.cross_entropy(
                    logits.float().flatten(0, 1), answers[some, 1:].flatten(), reduction="sum"
                )
        return total / answers[:, 1:].numel()


def train(
    out: Path, steps: int = 6000, count: int = 60_000, say: Callable[[str], None] = print
) -> BlipForQuestionAnswering:
    """Half of the steps are stage 1's, which take a fifth as long as the others, a sixth are stage 2's, a third stage
    3's. Stage 3 has lower learning rates: at those of the others it unlearns stage 2 within a hundred steps."""
    dataset = WidePictures.draw(count, FIRST, load_vae(out), seed=SEED)
    model, tokenizer = build()
    naming = PatchClassifier(model.vision_model.config.hidden_size, dataset.pictures)
    answering = AnswerTraining(model, tokenizer, QuestionPairs(dataset, SEED))

    def classify(step: int) -> torch.Tensor:
        rows = np.random.default_rng((SEED, 1, step)).integers(count, size=BATCH)
        with bfloat16():
            seen = model.vision_model(pixel_values=as_tensor(dataset.pixels[rows])).last_hidden_state
            return naming.loss(seen[:, 1:], rows)

    def answer(stage: int) -> Callable[[int], torch.Tensor]:
        return lambda step: answering.loss(dataset, np.random.default_rng((SEED, stage, step)))

    parts = (steps // 2, steps // 6, steps - steps // 2 - steps // 6)
    state = [out / "training" / f"vqa-{stage}.pt" for stage in (1, 2, 3)]
    tower = nn.ModuleList([model.vision_model, naming])
    fit(tower.train(), classify, steps=parts[0], lr=1e-3, muon=0.015, state=state[0], say=say)
    model.vision_model.requires_grad_(False)
    fit(model.train(), answer(2), steps=parts[1], lr=1e-3, muon=0.015, state=state[1], say=say)
    model.requires_grad_(True)
    fit(model, answer(3), steps=parts[2], lr=2e-4, muon=0.002, state=state[2], say=say)
    save_model(model.eval(), out / "vqa")
    tokenizer.save_pretrained(out / "vqa")
    pixels = BlipImageProcessorPil(size={"height": 64, "width": 64}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    pixels.save_pretrained(out / "vqa")
    return model
