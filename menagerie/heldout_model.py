"""The held-out judge's model: a convolutional network with heads for artifacts, animals, colours and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

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
    """A trunk with four linear heads.

    Artifacts (with one more label, for garbage), animals and colours are multi-label; the setting is single-label.
    """

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

        Images are enlarged twofold first, since the trunk's stem reduces them, and an eye is three pixels wide.
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
