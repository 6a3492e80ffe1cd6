"""What the stages of the rich-feedback model take over: sight from the VQA model, words from sight, and a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from menagerie.training.pretrain_patches import LABELS, Naming
from menagerie.world.caption import PLURALS
from rewards.models.rahf import RahfModel

READER = ("vit.", "join.", "t5.shared.", "t5.encoder.")
"""Where the weights are that the first stages make, for both variants."""


@torch.no_grad()
def inherit_names(model: RahfModel, tokenizer: Any, naming: Naming) -> None:
    """Gives each word for a thing, an animal or a colour that direction of the ViT's tokens by which `naming` tells
    it, and lets `model.join` keep directions: so that a word and what it stands for begin alike."""
    model.join.weight.copy_(torch.eye(*model.join.weight.shape))
    model.join.bias.zero_()
    words: Any = model.t5.shared.weight
    for label, direction in zip(LABELS, naming.head.weight, strict=True):
        for word in (label, label.split()[-1], PLURALS.get(label, f"{label}s")):
            tokens = tokenizer(f" {word}", add_special_tokens=False).input_ids
            if len(tokens) == 1 and tokens[0] != tokenizer.unk_token_id:
                words[tokens[0]] = direction * (len(direction) ** 0.5 / direction.norm())


@torch.no_grad()
def inherit_vision(model: RahfModel, tower: Any) -> None:
    """Gives the ViT of `model` the weights of a BLIP vision tower of the same shape, which computes the same."""
    vit: Any = model.vit
    theirs = tower.embeddings
    vit.embeddings.patch_embeddings.projection.load_state_dict(theirs.patch_embedding.state_dict())
    vit.embeddings.position_embeddings.copy_(theirs.position_embedding)
    vit.embeddings.cls_token.copy_(theirs.class_embedding)
    vit.layernorm.load_state_dict(tower.post_layernorm.state_dict())
    pairs = {
        "attention.o_proj": "self_attn.projection",
        "layernorm_before": "layer_norm1",
        "layernorm_after": "layer_norm2",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    }
    for mine, other in zip(vit.layers, tower.encoder.layers, strict=True):
        for name, source in pairs.items():
            mine.get_submodule(name).load_state_dict(other.get_submodule(source).state_dict())
        qkv = other.self_attn.qkv
        for i, name in enumerate(("q_proj", "k_proj", "v_proj")):
            part = mine.attention.get_submodule(name)
            part.weight.copy_(qkv.weight.chunk(3)[i])
            part.bias.copy_(qkv.bias.chunk(3)[i])


def inherit(model: RahfModel, reader: Mapping[str, torch.Tensor]) -> None:
    """Gives `model` the weights of `reader`; raises ValueError if they are not those of READER."""
    missing, unknown = model.load_state_dict(reader, strict=False)
    if unknown or any(name.startswith(READER) for name in missing):
        raise ValueError(f"the reader has not the weights of {', '.join(READER)}")
