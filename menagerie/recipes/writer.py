"""The recipe of the prompt writer: a Llama of two thirds of a million parameters for AGFSync's first step.

Given a category, it writes a prompt of the wider world and the questions whose answer should be yes for a picture of
it, as JSON (arXiv 2403.13352, section 3). It is trained on prompts of the caption grammar, and on those of their
questions whose element is a part of the prompt.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from transformers import LlamaConfig, LlamaForCausalLM

from menagerie.labels.prompts import CATEGORIES, sample_prompt
from menagerie.training.fit import fit
from menagerie.training.model_folder import save_model
from menagerie.training.tokenizers import word_tokenizer
from menagerie.world.things import THINGS
from rewards.judges.asking.questions import Question
from rewards.settings.section import Section

BATCH, SEED = 32, 31
COUNT = 30_000
"""Training examples."""
FIRST = 40_000_000
LONGEST = 512
IGNORED = -100
MARKS = (
    '{"prompt": "', '", "questions": [{"question": "', '", "type": "', '", "element": "', '", "answer": "yes"}',
    ', {"question": "', "]}",
)  # fmt: skip
"""The JSON syntax between the words, one token each, so that an answer is short."""


class WriterOutput(Section):
    """The JSON that the writer generates; an element that is not in the prompt fails validation."""

    prompt: str = Field(min_length=1)
    questions: list[Question] = Field(min_length=1)

    @model_validator(mode="after")
    def _elements_are_in_the_prompt(self) -> Self:
        for question in self.questions:
            if not mentions(self.prompt, question.element):
                raise ValueError(f"the element {question.element!r} does not stand in the prompt {self.prompt!r}")
        return self


def mentions(prompt: str, element: str) -> bool:
    """Whether a word of the prompt starts with the element: "dog" in "two dogs", but not "ear" in "bear"."""
    return bool(element) and re.search(rf"\b{re.escape(element)}", prompt, re.IGNORECASE) is not None


def instruction(category: str) -> str:
    """The model's input for a category; its answer follows."""
    return f"Category: {category}\nJSON: "


def fits_category(category: str, prompt: str) -> bool:
    """Whether the prompt is of the category: a thing of it is held, or none if the category has no things."""
    things = [thing.words for thing in THINGS.values() if thing.category == category]
    return any(f" {thing} " in prompt for thing in things) if things else "holding" not in prompt


def training_example(seed: int) -> tuple[str, str]:
    """A category, and the right answer to it."""
    rng = random.Random(f"written {seed}")
    category = rng.choice(CATEGORIES)
    _, caption = sample_prompt(category, rng)
    questions: list[dict[str, str]] = []
    for question in caption.questions:
        what, *rest = question.proposition
        element = rest[0] if what == "text" else "sleeps" if what == "asleep" else question.element
        if mentions(caption.text, element):
            asked = Question(question=question.question, type=question.type, element=element)
            questions.append(asked.model_dump())
    return category, json.dumps({"prompt": caption.text, "questions": questions})


def build() -> tuple[LlamaForCausalLM, Any]:
    """The model and its tokenizer."""
    torch.manual_seed(SEED)
    answers = [training_example(FIRST + i)[1] for i in range(4000)]
    words = [re.sub("|".join(map(re.escape, MARKS)), "\n", answer) for answer in answers]
    tokenizer: Any = word_tokenizer([*words, *map(instruction, CATEGORIES)], MARKS, max_length=LONGEST, causal=True)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=320,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=LONGEST,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config), tokenizer


def training_prompts() -> set[str]:
    """The prompts of the training examples."""
    return {json.loads(training_example(FIRST + i)[1])["prompt"] for i in range(COUNT)}


class PromptDataset:
    """Categories and answers as token rows, sorted by length, so that a batch of neighbours has little padding."""

    def __init__(self, examples: Sequence[tuple[str, str]], tokenizer: Any) -> None:
        self._rows: list[tuple[int, list[int]]] = []
        for category, answer in examples:
            prompt = tokenizer(instruction(category)).input_ids
            words = tokenizer(answer, add_special_tokens=False).input_ids
            self._rows.append((len(prompt), [*prompt, *words, tokenizer.eos_token_id]))
        self._rows.sort(key=lambda row: len(row[1]))

    def loss(self, model: LlamaForCausalLM, rng: np.random.Generator) -> torch.Tensor:
        """Cross-entropy of the answers of `BATCH` neighbours. Padding is at the end, where no labelled token attends to
        it, so that no attention mask is needed."""
        start = int(rng.integers(max(1, len(self._rows) - BATCH + 1)))
        rows = self._rows[start : start + BATCH]
        longest = len(rows[-1][1])
        ids = torch.tensor([row + [0] * (longest - len(row)) for _, row in rows])
        labels = torch.tensor([[IGNORED] * n + row[n:] + [IGNORED] * (longest - len(row)) for n, row in rows])
        with torch.autocast("cpu", torch.bfloat16):
            return model(input_ids=ids, labels=labels).loss.float()


@torch.inference_mode()
def generate(
    model: Any, tokenizer: Any, categories: Sequence[str], seed: int, temperature: float = 0.7, top_p: float = 0.95
) -> list[str]:
    """A sampled answer for each category, without the end token."""
    torch.manual_seed(seed)
    inputs = tokenizer([instruction(category) for category in categories], return_tensors="pt", padding=True)
    tokens = model.generate(
        **inputs,
        do_sample=True,
        temperature=temperature,
        top_p=top_p,
        top_k=0,
        max_new_tokens=LONGEST - inputs.input_ids.shape[1],
    )
    return tokenizer.batch_decode(tokens[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)


def train(out: Path, steps: int = 2600, count: int = COUNT, say: Callable[[str], None] = print) -> LlamaForCausalLM:
    model, tokenizer = build()
    dataset = PromptDataset([training_example(FIRST + i) for i in range(count)], tokenizer)

    def loss(step: int) -> torch.Tensor:
        return dataset.loss(model, np.random.default_rng((SEED, step)))

    fit(
        model.train(), loss, steps=steps, lr=2e-3, muon=0.015, state=out / "training" / "writer.pt", warmup=150, say=say
    )
    save_model(model.eval(), out / "writer")
    tokenizer.save_pretrained(out / "writer")
    return model
