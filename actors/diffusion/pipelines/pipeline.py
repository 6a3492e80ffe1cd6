"""The seam for a family of diffusers pipelines: everything that differs from one to the next."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from actors.diffusion.pipelines.picture_shape import PictureShape, fitting
from actors.diffusion.transitions.forward_process import ForwardProcess
from actors.diffusion.transitions.transition import Transition

log = logging.getLogger(__name__)

Condition = tuple[Tensor, ...]
"""The text conditions of n prompts: tensors `[n, ...]`; how many, and of what shapes, each pipeline decides."""


class Pipeline(ABC):
    """A text-to-image pipeline as the policy uses it; each family is one subclass and one line of `registry.KINDS`.

    A subclass owns the shape of the latents (`channels`, `own_size`, `patch`, `largest`), the layout in which its
    network wants them (`forward` packs and unpacks, so that everybody else has `[n, C, h, w]`), the form of its
    guidance (`predict` and `passes`), the times of its schedule, which may depend on the resolution (`transition`), and
    the way from latents to pixels.

    part          the attribute of the pipeline that is its denoising network
    solvers       diffusers' schedulers that the plain pipeline may be drawn with in place of its own
    pipe          the diffusers pipeline, with its own scheduler, tokenizers, text encoders and autoencoder
    network       `pipe.unet` or `pipe.transformer`, which will carry the adapter
    shape         of one picture, at the resolution that the policy draws
    cut           the prompts, of those that were encoded, that the text encoder did not read to their end
    """

    part: ClassVar[str]
    solvers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, pipe: Any, resolution: tuple[int, int] | None = None) -> None:
        """`resolution` as `shape_of` takes it."""
        self.pipe = pipe
        self.network: Any = getattr(pipe, self.part)
        self.shape = self.shape_of(self.network.config, pipe.vae.config, resolution)
        self.cut: set[str] = set()

    @classmethod
    @abstractmethod
    def load(cls, model: str, resolution: tuple[int, int] | None = None, **options: Any) -> Self:
        """The pipeline in the folder or under the hub name `model`; raises OSError if it is not there.

        `resolution`: height and width of its pictures, see `shape_of`; raises ValueError if the pipeline has none such.
        `options` are those of diffusers' `from_pretrained`: the precision `dtype`, a `variant` of the weights.
        """

    @classmethod
    def shape_of(
        cls, network: Mapping[str, Any], vae: Mapping[str, Any], resolution: tuple[int, int] | None = None
    ) -> PictureShape:
        """The shape of a picture of `resolution`, height and width in pixels (default: the network's own), by the
        configs of network and autoencoder. Raises ValueError if that does not fit them."""
        factor, patch = 2 ** (len(vae["block_out_channels"]) - 1), cls.patch(network)
        largest = cls.largest(network)
        size = cls.own_size(network) if resolution is None else fitting(resolution, factor, patch, largest)
        return PictureShape.of(cls.channels(network), size, factor, patch)

    def unusual_resolution(self, pixels: tuple[int, int]) -> dict[str, str]:
        """Under `resolution`, that of pictures of `pixels` in words; nothing if it is the network's own."""
        own = self.shape_of(self.network.config, self.pipe.vae.config).pixels
        return {} if pixels == own else {"resolution": f"{pixels[0]} × {pixels[1]}"}

    @classmethod
    def channels(cls, network: Mapping[str, Any]) -> int:
        """Channels of the latents, by the network's config."""
        return network["in_channels"]

    @classmethod
    def own_size(cls, network: Mapping[str, Any]) -> tuple[int, int]:
        """Height and width of the latents that the network was made for."""
        size = network["sample_size"]
        return (size, size) if isinstance(size, int) else tuple(size)

    @classmethod
    def patch(cls, network: Mapping[str, Any]) -> int:
        """How many latents are on the side of what the network takes as one token; a U-Net has none."""
        return network.get("patch_size", 1)

    @classmethod
    def largest(cls, network: Mapping[str, Any]) -> int | None:
        """How many latents the network has positions for on a side; None: any number."""
        return None

    @classmethod
    @abstractmethod
    def transition(
        cls,
        schedule: Mapping[str, Any],
        shape: PictureShape,
        steps: int,
        eta: float,
        device: torch.device | str = "cpu",
    ) -> Transition:
        """The denoising transition of `steps` steps with noise `eta` for pictures of `shape`.

        It takes the config of a scheduler, so that a run can be planned without loading a model.
        """

    @classmethod
    def forward_process(
        cls, schedule: Mapping[str, Any], shape: PictureShape, device: torch.device | str = "cpu"
    ) -> ForwardProcess:
        """How pictures of `shape` are noised to train the network, from the config that `transition` takes."""
        return ForwardProcess.from_config(schedule, device, image_tokens=shape.tokens)

    @classmethod
    def stored_reader(cls, model: str) -> tuple[Any, int] | None:
        """The tokenizer in the folder `model` of the text encoder that reads most of a prompt, and how many tokens that
        reads, its marks of start and end included; None where the pipeline does not say."""
        return None

    def warn_if_cut(self, tokenizer: Any, limit: int, prompt: str) -> None:
        """Remembers, and logs, that a text encoder which reads `limit` tokens truncates `prompt`; for `encode`."""
        if (tokens := len(tokenizer(prompt).input_ids)) > limit:
            self.cut.add(prompt)
            log.warning("the text encoder reads %d of %d tokens; the end of %r is lost", limit, tokens, prompt)

    @abstractmethod
    def encode(self, prompt: str, device: torch.device) -> Condition:
        """The text condition of one prompt, n = 1, as the pipeline itself makes it."""

    @abstractmethod
    def forward(self, network: Callable[..., Any], x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """One pass of `network`: its output `[n, C, h, w]` for latents `x` `[n, C, h, w]` at timesteps `t` `[n]`."""

    def predict(
        self,
        network: Callable[..., Any],
        x: Tensor,
        t: Tensor,
        cond: Condition,
        uncond: Condition | None,
        guidance: float,
    ) -> Tensor:
        """The guided output of `network`, `[n, C, h, w]` float32; `cond` is of n prompts, `uncond` of one.

        Classifier-free guidance (arXiv 2207.12598) is one batch of 2n with the negative half first, combined in
        float32; `guidance` 1 computes the conditional half only. A network that takes the guidance as an input
        overrides this together with `passes`.
        """
        if guidance == 1:
            return self.forward(network, x, t, cond).float()
        if uncond is None:
            raise ValueError(f"guidance {guidance:g} needs the unconditional text condition")
        both = tuple(torch.cat([negative.expand_as(c), c]) for negative, c in zip(uncond, cond, strict=True))
        output = self.forward(network, torch.cat([x, x]), torch.cat([t, t]), both)
        negative, positive = output.float().chunk(2)
        return negative + guidance * (positive - negative)

    @classmethod
    def passes(cls, guidance: float) -> int:
        """How often a picture goes through the network in one denoising step."""
        return 1 if guidance == 1 else 2

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels `[n, 3, H, W]`, float32 in -1..1 but for overshoot, of clean latents `[n, C, h, w]`."""
        return self.pipe.vae.decode(self.unscale(latents), return_dict=False)[0].float()

    def unscale(self, latents: Tensor) -> Tensor:
        """Latents as the autoencoder's decoder takes them."""
        return latents / self.pipe.vae.config.scaling_factor

    def encode_pictures(self, pixels: Tensor) -> Tensor:
        """Clean latents `[n, C, h, w]` of pixels `[n, 3, H, W]` in -1..1: the mean where the autoencoder has a
        distribution."""
        found = self.pipe.vae.encode(pixels, return_dict=False)[0]
        return self.scale(found.mean if hasattr(found, "logvar") else found)

    def scale(self, latents: Tensor) -> Tensor:
        """The encoder's latents as the network takes them: the inverse of `unscale`."""
        return latents * self.pipe.vae.config.scaling_factor
