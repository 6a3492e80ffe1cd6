"""The policy: a text-to-image pipeline whose denoising network carries the LoRA adapter that is trained."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor

from actors.adapter import Adapter
from actors.config import PolicyConfig, SamplerConfig
from actors.diffusion.lora_file import Lora, read_lora, save_lora
from actors.diffusion.pipelines.pipeline import Condition, Pipeline
from actors.diffusion.pipelines.registry import kind_of
from actors.diffusion.transitions.transition import Transition
from actors.not_finite import NotFinite
from rewards.arrays import ImageArray

# Encoded prompts that are kept; in half precision one of Stable Diffusion 3.5 with T5 is 2.7 MB, one of FLUX 4.2 MB.
ENCODED_PROMPTS = 512


class Policy:
    """A frozen text-to-image pipeline with one LoRA adapter, the same in actors and in the learner.

    The adapter starts as LoRA does (A Gaussian from the run's seed, B zero), so that version 0 draws exactly what the
    base policy draws; with `config.lora.init`, what the base policy draws with that LoRA. Frozen weights are in
    `config.dtype`, the adapter in float32. Nothing here is ever in training mode: dropout would break the importance
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
        _add_adapter(self.network, config, seed)
        if config.lora.init is not None:
            _start_from(self.network, read_lora(pipeline, config.lora.init), config)
        self.network.eval()
        self.pipe.to(self.device)
        self.latent_shape = pipeline.shape.latents
        self._encode: Callable[[str], Condition] = lru_cache(ENCODED_PROMPTS)(self._encode_one)

    @classmethod
    def load(cls, config: PolicyConfig, seed: int = 0, device: torch.device | str = "cpu") -> Policy:
        """The policy of `config.model`; raises ValueError if that is none of `registry.KINDS`."""
        kind = kind_of(config.model)
        options = {} if config.variant is None else {"variant": config.variant}
        try:
            pipeline = kind.load(config.model, config.pixels, dtype=getattr(torch, config.dtype), **options)
        except (OSError, ValueError, SafetensorError) as error:
            if str(error).startswith("policy."):
                raise
            key = "model" if config.variant is None else f"variant {config.variant}"
            raise ValueError(f"policy.{key}: {config.model} cannot be loaded: {error}") from error
        pipeline.pipe.set_progress_bar_config(disable=True)
        return cls(pipeline, config, seed, device)

    def transition(self, config: SamplerConfig) -> Transition:
        """The denoising transition of this policy's noise schedule, for `config.steps` steps with its noise."""
        scheduler = self.pipe.scheduler
        schedule = {**scheduler.config, "_class_name": type(scheduler).__name__}
        transition = self.pipeline.transition(schedule, self.pipeline.shape, config.steps, config.eta, self.device)
        return transition.with_noise(config.noise)

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
        return self.pipeline.predict(net, x, t, cond, uncond, guidance)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> ImageArray:
        """Pictures `[n, H, W, 3]` uint8 from clean latents `[n, C, h, w]`; raises NotFinite if the autoencoder gives
        anything else."""
        pixels = self.pipeline.decode(latents.to(self.device, self.dtype))
        if not pixels.isfinite().all():
            raise NotFinite(
                "pictures",
                f"though their latents are; the autoencoder's weights hold NaN or overflow in policy.dtype "
                f"{self.config.dtype}",
            )
        pixels = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def named_trainable(self) -> dict[str, torch.nn.Parameter]:
        """The adapter's parameters by their names in the network."""
        return {name: p for name, p in self.network.named_parameters() if ".lora_" in name}

    def trainable(self) -> list[torch.nn.Parameter]:
        """The adapter's parameters."""
        return list(self.named_trainable().values())

    def adapter(self, version: int) -> Adapter:
        """A copy of the adapter's weights, stamped with `version`."""
        return Adapter.pack(version, {n: p.detach().float().cpu().numpy() for n, p in self.named_trainable().items()})

    @torch.no_grad()
    def load_adapter(self, adapter: Adapter) -> None:
        """Replaces the adapter's weights; raises ValueError if it was made for other layers or another rank."""
        mine, theirs = self.named_trainable(), adapter.unpack()
        if mine.keys() != theirs.keys() or any(tuple(mine[n].shape) != theirs[n].shape for n in mine):
            raise ValueError(
                f"adapter version {adapter.version} has {len(theirs)} tensors that do not fit the {len(mine)} of this "
                f"policy; policy.lora must be as it was when the adapter was made"
            )
        for name, parameter in mine.items():
            parameter.copy_(torch.tensor(theirs[name]))

    @contextmanager
    def reference(self) -> Generator[None]:
        """Context manager: the policy without its adapter, which is the frozen base policy bit for bit."""
        self.network.disable_adapters()
        try:
            yield
        finally:
            self.network.enable_adapters()

    def save_lora(self, folder: Path | str) -> None:
        """See `lora_file.save_lora`."""
        save_lora(self.pipeline, folder)

    def lora_files(self) -> dict[str, bytes]:
        """What `save_lora` writes, by file name."""
        with TemporaryDirectory(prefix="salon-") as folder:
            self.save_lora(folder)
            return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def check_targets(network: Any, targets: Sequence[str]) -> None:
    """Raises ValueError if a target leads to no layer of `network`, or to one that has no LoRA."""
    for target in targets:
        layers = [(n, m) for n, m in network.named_modules() if n == target or n.endswith(f".{target}")]
        if not layers:
            raise ValueError(f"policy.lora.targets: no layer of the network has a name that ends in {target!r}")
        for name, layer in layers:
            if not isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                raise ValueError(
                    f"policy.lora.targets: {target!r} leads to {name}, a {type(layer).__name__}; LoRA adapts linear "
                    "layers and convolutions"
                )


def _add_adapter(network: Any, config: PolicyConfig, seed: int) -> None:
    from peft import LoraConfig

    check_targets(network, config.lora.targets)
    # Drawn on the CPU, whatever the device, so that actors and learner start from the same adapter.
    with cast(Any, torch.random).fork_rng(devices=[]):
        cast(Any, torch).manual_seed(seed)
        network.add_adapter(
            LoraConfig(
                r=config.lora.rank,
                lora_alpha=config.lora.alpha,
                init_lora_weights="gaussian",
                target_modules=list(config.lora.targets),
            )
        )
    for name, parameter in network.named_parameters():
        if ".lora_" in name:
            parameter.data = parameter.data.float()


@torch.no_grad()
def _start_from(network: Any, lora: Lora, config: PolicyConfig) -> None:
    """Puts `lora` into the adapter of `network`, which may have more layers and a higher rank."""
    file, mine = config.lora.init, Lora.of(network)
    if others := sorted(lora.scales.keys() - mine.scales.keys()):
        raise ValueError(
            f"policy.lora.targets: the LoRA {file} adapts {len(others)} more layers than these ({others[0]} first); "
            "name them, too"
        )
    rank = max(tensor.shape[0] for name, tensor in lora.tensors.items() if ".lora_A." in name)
    if rank > config.lora.rank:
        raise ValueError(f"policy.lora.rank: {config.lora.rank} is less than the {rank} of the LoRA {file}")
    for name, tensor in lora.tensors.items():
        layer, is_first, _ = name.partition(".lora_A.")
        if is_first:  # its other rows stay as they are; those columns of the second factor are zero
            mine.tensors[name][: len(tensor)] = tensor
        else:
            layer = name.partition(".lora_B.")[0]
            mine.tensors[name][:, : tensor.shape[1]] = tensor * (lora.scales[layer] / mine.scales[layer])
