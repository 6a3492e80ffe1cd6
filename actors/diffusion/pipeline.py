"""What differs between the kinds of diffusers pipelines that can be a policy."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from actors.diffusion.transition import Transition

log = logging.getLogger(__name__)

Condition = tuple[Tensor, ...]
"""What the text encoders make of n prompts: tensors `[n, ...]`, which and of what shape is the pipeline's matter."""


class Pipeline(ABC):
    """A text-to-image pipeline as the policy sees it.

    part     the attribute of the pipeline that is its denoising network
    pipe     the diffusers pipeline, with its own scheduler, tokenizers, text encoders and autoencoder
    network  `pipe.unet` or `pipe.transformer`, which will carry the adapter
    """

    part: ClassVar[str]

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        self.network: Any = getattr(pipe, self.part)

    @classmethod
    @abstractmethod
    def load(cls, model: str, dtype: torch.dtype) -> Self:
        """The pipeline in the folder or under the hub name `model`; raises OSError if it is not there."""

    @staticmethod
    @abstractmethod
    def transition(
        schedule: Mapping[str, Any], steps: int, eta: float, device: torch.device | str = "cpu"
    ) -> Transition:
        """The denoising transition of `steps` steps with noise `eta`; `schedule` is the config of a scheduler."""

    @abstractmethod
    def encode(self, prompt: str, device: torch.device) -> Condition:
        """The text condition of one prompt, n = 1, as the pipeline itself makes it."""

    @abstractmethod
    def predict(self, network: Callable[..., Any], x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The output `[n, C, h, w]` of `network` for latents `x` at timesteps `t` `[n]`."""

    def unscale(self, latents: Tensor) -> Tensor:
        """Latents as the autoencoder's decoder takes them."""
        return latents / self.pipe.vae.config.scaling_factor

    def lora_layers(self, layers: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The adapter's layers by the names under which diffusers keeps them for this kind of network."""
        return layers

    def save_lora(self, folder: Path | str) -> None:
        """Writes the adapter into `folder` so that `pipe.load_lora_weights(folder)` of plain diffusers loads it."""
        from peft import get_peft_model_state_dict

        self.pipe.save_lora_weights(
            str(folder),
            **{
                f"{self.part}_lora_layers": self.lora_layers(get_peft_model_state_dict(self.network)),
                # Without the metadata a loader takes alpha = rank.
                f"{self.part}_lora_adapter_metadata": self.network.peft_config["default"].to_dict(),
            },
        )


def warn_if_cut(tokenizer: Any, limit: int, prompt: str) -> None:
    """Says in the log that a text encoder will not read all of `prompt`."""
    if (tokens := len(tokenizer(prompt).input_ids)) > limit:
        log.warning("the text encoder reads %d of %d tokens; the end of %r is lost", limit, tokens, prompt)
