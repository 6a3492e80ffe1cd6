"""A frozen CLIP: pictures and texts as vectors of one space."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from rewards.arrays import ImageArray
from rewards.pretrained import commit_of, load_frozen, load_picture_processor

CACHE = 10_000


class ClipEncoder:
    """`CLIPModel` from a folder or hub name; embeddings are rows of unit length, float32 on the CPU.

    `processor` holds the image processor and the tokenizer where the model's own folder has none. `scale` is the
    model's learnt factor of cosines (CLIP's `logit_scale`, 100 in released models).
    """

    def __init__(
        self,
        model: str,
        device: str = "cpu",
        *,
        micro_batch: int = 16,
        dtype: str = "float32",
        processor: str | None = None,
    ) -> None:
        from transformers import AutoTokenizer, CLIPModel

        self._model = load_frozen(CLIPModel, model, device, dtype)
        self._pixels = load_picture_processor(processor or model)
        self._tokenizer = AutoTokenizer.from_pretrained(processor or model)
        self._length = int(self._model.text_model.embeddings.position_embedding.num_embeddings)
        self._device, self._micro_batch = device, micro_batch
        self._texts: dict[str, tuple[torch.Tensor, bool]] = {}
        self.scale = float(self._model.logit_scale.float().exp())
        self.width = int(self._model.config.projection_dim)
        self.commit = commit_of(self._model)

    @torch.inference_mode()
    def pictures(self, images: ImageArray) -> torch.Tensor:
        """Embeddings `[n, d]` of `images` `[n, h, w, 3]` uint8."""
        starts = range(0, len(images), self._micro_batch)
        parts = [self._some(images[start : start + self._micro_batch]) for start in starts]
        return torch.cat(parts) if parts else torch.empty(0, self.width)

    @torch.inference_mode()
    def text(self, text: str) -> tuple[torch.Tensor, bool]:
        """The embedding `[d]`, and whether the text was longer than the text tower reads, so that its end was cut.

        Each text is encoded alone, once.
        """
        if text not in self._texts:
            if len(self._texts) >= CACHE:
                self._texts.clear()
            ids = self._tokenizer(text, verbose=False)["input_ids"]
            truncated = len(ids) > self._length
            if truncated:
                # Cut by the tokenizer, which keeps the end token that the text tower pools at.
                ids = self._tokenizer(text, truncation=True, max_length=self._length)["input_ids"]
            features = self._model.get_text_features(input_ids=torch.tensor([ids], device=self._device))
            self._texts[text] = _unit(features)[0], truncated
        return self._texts[text]

    def _some(self, images: ImageArray) -> torch.Tensor:
        batch = self._pixels(images=[Image.fromarray(image) for image in images], return_tensors="pt")
        pixels = batch["pixel_values"].to(self._device, self._model.dtype)
        return _unit(self._model.get_image_features(pixel_values=pixels))


def _unit(output: Any) -> torch.Tensor:
    """Rows of an embedding at length 1, float32 on the CPU."""
    embedding = output if isinstance(output, torch.Tensor) else output.pooler_output
    return torch.nn.functional.normalize(embedding.float(), dim=-1).cpu()
