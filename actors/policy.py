"""The policy: a Stable Diffusion pipeline whose U-Net carries the LoRA adapter that is trained."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actors.adapter import Adapter
from actors.config import PolicyConfig, SamplerConfig
from actors.transition import DDIMTransition

log = logging.getLogger(__name__)

# Encoded prompts that are kept; one of Stable Diffusion 1.5 is 240 kB.
ENCODED_PROMPTS = 1024


class Policy:
    """A frozen text-to-image pipeline plus one LoRA adapter, the same object in actors and in the learner.

    The adapter starts as LoRA does (A Gaussian from the run's seed, B zero), so that version 0 draws exactly what the
    base policy draws. Frozen weights are in `config.dtype`, the adapter in float32. Nothing here is ever in training
    mode: dropout would break the importance ratio.

    pipe          the diffusers pipeline, with its own scheduler, tokenizer, text encoder and autoencoder
    unet          `pipe.unet` with the adapter in it
    latent_shape  `(C, h, w)` of one picture
    """

    def __init__(self, pipe: Any, config: PolicyConfig, seed: int = 0, device: torch.device | str = "cpu") -> None:
        self.pipe = pipe
        self.config = config
        self.device = torch.device(device)
        self.dtype = getattr(torch, config.dtype)
        self.unet = pipe.unet
        for module in (pipe.unet, pipe.vae, pipe.text_encoder):
            module.requires_grad_(False).eval()
        _add_adapter(self.unet, config, seed)
        self.unet.eval()
        pipe.to(self.device)
        size = self.unet.config.sample_size
        h, w = (size, size) if isinstance(size, int) else size
        self.latent_shape: tuple[int, int, int] = (self.unet.config.in_channels, h, w)
        self._encode: Callable[[str], Tensor] = lru_cache(ENCODED_PROMPTS)(self._encode_one)

    @classmethod
    def load(cls, config: PolicyConfig, seed: int = 0, device: torch.device | str = "cpu") -> Policy:
        """The policy of `config.model`; raises ValueError if that is no Stable Diffusion pipeline."""
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

        check_model(config.model)
        try:
            pipe: Any = StableDiffusionPipeline.from_pretrained(
                config.model,
                dtype=getattr(torch, config.dtype),
                safety_checker=None,
                requires_safety_checker=False,
            )
        except OSError as error:
            raise ValueError(f"policy.model: {config.model} cannot be loaded: {error}") from error
        pipe.set_progress_bar_config(disable=True)
        return cls(pipe, config, seed, device)

    def transition(self, config: SamplerConfig) -> DDIMTransition:
        """The denoising transition of this policy's noise schedule, for `config.steps` steps at `config.eta`."""
        return DDIMTransition.from_scheduler(self.pipe.scheduler, config.steps, config.eta, self.device)

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """The text conditions `[n, L, D]`. Each prompt is encoded on its own, so its neighbours cannot change it."""
        return torch.stack([self._encode(prompt) for prompt in prompts])

    @torch.no_grad()
    def _encode_one(self, prompt: str) -> Tensor:
        tokens, limit = len(self.pipe.tokenizer(prompt).input_ids), self.pipe.tokenizer.model_max_length
        if tokens > limit:
            log.warning("the text encoder reads %d of %d tokens; the end of %r is lost", limit, tokens, prompt)
        return self.pipe.encode_prompt([prompt], self.device, 1, False)[0][0]

    def predict(
        self,
        latents: Tensor,
        timesteps: Tensor,
        cond: Tensor,
        uncond: Tensor | None = None,
        guidance: float = 1.0,
        unet: Callable[..., Any] | None = None,
    ) -> Tensor:
        """The network's guided output `[n, C, h, w]` float32 for `latents` `[n, C, h, w]` at `timesteps` `[n]`.

        `cond` is `[n, L, D]`, `uncond` `[1, L, D]`. Classifier-free guidance is one batch of 2n with the negative half
        first, combined in float32; `guidance` 1 computes the conditional half only. `unet` stands in for
        `self.unet` where an engine has wrapped it.
        """
        network: Any = self.unet if unet is None else unet
        x, t = latents.to(self.device, self.dtype), timesteps.to(self.device)
        if guidance == 1:
            return network(x, t, cond, return_dict=False)[0].float()
        if uncond is None:
            raise ValueError(f"guidance {guidance:g} needs the unconditional text condition")
        both = torch.cat([uncond.expand_as(cond), cond])
        output = network(torch.cat([x, x]), torch.cat([t, t]), both, return_dict=False)[0]
        negative, positive = output.float().chunk(2)
        return negative + guidance * (positive - negative)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray:
        """Pictures `[n, H, W, 3]` uint8 from clean latents `[n, C, h, w]`."""
        z = latents.to(self.device, self.dtype) / self.pipe.vae.config.scaling_factor
        pixels = self.pipe.vae.decode(z, return_dict=False)[0].float()
        pixels = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def named_trainable(self) -> dict[str, torch.nn.Parameter]:
        """The adapter's parameters by their names in the U-Net."""
        return {name: p for name, p in self.unet.named_parameters() if ".lora_" in name}

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
    def reference(self) -> Iterator[None]:
        """Inside, the policy is the frozen base policy, bit for bit."""
        self.unet.disable_adapters()
        try:
            yield
        finally:
            self.unet.enable_adapters()

    def save_lora(self, folder: Path | str) -> None:
        """Writes the adapter into `folder` so that `pipe.load_lora_weights(folder)` of plain diffusers loads it."""
        from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers
        from peft import get_peft_model_state_dict

        self.pipe.save_lora_weights(
            str(folder),
            unet_lora_layers=convert_state_dict_to_diffusers(get_peft_model_state_dict(self.unet)),
            # Without the metadata a loader takes alpha = rank.
            unet_lora_adapter_metadata=self.unet.peft_config["default"].to_dict(),
        )


def check_model(model: str) -> None:
    """Raises ValueError if `model` is neither a folder with a Stable Diffusion pipeline nor a possible hub name."""
    index = Path(model) / "model_index.json"
    if not Path(model).exists():
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) or model.startswith("."):
            raise ValueError(f"policy.model: there is no folder {model}; give a from_pretrained folder or a hub name")
        return
    if not index.is_file():
        raise ValueError(
            f"policy.model: {model} holds no model_index.json, so it is no pipeline; give the folder that "
            "`pipe.save_pretrained` wrote"
        )
    kind = json.loads(index.read_text()).get("_class_name")
    if kind != "StableDiffusionPipeline":
        raise ValueError(f"policy.model: {model} is a {kind}; Salon trains a StableDiffusionPipeline")


def _add_adapter(unet: Any, config: PolicyConfig, seed: int) -> None:
    from peft import LoraConfig

    names = [name for name, _ in unet.named_modules()]
    for target in config.lora.targets:
        if not any(name == target or name.endswith(f".{target}") for name in names):
            raise ValueError(f"policy.lora.targets: no layer of the U-Net has a name that ends in {target!r}")
    # Drawn on the CPU, whatever the device, so that actors and learner start from the same adapter.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet.add_adapter(
            LoraConfig(
                r=config.lora.rank,
                lora_alpha=config.lora.alpha,
                init_lora_weights="gaussian",
                target_modules=list(config.lora.targets),
            )
        )
    for name, parameter in unet.named_parameters():
        if ".lora_" in name:
            parameter.data = parameter.data.float()
