"""OWLv2: a detector whose classes are any words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from PIL import Image

from rewards.arrays import ImageArray
from rewards.boxes import from_square
from rewards.fingerprint import fingerprint
from rewards.models.detection import Detection, Found
from rewards.pretrained import commit_of, load_frozen, load_picture_processor

TEXTS = 32
"""How many class names the text tower reads at once."""


class Owlv2:
    """`Owlv2ForObjectDetection` from a folder or hub name (Apache-2.0).

    Source: Minderer et al., Scaling Open-Vocabulary Object Detection (arXiv 2306.09683). Confidences are sigmoids, each
    class by itself; low ones (0.1 to 0.3) are normal. A picture is padded to a square at its right and bottom, and the
    model's boxes are fractions of that square (so in transformers 5.23): they are turned into fractions of the picture.
    """

    def __init__(
        self,
        model: str,
        device: str = "cpu",
        *,
        threshold: float = 0.1,
        template: str = "a photo of a {}",
        dtype: str = "float32",
    ) -> None:
        from transformers import AutoTokenizer, Owlv2ForObjectDetection

        self._model = load_frozen(Owlv2ForObjectDetection, model, device, dtype)
        self._pixels = load_picture_processor(model)
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._length = int(self._model.config.text_config.max_position_embeddings)
        self._device, self._threshold, self._template = device, threshold, template
        settings = [threshold, template, dtype]
        self.version = fingerprint(model, kind="owlv2", commit=commit_of(self._model), settings=settings)

    @torch.inference_mode()
    def detect(self, image: ImageArray, classes: Sequence[str]) -> Detection:
        """Objects of `classes` in `image` `[h, w, 3]` uint8. An object counts for the class that it fits best."""
        texts = self._tokenizer(
            [self._template.format(name) for name in classes],
            padding="max_length",
            truncation=True,
            max_length=self._length,
            return_tensors="pt",
        )
        pixels = self._pixels(images=[Image.fromarray(image)], return_tensors="pt")["pixel_values"]
        # The model's parts, one by one: as a whole it reads all names at once, however many.
        grid, _ = self._model.image_embedder(pixels.to(self._device, self._model.dtype))
        patches = grid.flatten(1, 2)
        logits, _ = self._model.class_predictor(patches, self._read(texts)[None])
        confidence = logits[0].float().sigmoid().cpu()
        best = {name: float(value) for name, value in zip(classes, confidence.amax(0), strict=True)}
        x, y, w, h = self._model.box_predictor(patches, grid)[0].float().cpu().unbind(-1)
        corners = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)
        height, width = image.shape[:2]
        top, which = confidence.max(-1)
        found = [
            Found(classes[int(which[i])], float(top[i]), from_square(corners[i].tolist(), width, height, centred=False))
            for i in torch.nonzero(top > self._threshold).flatten().tolist()
        ]
        return Detection(best, tuple(sorted(found, key=lambda one: -one.confidence)))

    def _read(self, texts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Embeddings `[classes, width]` of tokenised sentences."""
        parts = zip(*(texts[key].split(TEXTS) for key in ("input_ids", "attention_mask")), strict=True)
        tower = self._model.owlv2.get_text_features
        return torch.cat([tower(ids.to(self._device), mask.to(self._device)).pooler_output for ids, mask in parts])
