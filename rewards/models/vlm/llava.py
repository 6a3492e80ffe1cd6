"""A LLaVA model that answers questions about pictures, in batches."""

from __future__ import annotations

from typing import Any

import torch

from rewards.models.vlm.base import Answer
from rewards.models.vlm.greedy import greedy
from rewards.models.vlm.prompt_words import IMAGE, llava_prompt
from rewards.models.vlm.transformers_vlm import EncodedOnce


class Llava(EncodedOnce):
    """`LlavaForConditionalGeneration`, loaded from a folder or hub name; prompts have one `<image>` in them.

    Prompts are padded on the *left*: a decoder continues at the right end of its row, and padding there would have it
    continue from padding, so that an answer would depend on the longest prompt of its batch.
    """

    def __init__(self, model: str, device: str = "cpu", dtype: str = "float32", micro_batch: int = 16) -> None:
        # Imported here so that the judges that need no model don't wait seconds for transformers.
        from transformers import LlavaForConditionalGeneration

        super().__init__(LlavaForConditionalGeneration, model, device, dtype, micro_batch)
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token

    def _prompt(self, question: str) -> str:
        return llava_prompt(question)

    def _room(self, max_new_tokens: int) -> int:
        return llava_room(self._model.config, max_new_tokens)

    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.stack(list(self._model.get_image_features(pixel_values=pixels).pooler_output))

    def _generate(self, features: torch.Tensor, prompts: list[str], max_new_tokens: int) -> list[Answer]:
        inputs = self._inputs(features, prompts)
        stop = self._model.generation_config.eos_token_id
        stops = torch.tensor(stop if isinstance(stop, list) else [stop], device=self._device)
        ids = greedy(self._model, inputs["inputs_embeds"], inputs["attention_mask"], stops, max_new_tokens)
        return self._read(ids, stop)

    def _next_logits(self, features: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        inputs = self._inputs(features, prompts)
        mask = inputs["attention_mask"]
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        return self._model(**inputs, position_ids=positions, logits_to_keep=1).logits[:, -1]

    def _inputs(self, features: torch.Tensor, prompts: list[str]) -> dict[str, Any]:
        """Embedded prompts in which the features replace the picture's tokens."""
        number = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
        # A judge asks the same of every picture: reading that once spares a tenth of a small model's time.
        texts = [prompt.replace(IMAGE, IMAGE * features.shape[1]) for prompt in number]
        tokens = self._tokenizer(texts, return_tensors="pt", padding=True).to(self._device)
        rows = torch.tensor([number[prompt] for prompt in prompts], device=self._device)
        ids, mask = tokens["input_ids"][rows], tokens["attention_mask"][rows]
        embeds = self._model.get_input_embeddings()(ids)
        picture = ids == self._model.config.image_token_id
        return {
            "inputs_embeds": embeds.masked_scatter(picture[..., None], features.to(embeds.dtype)),
            "attention_mask": mask,
        }


def llava_room(config: Any, max_new_tokens: int) -> int:
    """How many tokens a prompt of the LLaVA of `config` may have, without its picture and an answer."""
    vision = config.vision_config
    return config.text_config.max_position_embeddings - (vision.image_size // vision.patch_size) ** 2 - max_new_tokens
