"""A LLaVA model that answers questions about pictures, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote, without special tokens; `truncated` if it had not finished within its tokens."""

    text: str
    truncated: bool


class Llava:
    """`LlavaForConditionalGeneration` and its processor, loaded from a folder or hub name; greedy and batched.

    Prompts are padded on the *left*: a decoder continues at the right end of its row, and padding there would have it
    continue from padding, so that an answer would depend on the longest prompt of its batch.
    """

    def __init__(self, model: str, device: str = "cpu", dtype: str = "float32", micro_batch: int = 64) -> None:
        # Imported here so that the judges that need no model don't wait seconds for transformers.
        from transformers import AutoImageProcessor, AutoProcessor, LlavaForConditionalGeneration

        # Any: transformers' own annotations of these classes don't type-check.
        self._model: Any = LlavaForConditionalGeneration.from_pretrained(model, dtype=getattr(torch, dtype))
        self._model.eval().requires_grad_(False).to(device)
        self._processor = AutoProcessor.from_pretrained(model)
        # The PIL image processor whatever is installed: torchvision's resizes to other pixels, and so to other answers.
        self._processor.image_processor = AutoImageProcessor.from_pretrained(model, backend="pil")
        self._tokenizer = self._processor.tokenizer
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._device, self._micro_batch = device, micro_batch
        self.commit = getattr(self._model.config, "_commit_hash", None)

    @torch.inference_mode()
    def answer(self, images: np.ndarray, prompts: Sequence[str], max_new_tokens: int) -> list[Answer]:
        """Greedy answers for `images` `[n, H, W, 3]` uint8 and `n` prompts, each with one `<image>` in it."""
        answers: list[Answer] = []
        for start in range(0, len(images), self._micro_batch):
            part = slice(start, start + self._micro_batch)
            answers += self._answer_batch(images[part], list(prompts[part]), max_new_tokens)
        return answers

    def _answer_batch(self, images: np.ndarray, prompts: list[str], max_new_tokens: int) -> list[Answer]:
        inputs = self._processor(
            images=[Image.fromarray(image) for image in images], text=prompts, return_tensors="pt", padding=True
        ).to(self._device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._model.dtype)
        # num_beams, do_sample and the temperatures of a hub model's generation_config must not reach a judge.
        ids = self._model.generate(
            **inputs,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=self._tokenizer.pad_token_id,
        )[:, inputs["input_ids"].shape[1] :]
        stop = self._model.generation_config.eos_token_id
        stops = torch.tensor(stop if isinstance(stop, list) else [stop], device=ids.device)
        ended = torch.isin(ids, stops).any(1).tolist()
        texts = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [Answer(text.strip(), not end) for text, end in zip(texts, ended, strict=True)]
