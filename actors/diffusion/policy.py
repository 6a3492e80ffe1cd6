"""The policy: a text-to-image pipeline whose denoising network, or a LoRA adapter in it, is trained."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from actors.adapter import Adapter
from actors.config import PolicyConfig, SamplerConfig
from actors.diffusion.acceleration import accelerate, compile_network, tile
from actors.diffusion.full_weights import frozen_network, precisions, save_pipeline
from actors.diffusion.lora_file import save_lora
from actors.diffusion.lora_layers import add_lora
from actors.diffusion.pipelines.pipeline import Condition, Pipeline
from actors.diffusion.pipelines.registry import kind_of
from actors.diffusion.transitions.forward_process import ForwardProcess
from actors.diffusion.transitions.transition import Transition
from actors.not_finite import NotFinite
from rewards.arrays import ImageArray

# Encoded prompts that are kept; in half precision one of Stable Diffusion 3.5 with T5 is 2.7 MB, one of FLUX 4.2 MB.
ENCODED_PROMPTS = 512
# Pictures that the autoencoder encodes together; of 512 × 512 pixels each takes about 1 GB in float32.
ENCODED_PICTURES = 8


class Policy:
    """A frozen text-to-image pipeline with one LoRA adapter, the same in actors and in the learner; with
    `config.train` full, no adapter, and a network that is not frozen.

    The adapter starts as LoRA does (A Gaussian from the run's seed, B zero), so that version 0 draws exactly what the
    base policy draws; with `config.lora.init`, what the base policy draws with that LoRA. Frozen weights are in
    `config.dtype`, trained ones in float32. Nothing here is ever in training mode: dropout would break the importance
    ratio.

    pipeline      the family of `pipe`, which knows how its parts work together
    pipe          the diffusers pipeline, with its own scheduler, tokenizers, text encoders and autoencoder
    network       the part of `pipe` that denoises, with the adapter in it
    latent_shape  `(C, h, w)` of one picture
    """

    def __init__(
        self, pipeline: Pipeline, config: PolicyConfig, seed: int = 0, device: torch.device | str = "cpu"
    ) -> None:
        self.pipeline = pipeline
        self.pipe = pipeline.pipe
        self.network = pipeline.network
        self.config = config
        self.device = torch.device(device)
        self.dtype = getattr(torch, config.dtype)
        for module in self.pipe.components.values():
            if isinstance(module, torch.nn.Module):
                module.requires_grad_(False).eval()
        accelerate(self.network, config)
        tile(self.pipe.vae, config.vae)
        if config.train == "lora":
            add_lora(pipeline, config, seed)
        else:
            self.network.float().requires_grad_(True)
        self._frozen: Any = None
        self._referring = False
        self.network.eval()
        self.pipe.to(self.device)
        compile_network(self.network, config)
        self.latent_shape = pipeline.shape.latents
        self._encode: Callable[[str], Condition] = lru_cache(ENCODED_PROMPTS)(self._encode_one)

    @classmethod
    def load(cls, config: PolicyConfig, seed: int = 0, device: torch.device | str = "cpu") -> Policy:
        """The policy of `config.model`; raises ValueError if that is none of `registry.KINDS`."""
        kind = kind_of(config.model)
        options = {} if config.variant is None else {"variant": config.variant}
        try:
            pipeline = kind.load(config.model, config.pixels, dtype=precisions(kind.part, config), **options)
        except (OSError, ValueError, SafetensorError) as error:
            if str(error).startswith("policy."):
                raise
            key = "model" if config.variant is None else f"variant {config.variant}"
            raise ValueError(f"policy.{key}: {config.model} cannot be loaded: {error}") from error
        pipeline.pipe.set_progress_bar_config(disable=True)
        return cls(pipeline, config, seed, device)

    def transition(self, config: SamplerConfig) -> Transition:
        """The denoising transition of this policy's noise schedule, for `config.steps` steps with its noise."""
        schedule, shape = self._schedule(), self.pipeline.shape
        transition = self.pipeline.transition(schedule, shape, config.steps, config.eta, self.device)
        return transition.with_noise(config.noise)

    def forward_process(self) -> ForwardProcess:
        """How clean latents are noised for this policy's network, and what it predicts of them."""
        return self.pipeline.forward_process(self._schedule(), self.pipeline.shape, self.device)

    def _schedule(self) -> dict[str, Any]:
        scheduler = self.pipe.scheduler
        return {**scheduler.config, "_class_name": type(scheduler).__name__}

    def encode(self, prompts: Sequence[str]) -> Condition:
        """The text conditions of `n` prompts. Each is encoded on its own, so the rest of the batch cannot change it."""
        return tuple(torch.cat(parts) for parts in zip(*map(self._encode, prompts), strict=True))

    @torch.no_grad()
    def _encode_one(self, prompt: str) -> Condition:
        return self.pipeline.encode(prompt, self.device)

    def predict(
        self,
        latents: Tensor,
        timesteps: Tensor,
        cond: Condition,
        uncond: Condition | None = None,
        guidance: float = 1.0,
        network: Callable[..., Any] | None = None,
    ) -> Tensor:
        """The network's guided output `[n, C, h, w]` float32 for `latents` `[n, C, h, w]` at `timesteps` `[n]`.

        `cond` is of n prompts, `uncond` of one (see `Pipeline.predict`). `network` stands in for `self.network` where
        an engine has wrapped it.
        """
        net: Callable[..., Any] = self.network if network is None else network
        x, t = latents.to(self.device, self.dtype), timesteps.to(self.device)
        with self.computing():
            return self.pipeline.predict(self._frozen if self._referring else net, x, t, cond, uncond, guidance)

    def computing(self) -> AbstractContextManager[Any]:
        """Context manager: the network computes in `config.dtype`, though the weights that are trained are float32.

        Actors and learner round alike, as both have the same float32 weights and round them in the same places."""
        mixed = self.config.train == "full" and self.dtype is not torch.float32 and self.device.type != "meta"
        return torch.autocast(self.device.type, self.dtype) if mixed else nullcontext()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> ImageArray:
        """Pictures `[n, H, W, 3]` uint8 from clean latents `[n, C, h, w]`; raises NotFinite if the autoencoder gives
        anything else."""
        x, size = latents.to(self.device, self.dtype), self.config.vae.batch or len(latents)
        pixels = torch.cat([self.pipeline.decode(x[i : i + size]) for i in range(0, len(x), size)])
        if not pixels.isfinite().all():
            raise NotFinite(
                "pictures",
                f"though their latents are; the autoencoder's weights hold NaN or overflow in policy.dtype "
                f"{self.config.dtype}",
            )
        pixels = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width of a picture, in pixels."""
        return self.pipeline.shape.pixels

    @torch.no_grad()
    def encode_pictures(self, images: ImageArray) -> Tensor:
        """Clean latents `[n, C, h, w]` float32, on the CPU, of pictures `[n, H, W, 3]` uint8 of `picture_size`; raises
        NotFinite if the autoencoder gives anything else."""
        parts: list[Tensor] = []
        for i in range(0, len(images), ENCODED_PICTURES):
            part = torch.as_tensor(images[i : i + ENCODED_PICTURES]).permute(0, 3, 1, 2)
            pixels = part.to(self.device, torch.float32) / 127.5 - 1
            parts.append(self.pipeline.encode_pictures(pixels.to(self.dtype)).float().cpu())
        latents = torch.cat(parts)
        if not latents.isfinite().all():
            raise NotFinite(
                "latents of pictures",
                f"as the autoencoder makes them; its weights hold NaN or overflow in policy.dtype {self.config.dtype}",
            )
        return latents

    def named_trainable(self) -> dict[str, torch.nn.Parameter]:
        """The parameters that are trained, the adapter's or all, by their names in the network."""
        full = self.config.train == "full"
        return {name: p for name, p in self.network.named_parameters() if full or ".lora_" in name}

    def trainable(self) -> list[torch.nn.Parameter]:
        """The parameters that are trained."""
        return list(self.named_trainable().values())

    def adapter(self, version: int) -> Adapter:
        """A copy of the trained weights, stamped with `version`."""
        return Adapter.pack(version, {n: p.detach().float().cpu().numpy() for n, p in self.named_trainable().items()})

    @torch.no_grad()
    def load_adapter(self, adapter: Adapter) -> None:
        """Replaces the trained weights; raises ValueError if they were made for other layers or another rank."""
        mine, theirs = self.named_trainable(), adapter.unpack()
        if mine.keys() != theirs.keys() or any(tuple(mine[n].shape) != theirs[n].shape for n in mine):
            raise ValueError(
                f"adapter version {adapter.version} has {len(theirs)} tensors that do not fit the {len(mine)} of this "
                f"policy; policy.train and policy.lora must be as they were when the adapter was made"
            )
        for name, parameter in mine.items():
            parameter.copy_(torch.tensor(theirs[name]))

    @contextmanager
    def reference(self) -> Generator[None]:
        """Context manager: the frozen base policy bit for bit. It is the policy without its adapter, or where all
        weights are trained a second network, which is loaded when it is first asked for."""
        if self.config.train == "full":
            if self._frozen is None:
                self._frozen = frozen_network(self.pipeline, self.config).to(self.device)
            self._referring = True
        else:
            self.network.disable_adapters()
        try:
            yield
        finally:
            if self.config.train == "lora":
                self.network.enable_adapters()
            self._referring = False

    def save_lora(self, folder: Path | str) -> None:
        """See `lora_file.save_lora`."""
        save_lora(self.pipeline, folder)

    def exported(self) -> dict[str, bytes]:
        """What plain diffusers loads, by file name: the adapter, or the whole pipeline if all weights are trained."""
        with TemporaryDirectory(prefix="salon-") as folder:
            if self.config.train == "lora":
                self.save_lora(folder)
            else:
                save_pipeline(self.pipeline, folder)
            files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
            return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
