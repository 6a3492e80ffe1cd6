"""A BLIP that was trained to answer questions about pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch

from rewards.models.vlm.base import Answer
from rewards.models.vlm.transformers_vlm import GREEDY, EncodedOnce


class Blip(EncodedOnce):
    """`BlipForQuestionAnswering`, loaded from a folder or hub name.

    Its parts are called one by one, so that a picture is encoded once for its questions. Questions of one length go
    together: transformers 5.23 drops the mask of BLIP's cross-attention, so a decoder would read the padding of a
    shorter question, and an answer would depend on its batch.
    """

    def __init__(self, model: str, device: str = "cpu", dtype: str = "float32", micro_batch: int = 16) -> None:
        from transformers import BlipForQuestionAnswering

        super().__init__(BlipForQuestionAnswering, model, device, dtype, micro_batch)

    def _prompt(self, question: str) -> str:
        return question

    def _room(self, max_new_tokens: int) -> int:
        # The picture comes by cross-attention, and the answer is the decoder's.
        return self._model.config.text_config.max_position_embeddings

    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._model.vision_model(pixel_values=pixels).last_hidden_state

    def _generate(self, features: torch.Tensor, prompts: list[str], max_new_tokens: int) -> list[Answer]:
        words = self._model.config.text_config
        stops: dict[str, Any] = {"eos_token_id": words.sep_token_id, "pad_token_id": words.pad_token_id}
        found: dict[int, Answer] = {}
        for rows, start in self._questions(features, prompts):
            ids = self._model.text_decoder.generate(**start, **GREEDY, **stops, max_new_tokens=max_new_tokens)
            found.update(zip(rows, self._read(ids[:, 1:], words.sep_token_id), strict=True))
        return [found[i] for i in range(len(prompts))]

    def _next_logits(self, features: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        found: dict[int, torch.Tensor] = {}
        for rows, start in self._questions(features, prompts):
            found.update(zip(rows, self._model.text_decoder(**start).logits[:, -1], strict=True))
        return torch.stack([found[i] for i in range(len(prompts))])

    def _questions(self, features: torch.Tensor, prompts: list[str]) -> Iterator[tuple[list[int], dict[str, Any]]]:
        """Rows of one length, and what the decoder starts from: a first token, and questions fused with pictures."""
        tokens = self._tokenizer(prompts)["input_ids"]
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        for row, ids in enumerate(tokens):
            by_length[len(ids)].append(row)
        for rows in by_length.values():
            fused = self._model.text_encoder(
                input_ids=torch.tensor([tokens[row] for row in rows], device=self._device),
                encoder_hidden_states=features[rows],
            ).last_hidden_state
            first = torch.full((len(rows), 1), self._model.decoder_start_token_id, device=self._device)
            yield rows, {"input_ids": first, "encoder_hidden_states": fused}
