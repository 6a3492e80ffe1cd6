"""The aesthetic judge: a prediction of people's rating of a picture's looks, whatever its prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewards.arrays import ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.settings.judge import BatchedConfig
from rewards.settings.requirements import ModelSource
from rewards.verdict import Verdict


class AestheticConfig(BatchedConfig):
    """The LAION aesthetic predictor: people's rating of a picture's looks, whatever its prompt."""

    kind: str = "aesthetic"
    encoder: str = "openai/clip-vit-large-patch14"
    """the CLIP that the predictor was trained on: a folder or hub name; `dtype` is its precision"""

    def models(self) -> dict[str, ModelSource]:
        return {
            "model": ModelSource(self.model, "config.json", converted=True, types=("salon_aesthetic",)),
            "encoder": ModelSource(self.encoder, "config.json", types=("clip",)),
        }


class AestheticJudge(Judge):
    """Value: the LAION predictor's rating on CLIP's picture embedding, about 1 to 10 for real pictures; 5 is ordinary.

    `model` is a folder that `rewards.models.aesthetic_model` wrote, `encoder` the CLIP that the predictor was trained
    on (ViT-L/14 for the public one). The predictor reads embeddings of unit length: on others its ratings are far above
    10. `features` is the unit embedding `[d]` float32. Raises ValueError if the widths of the two models differ.
    """

    Config = AestheticConfig

    def __init__(self, name: str, config: AestheticConfig, device: str = "cpu") -> None:
        from rewards.models.aesthetic_model import AestheticModel
        from rewards.models.clip_encoder import ClipEncoder
        from rewards.pretrained import load_frozen

        self.name = name
        model, encoder, dtype = config.model, config.encoder, config.dtype
        self._clip = ClipEncoder(encoder, device, micro_batch=config.micro_batch, dtype=dtype)
        # In float32 on the CPU: it is tiny.
        self._predictor = load_frozen(AestheticModel, model, "cpu", use_safetensors=True)
        width = self._predictor.config.widths[0]
        if width != self._clip.width:
            raise ValueError(
                f"rewards.judges.{name}.encoder: {encoder} has embeddings of {self._clip.width} numbers, "
                f"{model} reads {width}; give the CLIP that the predictor was trained on"
            )
        commit = self._clip.commit
        self.version = fingerprint(model, kind="aesthetic", encoder=fingerprint(encoder), commit=commit, dtype=dtype)

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        features = self._clip.pictures(images)
        return [
            Verdict(self.name, "ok", value=value, features=feature.numpy(), version=self.version)
            for value, feature in zip(self._predictor.ratings(features), features, strict=True)
        ]
