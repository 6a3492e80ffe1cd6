"""GPU memory that the weights of the real configs' models take: `python -m benchmarks.model_sizes`.

The models are built from their published shapes without any weights (torch's `meta` device), so this runs anywhere.
What a process needs beyond its weights (activations, optimizer, caches) is not in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import torch

GB = 1e9


def clip(width: int, layers: int, patch: int, text_width: int, projection: int) -> Any:
    from transformers import CLIPConfig, CLIPModel

    vision = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "patch_size": patch,
    }
    text = {
        "hidden_size": text_width,
        "intermediate_size": 4 * text_width,
        "num_attention_heads": text_width // 64,
        "num_hidden_layers": 12,
    }
    return CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=projection))


def clip_text(width: int, layers: int) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    shape = CLIPTextConfig(
        hidden_size=width, intermediate_size=4 * width, num_attention_heads=width // 64, num_hidden_layers=layers
    )
    return CLIPTextModel(shape)


def vae(latents: int) -> Any:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    network: Any = AutoencoderKL
    return network(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=latents,
    )


def unet() -> Any:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    return UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)


def mmdit() -> Any:
    from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

    return SD3Transformer2DModel(
        num_layers=24,
        num_attention_heads=24,
        joint_attention_dim=4096,
        caption_projection_dim=1536,
        pooled_projection_dim=2048,
        pos_embed_max_size=384,
        dual_attention_layers=tuple(range(13)),
        qk_norm="rms_norm",
    )


def t5() -> Any:
    from transformers import T5Config, T5EncoderModel

    shape = T5Config(
        d_model=4096, d_ff=10240, num_heads=64, num_layers=24, feed_forward_proj="gated-gelu", vocab_size=32128
    )
    return T5EncoderModel(shape)


def llava() -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
    )
    return LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=LlamaConfig(vocab_size=32064)))


# model → its parts, and the bytes of a weight in the configs
MODELS: Mapping[str, tuple[int, tuple[Callable[[], Any], ...]]] = {
    "Stable Diffusion 1.5, float16": (2, (unet, lambda: vae(4), lambda: clip_text(768, 12))),
    "Stable Diffusion 3.5 Medium, bfloat16": (
        2,
        (mmdit, lambda: vae(16), lambda: clip_text(768, 12), lambda: clip_text(1280, 32), t5),
    ),
    "LLaVA-1.5 7B, bfloat16": (2, (llava,)),
    "CLIP ViT-L/14, float16": (2, (lambda: clip(1024, 24, 14, 768, 768),)),
    "CLIP ViT-B/16, float32": (4, (lambda: clip(768, 12, 16, 512, 512),)),
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    for name, (size, parts) in MODELS.items():
        with torch.device("meta"):
            count = sum(p.numel() for part in parts for p in part().parameters())
        print(f"{name:40} {count / 1e6:8,.0f} M parameters {count * size / GB:6.2f} GB")


if __name__ == "__main__":
    main()
