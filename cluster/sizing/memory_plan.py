"""The memory of each role of a run, before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from actors.diffusion.acceleration import checkpoint_activations
from actors.diffusion.policy import Policy
from cluster.config.experiment import ExperimentConfig
from cluster.sizing.footprint import peak_bytes
from cluster.sizing.gpus import GB, fits
from cluster.sizing.random_models import parameters, random_policy
from cluster.sizing.shapes import BYTES, Shape
from rewards.settings.judge import JudgeConfig

FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class RoleMemory:
    """Bytes of one process of a role, by what they are for; `gpus` is what it asks of Ray."""

    role: str
    processes: int
    gpus: float
    parts: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    def in_words(self) -> str:
        """One line: the role, the parts, their sum, and what it fits on."""
        parts = " + ".join(f"{what} {size / GB:.2f}" for what, size in self.parts.items() if size)
        where = f"; {fits(self.total)}" if self.gpus else ""
        return f"{self.role} (× {self.processes}): {parts} = {self.total / GB:.2f} GB{where}"


def memory_plan(config: ExperimentConfig) -> Iterator[RoleMemory]:
    """Rollout actors, learner workers, and the judges whose models are known. Raises ValueError as `Policy` does."""
    shape = Shape.of(config.policy.model)
    if shape is not None:
        policy = random_policy(_without_init(config), shape, config.seed, "meta")
        weights = _weights(policy)
        adapter = sum(parameter.numel() for parameter in policy.trainable()) * FLOAT32
        if config.policy.train == "full":  # meta tensors have no autocast
            policy.network.to(policy.dtype)
        if config.draws:
            yield _actor(config, policy, weights, adapter)
        yield _learner(config, policy, weights, adapter)
    for name, judge in config.rewards.judges.items() if config.draws else ():
        if (role := _judge(name, judge)) is not None:
            yield role


def _actor(config: ExperimentConfig, policy: Policy, weights: float, adapter: float) -> RoleMemory:
    batch = min(config.sampler.max_batch, config.samples_per_prompt)
    drawing = max(peak_bytes(_denoising(policy, config, batch)), peak_bytes(_decoding(policy, batch)))
    parts = {"frozen weights": weights, "trained weights": adapter, f"{batch} pictures at once": drawing}
    return RoleMemory("rollout actor", config.actors.count, config.actors.num_gpus, parts)


def _learner(config: ExperimentConfig, policy: Policy, weights: float, adapter: float) -> RoleMemory:
    settings = config.learner
    share = 1 / settings.workers  # of what ZeRO's stage shards over the workers
    parts = {
        "frozen weights": weights * (share if settings.zero_stage == 3 else 1),
        "trained weights": adapter * (share if settings.zero_stage == 3 else 1),
        "their average": adapter if settings.ema is not None else 0,
        "gradients": adapter * (share if settings.zero_stage >= 2 else 1),
        "optimizer": 2 * adapter * (share if settings.zero_stage >= 1 else 1),
        f"activations of {settings.micro_batch} pairs": peak_bytes(_training(policy, config)),
    }
    return RoleMemory("learner worker", settings.workers, settings.num_gpus, parts)


def _judge(name: str, judge: JudgeConfig) -> RoleMemory | None:
    source = judge.models().get("model") if judge.import_path is None else None
    shape = Shape.of(source.source) if source is not None else None
    if shape is None:
        return None
    size = BYTES[getattr(judge, "dtype", "float32")]
    parts = {"weights": float(sum(parameters(shape, part) for part in shape.parts) * size)}
    text = shape.config().get("text_config", {})
    if shape.config().get("model_type") == "llava":
        tokens = text.get("max_position_embeddings", 2048)
        layers, width = text.get("num_hidden_layers", 32), text.get("hidden_size", 4096)
        heads, keys = text.get("num_attention_heads", 32), text.get("num_key_value_heads")
        cache = 2 * layers * width * (keys or heads) / heads * min(tokens, 1024) * getattr(judge, "micro_batch", 1)
        parts[f"keys and values of {min(tokens, 1024)} tokens a picture"] = cache * size
    serve = judge.serve
    return RoleMemory(f"judge {name}", serve.min_replicas, serve.num_gpus, parts)


def _weights(policy: Policy) -> float:
    modules = [m for m in policy.pipe.components.values() if isinstance(m, torch.nn.Module)]
    frozen = {id(p): p for m in modules for p in [*m.parameters(), *m.buffers()] if not p.requires_grad}
    return float(sum(p.numel() * p.element_size() for p in frozen.values()))


def _inputs(policy: Policy, config: ExperimentConfig, batch: int) -> tuple[Any, ...]:
    with torch.no_grad():
        cond, uncond = policy.encode(["a cat"] * batch), policy.encode([config.sampler.negative_prompt])
    latents = torch.empty(batch, *policy.latent_shape, device="meta")
    return latents, torch.empty(batch, device="meta"), cond, uncond, config.sampler.guidance


def _denoising(policy: Policy, config: ExperimentConfig, batch: int) -> Callable[[], Any]:
    return torch.no_grad()(partial(policy.predict, *_inputs(policy, config, batch)))


def _decoding(policy: Policy, batch: int) -> Callable[[], Any]:
    latents = torch.empty(batch, *policy.latent_shape, device="meta", dtype=policy.dtype)
    return torch.no_grad()(partial(policy.pipeline.decode, latents))


def _training(policy: Policy, config: ExperimentConfig) -> Callable[[], Any]:
    if config.learner.activation_checkpointing:
        checkpoint_activations(policy.network)
    inputs = _inputs(policy, config, config.learner.micro_batch)
    for parameter in policy.trainable():  # gradients are counted by themselves
        parameter.grad = torch.zeros_like(parameter)
    return lambda: policy.predict(*inputs).square().mean().backward()


def _without_init(config: ExperimentConfig) -> Any:
    """The policy's settings without the LoRA that it starts from, whose numbers no memory depends on."""
    lora = config.policy.lora.model_copy(update={"init": None})
    return config.policy.model_copy(update={"lora": lora})
