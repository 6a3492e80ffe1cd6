"""Initial weights of the rich-feedback model: the VQA model's vision tower, word embeddings, the trained reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from menagerie.training.pretrain_patches import LABELS, PatchClassifier
from menagerie.world.caption import PLURALS
from rewards.models.rahf import RahfModel

READER = ("vit.", "join.", "t5.shared.", "t5.encoder.")
"""The weights that the first stages train, for both variants."""


@torch.no_grad()
def init_word_embeddings(model: RahfModel, tokenizer: Any, naming: PatchClassifier) -> None:
    """Initialises the embedding of each word for an object or a colour with the weight by which `naming` classifies it.

    `model.join` becomes the identity. So the embedding of a word starts close to the ViT's tokens of what it means.
    """
    model.join.weight.copy_(torch.eye(*model.join.weight.shape))
    model.join.bias.zero_()
    words: Any = model.t5.shared.weight
    for label, direction in zip(LABELS, naming.head.weight, strict=True):
        for word in (label, label.split()[-1], PLURALS.get(label, f"{label}s")):
            tokens = tokenizer(f" {word}", add_special_tokens=False).input_ids
            if len(tokens) == 1 and tokens[0] != tokenizer.unk_token_id:
                words[tokens[0]] = direction * (len(direction) ** 0.5 / direction.norm())


@torch.no_grad()
def copy_vision_tower(model: RahfModel, tower: Any) -> None:
    """Copies a BLIP vision tower into the ViT of `model`, which has the same shape and then computes the same."""
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


def load_reader(model: RahfModel, reader: Mapping[str, torch.Tensor]) -> None:
    """Loads the weights `reader` into `model`; raises ValueError if they are not those that READER names."""
    missing, unknown = model.load_state_dict(reader, strict=False)
    if unknown or any(name.startswith(READER) for name in missing):
        raise ValueError(f"the reader has not the weights of {', '.join(READER)}")
