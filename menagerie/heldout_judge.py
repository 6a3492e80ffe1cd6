"""The held-out judge: a convolutional network that watches a run and is never part of the reward.

It shares nothing with the judges that train: another architecture, another seed, another kind of supervision. So a
policy that has learnt to please the jury's blind spots does not please it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.judges.prompt_metadata import names_of
from rewards.pretrained import load_frozen
from rewards.verdict import Verdict

NONSENSE = "unrecognisable"
"""The label of pictures that show nothing: noise, shuffled patches, empty scenes. Never artifact-free."""
SIDE = 64

RESNET = {
    "model_type": "resnet",
    "layer_type": "basic",
    "embedding_size": 32,
    "hidden_sizes": [32, 64, 96, 160],
    "depths": [2, 2, 2, 2],
}


class HeldoutConfig(PretrainedConfig):
    """Labels of the four heads, and the trunk: `model_type` and settings of a convolutional transformers model."""

    model_type = "salon_heldout"

    def __init__(
        self,
        artifacts: Sequence[str] = (),
        animals: Sequence[str] = (),
        colours: Sequence[str] = (),
        settings: Sequence[str] = (),
        trunk: Mapping[str, Any] = RESNET,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.artifacts, self.animals = list(artifacts), list(animals)
        self.colours, self.settings = list(colours), list(settings)
        self.trunk = dict(trunk)


class HeldoutModel(PreTrainedModel):
    """A trunk with four linear heads: artifacts (and nonsense), animals, colours — each any number of labels — and
    one setting."""

    config_class = HeldoutConfig
    base_model_prefix = "trunk"

    def __init__(self, config: HeldoutConfig) -> None:
        super().__init__(config)
        self.trunk = AutoModel.from_config(AutoConfig.for_model(**config.trunk))
        width = config.trunk["hidden_sizes"][-1]
        self.artifact_head = nn.Linear(width, len(config.artifacts) + 1)
        self.animal_head = nn.Linear(width, len(config.animals))
        self.colour_head = nn.Linear(width, len(config.colours))
        self.setting_head = nn.Linear(width, len(config.settings))
        self.post_init()

    def forward(self, pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits by head, and the pooled `features` `[n, width]`, for images `[n, 3, 64, 64]` in -1..1.

        Images are doubled in size first: a trunk's stem makes them smaller, and an eye is three pixels wide.
        """
        x = F.interpolate(pixel_values, scale_factor=2.0, mode="bilinear", align_corners=False)
        features = self.trunk(x).pooler_output.flatten(1)
        return {
            "artifacts": self.artifact_head(features),
            "animals": self.animal_head(features),
            "colours": self.colour_head(features),
            "settings": self.setting_head(features),
            "features": features,
        }


class HeldoutJudge(Judge):
    """Value: 1 if the picture is free of artifacts, else 0.

    `scores`: `artifact_free`, and, where the prompt's metadata names them (`animals`, `colours`, `setting`), `animal`,
    `colour` and `setting`: 1 if the picture shows all that the prompt asks for. Text: the artifacts seen. It sees
    pictures as `SIDE` by `SIDE` pixels.
    """

    def __init__(self, name: str, model: str, device: str = "cpu") -> None:
        self.name, self._device = name, device
        self._model = load_frozen(HeldoutModel, model, device)
        self._labels = self._model.config
        self.version = fingerprint(model)

    @torch.inference_mode()
    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        facts = metadata if metadata is not None else [{}] * len(images)
        verdicts: list[Verdict] = []
        for image, fact in zip(images, facts, strict=True):
            # One picture at a time: convolutions over a batch of another size may round differently.
            pixels = torch.from_numpy(np.ascontiguousarray(_of_its_size(image))).permute(2, 0, 1)[None].to(self._device)
            out = self._model(pixels.float().div(127.5).sub(1))
            verdicts.append(self._verdict({k: v[0].float().cpu().numpy() for k, v in out.items()}, fact))
        return verdicts

    def _verdict(self, out: Mapping[str, np.ndarray], fact: Mapping[str, Any]) -> Verdict:
        labels = self._labels
        seen = [n for n, logit in zip([*labels.artifacts, NONSENSE], out["artifacts"], strict=True) if logit > 0]
        scores = {"artifact_free": float(not seen)}
        for key, head, named, names in (
            ("animal", "animals", "animals", labels.animals),
            ("colour", "colours", "colours", labels.colours),
            ("setting", "settings", "setting", labels.settings),
        ):
            if (wanted := names_of(fact, named)) is not None:
                # As many of the likeliest labels as the prompt names different ones.
                likely = {names[i] for i in np.argsort(-out[head])[: len(set(wanted))]}
                scores[key] = float(set(wanted) <= likely)
        features = out["features"] / max(float(np.linalg.norm(out["features"])), 1e-9)
        return Verdict(
            self.name,
            "ok",
            value=scores["artifact_free"],
            scores=scores,
            text=", ".join(seen) or "No artifacts",
            features=features.astype(np.float32),
            version=self.version,
        )


def _of_its_size(image: np.ndarray) -> np.ndarray:
    if image.shape[:2] == (SIDE, SIDE):
        return image
    return np.array(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX))
