"""Base of LLaVA, BLIP and BLIP-2 on transformers: micro-batches, and a picture encoded once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from PIL import Image

from rewards.arrays import ImageArray
from rewards.models.vlm.base import Answer, word_tokens
from rewards.models.vlm.prompt_words import PromptWords
from rewards.pretrained import commit_of, load_frozen, load_picture_processor


class EncodedOnce(ABC):
    """A transformers model that is a `VisionLanguage`: micro-batches, in which a picture is encoded once."""

    commit: str | None = None
    """commit of a hub model, for the judge's version"""

    def __init__(self, model_class: Any, model: str, device: str, dtype: str, micro_batch: int) -> None:
        from transformers import AutoTokenizer

        self._model = load_frozen(model_class, model, device, dtype)
        self._pixels = load_picture_processor(model)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
        self._wording = PromptWords(self._tokenizer)
        self._device, self._micro_batch = device, micro_batch
        self.commit = commit_of(self._model)

    def prompt(self, question: str) -> str:
        """The text that makes this model answer `question`; what looks like a special token in it is plain words."""
        return self._prompt(self._wording.plain(question))

    def too_long(self, question: str, max_new_tokens: int = 1) -> str:
        """Why there is no room for `question`, its picture and an answer; empty if there is."""
        return self._wording.too_long(question, self.prompt(question), self._room(max_new_tokens))

    @torch.inference_mode()
    def answer(
        self, images: ImageArray, prompts: Sequence[str], max_new_tokens: int, which: Sequence[int] | None = None
    ) -> list[Answer]:
        """Greedy answers to `prompts`; prompt i is about `images[which[i]]` (default: `images[i]`).

        `images` is `[n, H, W, 3]` uint8.
        """
        found: dict[int, Answer] = {}
        for rows, features, texts in self._parts(images, prompts, which):
            found.update(zip(rows, self._generate(features, texts, max_new_tokens), strict=True))
        return [found[i] for i in range(len(prompts))]

    @torch.inference_mode()
    def yes_no(
        self, images: ImageArray, prompts: Sequence[str], which: Sequence[int] | None = None
    ) -> list[tuple[float, float]]:
        """The probabilities that the answer begins with yes, and with no, over the whole vocabulary.

        Raises ValueError if the tokenizer has no token for either word.
        """
        yes, no = (word_tokens(self._tokenizer, word) for word in ("yes", "no"))
        found: dict[int, tuple[float, float]] = {}
        for rows, features, texts in self._parts(images, prompts, which):
            p = self._next_logits(features, texts).double().softmax(-1).cpu()
            found.update(zip(rows, zip(p[:, yes].sum(1).tolist(), p[:, no].sum(1).tolist(), strict=True), strict=True))
        return [found[i] for i in range(len(prompts))]

    @abstractmethod
    def _prompt(self, question: str) -> str:
        """`question`, without special tokens in it, as this model is asked."""

    @abstractmethod
    def _room(self, max_new_tokens: int) -> int:
        """How many tokens a prompt may have, given those of its answer."""

    @abstractmethod
    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features `[n, tokens, width]` of pictures `[n, 3, h, w]`."""

    @abstractmethod
    def _generate(self, features: torch.Tensor, prompts: list[str], max_new_tokens: int) -> list[Answer]:
        """An answer for each row of features and its prompt."""

    @abstractmethod
    def _next_logits(self, features: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Logits `[n, vocabulary]` of the first token of the answers."""

    def _parts(
        self, images: ImageArray, prompts: Sequence[str], which: Sequence[int] | None
    ) -> Iterator[tuple[list[int], torch.Tensor, list[str]]]:
        """Micro-batches: indices of prompts, the features of their pictures, the prompts."""
        pictured = list(range(len(prompts))) if which is None else which
        size = self._micro_batch
        for start in range(0, len(images), size):
            rows = [i for i, picture in enumerate(pictured) if start <= picture < start + size]
            if not rows:
                continue
            pictures = [Image.fromarray(image) for image in images[start : start + size]]
            pixels = self._pixels(images=pictures, return_tensors="pt")["pixel_values"]
            features = self._encode(pixels.to(self._device, self._model.dtype))
            for first in range(0, len(rows), size):
                part = rows[first : first + size]
                yield part, features[[pictured[i] - start for i in part]], [prompts[i] for i in part]

    def _read(self, ids: torch.Tensor, stop: int | list[int]) -> list[Answer]:
        """Answers from generated tokens `[n, t]`."""
        stops = torch.tensor(stop if isinstance(stop, list) else [stop], device=ids.device)
        ended = torch.isin(ids, stops).any(1).tolist()
        texts = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [Answer(text.strip(), not end) for text, end in zip(texts, ended, strict=True)]


GREEDY: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "temperature": None,
    "top_p": None,
    "top_k": None,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
}
"""Overrides what a hub model's generation_config may set: a judge's answers are greedy."""
