"""The recipe of the artifact classifier: a LLaVA of two million parameters, fine-tuned as in SynArtifact.

The paper starts from a pretrained LLaVA. Here two stages take the place of pre-training: in stage 1 all weights learn
to describe drawings and to answer the four-part question, in stage 2 the question alone. Stage 3 is the paper's: vision
tower and language model are frozen, and only the projector is trained (arXiv 2402.18068, section 3).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from menagerie.datasets.artifact_pictures import ArtifactPictures
from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.plain_pictures import PlainPictures
from menagerie.training.fit import bfloat16, fit
from menagerie.training.model_folder import load_vae, save_model
from menagerie.training.tokenizers import llama_tokenizer
from menagerie.world.scene import ANIMALS, COLOURS, SETTINGS
from rewards.arrays import IntArray
from rewards.judges.synartifact.taxonomy import ARTIFACTS
from rewards.judges.synartifact.template import artifact_prompt, format_answer
from rewards.models.vlm.prompt_words import llava_prompt

BATCH, SEED = 48, 7
FIRST = 20_000_000
DESCRIBE = llava_prompt("Describe the picture.")
PATCH, TOKENS = 8, 64
NARRATED = 0.5
"""The share of stage 1's steps in which the task is to describe pictures."""
IGNORED = -100


def build() -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    torch.manual_seed(SEED)
    tokenizer: Any = llama_tokenizer(corpus())
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(
                hidden_size=128,
                intermediate_size=384,
                num_hidden_layers=5,
                num_attention_heads=4,
                image_size=64,
                patch_size=PATCH,
                projection_dim=64,
            ),
            text_config=LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=128,
                intermediate_size=384,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=4,
                max_position_embeddings=512,
                pad_token_id=tokenizer.pad_token_id,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                tie_word_embeddings=True,
            ),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            vision_feature_layer=-1,
            vision_feature_select_strategy="default",
        )
    )
    side = {"height": 64, "width": 64}
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 64}, crop_size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3
        ),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
    )
    return model, processor


def corpus() -> list[str]:
    """The text that the tokenizer is trained on: the question, all answers, and the words of descriptions."""
    words = [*ANIMALS, *COLOURS, *SETTINGS]
    sentences = [f" a {c} {a} in the {s}" for c in COLOURS for a in ANIMALS for s in SETTINGS]
    names = [f" {a.name}" for a in ARTIFACTS] + [a.name for a in ARTIFACTS]
    return [artifact_prompt("full")] * 8 + [DESCRIBE] * 8 + [" No artifacts"] * 60 + names * 60 + words * 20 + sentences


class AnswerDataset:
    """Question and answer of each picture as token rows of equal length, with labels on the answer alone."""

    def __init__(self, processor: LlavaProcessor, prompt: str, answers: list[str]) -> None:
        tokenizer = processor.tokenizer
        question = tokenizer(prompt.replace("<image>", "<image>" * TOKENS)).input_ids
        rows = [[*tokenizer(f" {a}", add_special_tokens=False).input_ids, tokenizer.eos_token_id] for a in answers]
        longest = max(map(len, rows))
        n = len(question) + longest
        self.ids = torch.full((len(rows), n), tokenizer.pad_token_id)
        self.labels = torch.full((len(rows), n), IGNORED)
        self.ids[:, : len(question)] = torch.tensor(question)
        for i, row in enumerate(rows):
            end = len(question) + len(row)
            self.ids[i, len(question) : end] = self.labels[i, len(question) : end] = torch.tensor(row)

    def loss(self, model: LlavaForConditionalGeneration, pixels: torch.Tensor, rows: IntArray) -> torch.Tensor:
        """Cross-entropy of the answers, the mean over their tokens. Padding is at the end, where no labelled token
        attends to it, so that no attention mask is needed."""
        with bfloat16():
            return model(input_ids=self.ids[rows], pixel_values=pixels, labels=self.labels[rows]).loss.float()


def describe(pictures: ArtifactPictures) -> list[str]:
    """Targets of stage 1: what each picture shows, and its artifacts."""
    described: list[str] = []
    for categories, scene in zip(pictures.categories, pictures.scenes, strict=True):
        shown = scene.caption() if scene else "nothing"
        described.append(f"{shown}: {', '.join(categories)}" if categories else f"{shown}: No artifacts")
    return described


def train(
    out: Path, steps: int = 7200, count: int = 60_000, say: Callable[[str], None] = print
) -> LlavaForConditionalGeneration:
    """Half of the steps are stage 1 (all weights, both tasks), five twelfths are stage 2 (all weights, the question),
    the rest are stage 3 (projector only)."""
    vae = load_vae(out)
    pictures = ArtifactPictures.of(PlainPictures.draw(count, FIRST, damaged=0.6), vae, seed=SEED)
    model, processor = build()
    classify = AnswerDataset(processor, artifact_prompt("full"), [format_answer(c) for c in pictures.categories])
    narrate = AnswerDataset(processor, DESCRIBE, describe(pictures))
    first, second = steps // 2, steps * 5 // 12

    def batch(step: int, stage: int) -> tuple[torch.Tensor, IntArray]:
        rows = np.random.default_rng((SEED, stage, step)).integers(count, size=BATCH)
        return as_tensor(pictures.pixels[rows]), rows

    def both(step: int) -> torch.Tensor:
        task = narrate if random.Random(step).random() < NARRATED else classify
        return task.loss(model, *batch(step, 1))

    def question(stage: int) -> Callable[[int], torch.Tensor]:
        return lambda step: classify.loss(model, *batch(step, stage))

    state = [out / "training" / f"artifact-{stage}.pt" for stage in (1, 2, 3)]
    fit(model.train(), both, steps=first, lr=1e-3, muon=0.015, state=state[0], warmup=300, say=say)
    fit(model, question(2), steps=second, lr=5e-4, muon=0.01, state=state[1], say=say)
    model.requires_grad_(False)
    model.model.multi_modal_projector.requires_grad_(True)
    fit(model, question(3), steps=steps - first - second, lr=5e-4, muon=0.003, state=state[2], say=say)
    save_model(model.eval(), out / "artifact")
    processor.save_pretrained(out / "artifact")
    return model
