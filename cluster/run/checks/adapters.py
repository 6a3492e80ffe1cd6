# pyright: strict
"""What is wrong with the LoRA to be trained or to start from, told from the names and shapes in files of weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from actors.config import PolicyConfig
from rewards.user_input.model_folder import loaded_weights, stored_tensors

# The first factor of a layer's pair, as peft, diffusers and kohya's scripts name it.
FIRST = re.compile(r"\.(lora_A|lora\.down|lora_down)(\.default)?\.weight$")
# What stands before a layer's name in files of diffusers and of peft.
PREFIX = re.compile(r"^(unet|transformer|base_model\.model)\.")


def target_problems(policy: PolicyConfig, part: str) -> Iterator[str]:
    """LoRA targets that are no layers of the network in the folder `part` of the policy, by its weights' names."""
    layers = _layers(policy, part)
    for target in policy.lora.targets if layers else ():
        if not any(_ends(layer, target) for layer in layers):
            endings = sorted({layer.rpartition(".")[2] for layer in layers if not layer.rpartition(".")[2].isdigit()})
            yield (
                f"policy.lora.targets: no layer of {policy.model}/{part} is named {target!r}; names end in "
                f"{', '.join(endings[:20])}"
            )


def init_problems(policy: PolicyConfig, part: str, file: Path) -> Iterator[str]:
    """What of the LoRA in `file` does not fit the adapter that `policy.lora` asks for: its rank, or its layers."""
    try:
        first = {FIRST.split(t.name)[0]: t.shape[0] for t in stored_tensors(file) if FIRST.search(t.name)}
    except ValueError as error:
        yield f"policy.lora.init: {error}"
        return
    if (rank := max(first.values(), default=0)) > policy.lora.rank:
        yield f"policy.lora.rank: {policy.lora.rank} is less than the {rank} of the LoRA {file}"
    # Kohya's scripts write underscores for the dots, so that only loading tells their layers.
    adapted = sorted({PREFIX.sub("", name) for name in first if "." in PREFIX.sub("", name)})
    if others := [layer for layer in adapted if not any(_ends(layer, target) for target in policy.lora.targets)]:
        yield (
            f"policy.lora.targets: the LoRA {file} adapts {len(others)} more layers than these ({others[0]} first); "
            "name them, too"
        )
    layers = _layers(policy, part)
    if layers and (unknown := [layer for layer in adapted if layer not in layers]):
        yield (
            f"policy.lora.init: {len(unknown)} of the {len(adapted)} layers that {file} adapts are not in "
            f"{policy.model}/{part} ({unknown[0]} first); is it a LoRA for another kind of model?"
        )


def _layers(policy: PolicyConfig, part: str) -> set[str]:
    """The layers in the folder that can have an adapter: matrices and convolutions. Empty where they can't be read,
    which is said with the folder's other files."""
    files = loaded_weights(Path(policy.model, part).glob("*.safetensors"), policy.variant)
    try:
        return {t.name.removesuffix(".weight") for file in files for t in stored_tensors(file) if len(t.shape) > 1}
    except ValueError:
        return set()


def _ends(layer: str, target: str) -> bool:
    return layer == target or layer.endswith(f".{target}")
