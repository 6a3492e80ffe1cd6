"""Very small models of the real classes, randomly initialised: what the tests run where nothing needs to be learnt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:  # the tests' shape checks begin before anything else imports it
    from actors.diffusion.policy import Policy

WORDS = (
    *("a", "photo", "of", "in", "the", "on", "red", "blue", "green", "brown", "cat", "dog", "elephant", "giraffe"),
    *("meadow", "desert", "snow", "night", "beach"),
)


def tiny_clip_tokenizer(max_length: int = 77):
    """A CLIP tokenizer over all bytes, with merges for a few words, so that no text is unknown to it."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    vocabulary = dict.fromkeys([*letters, *(f"{letter}</w>" for letter in letters)])
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merges[(pieces[0], pieces[1])] = None
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
            vocabulary[pieces[0]] = None
    tokens = [*vocabulary, "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: i for i, token in enumerate(tokens)},
        merges=list(merges),
        model_max_length=max_length,
        bos_token="<|startoftext|>",
        eos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        pad_token="<|endoftext|>",
    )


def tiny_pipeline(seed: int = 0, prediction_type: str = "epsilon"):
    """A Stable Diffusion pipeline for 64×64 pictures: 12 latent channels at 8×8, a U-Net of about 0.3M parameters."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    tokenizer = tiny_clip_tokenizer(max_length=24)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_encoder = CLIPTextModel(tiny_text_config(tokenizer))
        unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=12,
            out_channels=12,
            layers_per_block=1,
            block_out_channels=(16, 32),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=8,
            norm_num_groups=8,
        )
        vae = _autoencoder()
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
            prediction_type=prediction_type,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def tiny_flow_pipeline(seed: int = 0, t5: bool = False):
    """A Stable Diffusion 3 pipeline for 64×64 pictures, on the same latents: two CLIP text encoders, a T5 if `t5`."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextModelWithProjection, T5Config, T5EncoderModel, T5Tokenizer

    tokenizer = tiny_clip_tokenizer(max_length=24)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoders = [CLIPTextModelWithProjection(tiny_text_config(tokenizer)) for _ in range(2)]
        transformer = SD3Transformer2DModel(
            sample_size=8,
            patch_size=1,
            in_channels=12,
            out_channels=12,
            num_layers=3,
            num_attention_heads=2,
            attention_head_dim=16,
            joint_attention_dim=64,
            caption_projection_dim=32,
            pooled_projection_dim=32,
            pos_embed_max_size=12,
            qk_norm="rms_norm",
            dual_attention_layers=(0,),
        )
        vae = _autoencoder(scaling_factor=1.5, shift_factor=0.1)
        tokenizer_3 = T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁a", -1.0), ("▁cat", -2.0)])
        config = T5Config(vocab_size=len(tokenizer_3), d_model=64, d_kv=16, d_ff=64, num_layers=1, num_heads=2)
        encoder_3 = T5EncoderModel(config) if t5 else None
    return StableDiffusion3Pipeline(
        transformer,
        FlowMatchEulerDiscreteScheduler(),
        vae,
        encoders[0],
        tokenizer,
        encoders[1],
        tokenizer,
        encoder_3,
        tokenizer_3 if t5 else None,
    )


def tiny_text_config(tokenizer):
    """Settings of a small CLIP text encoder."""
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=24,
        projection_dim=16,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _autoencoder(**scaling: float):
    from diffusers import AutoencoderTiny

    return AutoencoderTiny(
        latent_channels=12,
        encoder_block_out_channels=(16, 16, 16, 16),
        decoder_block_out_channels=(16, 16, 16, 16),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
        **scaling,
    )


def save_tiny_policy(folder: Path | str, seed: int = 0, prediction_type: str = "epsilon") -> Path:
    """Saves `tiny_pipeline` in `from_pretrained` layout and returns the folder."""
    tiny_pipeline(seed, prediction_type).save_pretrained(folder)
    return Path(folder)


def save_tiny_flow(folder: Path | str, seed: int = 0, t5: bool = False) -> Path:
    """Saves `tiny_flow_pipeline` in `from_pretrained` layout and returns the folder."""
    tiny_flow_pipeline(seed, t5).save_pretrained(folder)
    return Path(folder)


def disturb(policy: Policy, size: float = 0.3) -> None:
    """Gives a policy an adapter as after some training: no entry is zero."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.add_(size * torch.randn(parameter.shape, generator=generator))
