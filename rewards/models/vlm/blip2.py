"""A BLIP-2 that answers questions about pictures, with an OPT or a T5."""

from __future__ import annotations

from typing import Any

import torch

from rewards.models.vlm.base import Answer
from rewards.models.vlm.transformers_vlm import GREEDY, EncodedOnce

T5_READS = 2048
"""tokens; a T5 has no positions to run out of, and would take its time"""


class Blip2(EncodedOnce):
    """`Blip2ForConditionalGeneration`, loaded from a folder or hub name.

    The language model reads the picture's query tokens, then the prompt. A decoder's prompts are padded on the left,
    between picture and text: positions are counted over what is not padding, so where the padding is makes no
    difference to it, and the last token is the prompt's own.
    """

    def __init__(self, model: str, device: str = "cpu", dtype: str = "float32", micro_batch: int = 16) -> None:
        from transformers import Blip2ForConditionalGeneration

        super().__init__(Blip2ForConditionalGeneration, model, device, dtype, micro_batch)
        self._decoder_only = bool(self._model.config.use_decoder_only_language_model)
        self._tokenizer.padding_side = "left" if self._decoder_only else "right"

    def _prompt(self, question: str) -> str:
        return f"Question: {question} Answer:"

    def _room(self, max_new_tokens: int) -> int:
        positions = getattr(self._model.config.text_config, "max_position_embeddings", T5_READS)
        return positions - self._model.config.num_query_tokens - max_new_tokens

    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output

    def _generate(self, features: torch.Tensor, prompts: list[str], max_new_tokens: int) -> list[Answer]:
        language = self._model.language_model
        pad = self._tokenizer.pad_token_id
        inputs = self._inputs(features, prompts)
        ids = language.generate(**inputs, **GREEDY, max_new_tokens=max_new_tokens, pad_token_id=pad)
        # The first token of an encoder-decoder is its start token, which may be its end token too.
        return self._read(ids if self._decoder_only else ids[:, 1:], language.generation_config.eos_token_id)

    def _next_logits(self, features: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        language, inputs = self._model.language_model, self._inputs(features, prompts)
        if not self._decoder_only:
            start = language.generation_config.decoder_start_token_id
            inputs["decoder_input_ids"] = torch.full((len(prompts), 1), start, device=self._device)
        return language(**inputs).logits[:, -1]

    def _inputs(self, features: torch.Tensor, prompts: list[str]) -> dict[str, Any]:
        tokens = self._tokenizer(prompts, return_tensors="pt", padding=True, return_token_type_ids=False)
        tokens = tokens.to(self._device)
        words = self._model.get_input_embeddings()(tokens["input_ids"])
        picture = torch.ones(features.shape[:2], dtype=torch.long, device=self._device)
        return {
            "inputs_embeds": torch.cat([features.to(words.dtype), words], 1),
            "attention_mask": torch.cat([picture, tokens["attention_mask"]], 1),
        }
