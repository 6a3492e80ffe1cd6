"""The CLIP judge: how well a picture fits its prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.verdict import Verdict

CACHE = 10_000


class ClipJudge(Judge):
    """Value: cosine of the picture's and the prompt's CLIP embeddings, in -1..1 (not multiplied by CLIP's scale).

    `features` is the unit image embedding `[d]` float32. `truncated` says that the prompt was longer than the text
    tower reads (77 tokens in released models), so its end was not judged. Each prompt is encoded alone, once.
    """

    def __init__(
        self, name: str, model: str, device: str = "cpu", *, micro_batch: int = 64, dtype: str = "float32"
    ) -> None:
        from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

        self.name = name
        self._model = CLIPModel.from_pretrained(model, dtype=getattr(torch, dtype)).eval().to(device)  # pyright: ignore[reportArgumentType]
        self._model.requires_grad_(False)
        # The PIL image processor whatever is installed: torchvision's resizes to other pixels, and so to other values.
        self._pixels = AutoImageProcessor.from_pretrained(model, backend="pil")
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._length = int(self._model.text_model.embeddings.position_embedding.num_embeddings)
        self._device, self._micro_batch = device, micro_batch
        self._texts: dict[str, tuple[torch.Tensor, bool]] = {}
        commit = getattr(self._model.config, "_commit_hash", None)
        self.version = fingerprint(model, kind="clip", commit=commit, dtype=dtype)

    @torch.inference_mode()
    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        if not len(images):
            return []
        pictures = torch.cat([self._pictures(images[i : i + self._micro_batch]) for i in self._starts(len(images))])
        return [self._verdict(picture, *self._text(prompt)) for picture, prompt in zip(pictures, prompts, strict=True)]

    def _starts(self, n: int) -> range:
        return range(0, n, self._micro_batch)

    def _pictures(self, images: np.ndarray) -> torch.Tensor:
        batch = self._pixels(images=[Image.fromarray(image) for image in images], return_tensors="pt")
        pixels = batch["pixel_values"].to(self._device, self._model.dtype)
        return _unit(self._model.get_image_features(pixel_values=pixels))

    def _text(self, prompt: str) -> tuple[torch.Tensor, bool]:
        if prompt not in self._texts:
            if len(self._texts) >= CACHE:
                self._texts.clear()
            ids = self._tokenizer(prompt, verbose=False)["input_ids"]
            truncated = len(ids) > self._length
            if truncated:
                # Cut by the tokenizer, which keeps the end token that the text tower pools at.
                ids = self._tokenizer(prompt, truncation=True, max_length=self._length)["input_ids"]
            features = self._model.get_text_features(input_ids=torch.tensor([ids], device=self._device))
            self._texts[prompt] = _unit(features)[0], truncated
        return self._texts[prompt]

    def _verdict(self, picture: torch.Tensor, text: torch.Tensor, truncated: bool) -> Verdict:
        return Verdict(
            self.name,
            "ok",
            value=float(picture @ text),
            features=picture.numpy(),
            version=self.version,
            truncated=truncated,
        )


def _unit(output: Any) -> torch.Tensor:
    """Rows of an embedding at length 1, float32 on the CPU."""
    embedding = output if isinstance(output, torch.Tensor) else output.pooler_output
    return torch.nn.functional.normalize(embedding.float(), dim=-1).cpu()
