# pyright: strict
"""What makes a policy's network faster or smaller and may change its numbers in the last bits."""

from __future__ import annotations

from typing import Any

import torch

from actors.config import PolicyConfig, VaeConfig

ATTENTION = {"flash": "flash_sdp", "efficient": "mem_efficient_sdp", "math": "math_sdp", "cudnn": "cudnn_sdp"}
"""torch's kernels of attention, by what switches them on and off for the process."""


def accelerate(network: Any, config: PolicyConfig) -> None:
    """Makes of `network`, whose weights are frozen as yet, what the settings say; actors and learner both do it.

    Raises ValueError, beginning with the key, for what this class of network does not have.
    """
    if config.attention != "native":
        choose_attention(config.attention)
    if config.channels_last:
        network.to(memory_format=torch.channels_last)


def compile_network(network: Any, config: PolicyConfig) -> None:
    """Compiles `network` as the settings say, when all is in it that will be."""
    if config.compile == "network":
        network.compile()
    elif config.compile == "blocks":
        # A list that is missing or empty, in a class that diffusers has not been taught about.
        if not getattr(network, "_repeated_blocks", None):
            raise ValueError(
                f"policy.compile: diffusers does not say which blocks of {type(network).__name__} repeat; use network"
            )
        network.compile_repeated_blocks()


def choose_attention(kernel: str) -> None:
    """Leaves torch one kernel of attention, in the whole process."""
    for name, switch in ATTENTION.items():
        getattr(torch.backends.cuda, f"enable_{switch}")(name == kernel)


def tile(vae: Any, config: VaeConfig) -> None:
    """Lets the autoencoder decode large pictures tile by tile; raises ValueError if its class cannot."""
    if config.tiling:
        try:
            vae.enable_tiling()
        except (AttributeError, NotImplementedError):
            raise ValueError(f"policy.vae.tiling: {type(vae).__name__} has no tiles; use vae.batch") from None


def checkpoint_activations(network: Any) -> None:
    """Lets backward passes compute activations anew instead of keeping them; forward passes stay as they are.

    Raises ValueError if the class of network does not have it."""
    try:
        network.enable_gradient_checkpointing()
    except ValueError as error:
        raise ValueError(f"learner.activation_checkpointing: {type(network).__name__} does not have it") from error
