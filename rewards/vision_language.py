"""A model that answers questions about pictures: what LLaVA, BLIP and BLIP-2 have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote, without special tokens; `truncated` if it had not finished within its tokens."""

    text: str
    truncated: bool


class VisionLanguage(ABC):
    """Greedy answers and yes/no probabilities, in batches; each picture is encoded once for all its questions."""

    commit: str | None = None
    """commit of a hub model, for the judge's version"""

    def __init__(self, model: Any, name: str, device: str, micro_batch: int) -> None:
        from transformers import AutoImageProcessor, AutoTokenizer

        # Any: transformers' own annotations of these classes don't type-check.
        self._model: Any = model.eval().requires_grad_(False).to(device)
        # The PIL image processor whatever is installed: torchvision's resizes to other pixels, and so to other answers.
        self._pixels: Any = AutoImageProcessor.from_pretrained(name, backend="pil")
        self._tokenizer: Any = AutoTokenizer.from_pretrained(name)
        self._device, self._micro_batch = device, micro_batch
        self.commit = getattr(model.config, "_commit_hash", None)

    @abstractmethod
    def prompt(self, question: str) -> str:
        """The text that makes this model answer `question`."""

    @torch.inference_mode()
    def answer(
        self, images: np.ndarray, prompts: Sequence[str], max_new_tokens: int, which: Sequence[int] | None = None
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
        self, images: np.ndarray, prompts: Sequence[str], which: Sequence[int] | None = None
    ) -> list[tuple[float, float]]:
        """The probabilities that the answer begins with yes, and with no, over the whole vocabulary.

        Raises ValueError if the tokenizer has no token for either word.
        """
        yes, no = (self._word(word) for word in ("yes", "no"))
        found: dict[int, tuple[float, float]] = {}
        for rows, features, texts in self._parts(images, prompts, which):
            p = self._next_logits(features, texts).double().softmax(-1).cpu()
            found.update(zip(rows, zip(p[:, yes].sum(1).tolist(), p[:, no].sum(1).tolist(), strict=True), strict=True))
        return [found[i] for i in range(len(prompts))]

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
        self, images: np.ndarray, prompts: Sequence[str], which: Sequence[int] | None
    ) -> Iterator[tuple[list[int], torch.Tensor, list[str]]]:
        """Micro-batches: numbers of prompts, the features of their pictures, the prompts."""
        about = list(range(len(prompts))) if which is None else which
        size = self._micro_batch
        for start in range(0, len(images), size):
            rows = [i for i, picture in enumerate(about) if start <= picture < start + size]
            if not rows:
                continue
            pictures = [Image.fromarray(image) for image in images[start : start + size]]
            pixels = self._pixels(images=pictures, return_tensors="pt")["pixel_values"]
            features = self._encode(pixels.to(self._device, self._model.dtype))
            for first in range(0, len(rows), size):
                part = rows[first : first + size]
                yield part, features[[about[i] - start for i in part]], [prompts[i] for i in part]

    def _word(self, word: str) -> list[int]:
        """The tokens that are this whole word, in any case, with or without a space before it."""
        forms = [form for case in (word, word.title(), word.upper()) for form in (case, f" {case}")]
        ids = [self._tokenizer(form, add_special_tokens=False)["input_ids"] for form in forms]
        single = {i[0] for i in ids if len(i) == 1} - {self._tokenizer.unk_token_id}
        if not single:
            raise ValueError(f"the model's tokenizer has no token for {word!r}, so its probability can't be read")
        return sorted(single)

    def _read(self, ids: torch.Tensor, stop: int | list[int]) -> list[Answer]:
        """Answers from generated tokens `[n, t]`."""
        stops = torch.tensor(stop if isinstance(stop, list) else [stop], device=ids.device)
        ended = torch.isin(ids, stops).any(1).tolist()
        texts = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [Answer(text.strip(), not end) for text, end in zip(texts, ended, strict=True)]


GREEDY: dict[str, Any] = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
"""num_beams, do_sample and the temperatures of a hub model's generation_config must not reach a judge"""


def load_vision_language(
    judge: str, model: str, device: str = "cpu", dtype: str = "float32", micro_batch: int = 64
) -> VisionLanguage:
    """The LLaVA, BLIP or BLIP-2 in a folder or on the hub, as its config says.

    Raises ValueError, naming the judge's key, for another class of model, or a precision that it can't be run in.
    """
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(model)
    kind = config.model_type
    if kind == "blip-2" and dtype == "float16" and not config.use_decoder_only_language_model:
        raise ValueError(
            f"rewards.judges.{judge}.dtype: {Path(model).name} answers with a T5, whose activations overflow float16 "
            "into garbage; use bfloat16 or float32"
        )
    if kind == "llava":
        from rewards.llava import Llava

        return Llava(model, device, dtype, micro_batch)
    if kind == "blip":
        from rewards.blip import Blip

        return Blip(model, device, dtype, micro_batch)
    if kind == "blip-2":
        from rewards.blip2 import Blip2

        return Blip2(model, device, dtype, micro_batch)
    raise ValueError(f"rewards.judges.{judge}.model: {model!r} is a {kind!r} model; give a llava, blip or blip-2")
