# pyright: strict
"""The LoRA layers of a policy's network: the adapter that is trained, as it is at the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch

from actors.config import PolicyConfig
from actors.diffusion.lora_file import Lora, read_lora
from actors.diffusion.pipelines.pipeline import Pipeline


def add_lora(pipeline: Pipeline, config: PolicyConfig, seed: int) -> None:
    """Adds the adapter to the network of `pipeline`: drawn from `seed`, or begun with the LoRA `config.lora.init`.

    Raises ValueError, beginning with the key, if the network has no such layers, or the LoRA does not fit into them."""
    from peft import LoraConfig

    network = pipeline.network
    _check_targets(network, config.lora.targets)
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
    if config.lora.init is not None:
        _start_from(network, read_lora(pipeline, config.lora.init), config)


def _check_targets(network: Any, targets: Sequence[str]) -> None:
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
