"""Every family of pipelines that can be a policy, as very small models of the real classes, and how each is drawn by
plain diffusers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import torch
from tiny import tiny_clip_tokenizer, tiny_flow_pipeline, tiny_pipeline, tiny_text_config
from torch import Tensor

LIBRARY: Any = diffusers
OWN = (64, 64)
"""Height and width of the pictures that all of them draw."""
OTHER = (96, 48)
"""Another resolution."""


class Family(NamedTuple):
    """One row of the table: how the tiny pipeline is made, and the keywords with which plain diffusers loads it."""

    made: Callable[[], Any]
    options: dict[str, Any]

    def save(self, folder: Path) -> Path:
        """Saves the pipeline in `from_pretrained` layout, its pictures rich in contrast, and returns the folder."""
        pipe = self.made()
        with torch.no_grad():
            last = pipe.vae.decoder.layers[-1]
            last.weight.mul_(8)
            last.bias.fill_(0.5)
        pipe.save_pretrained(folder)
        return folder

    def plain(self, folder: Path) -> Any:
        """The pipeline as plain diffusers loads it, with DDIM if it is a diffusion."""
        pipe = LIBRARY.DiffusionPipeline.from_pretrained(folder, **self.options)
        pipe.set_progress_bar_config(disable=True)
        if "Flow" not in type(pipe.scheduler).__name__:
            pipe.scheduler = LIBRARY.DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
        return pipe


def draw_plainly(
    pipe: Any, prompts: Sequence[str], latents: Tensor, size: tuple[int, int], steps: int, guidance: float
) -> Any:
    """Pictures `[n, H, W, 3]` in 0..1 that the plain pipeline draws from `latents` `[n, C, h, w]`."""
    if hasattr(pipe, "_pack_latents"):
        latents = pipe._pack_latents(latents, *latents.shape)
    more = {"height": size[0], "width": size[1], "output_type": "np"}
    return pipe([*prompts], num_inference_steps=steps, guidance_scale=guidance, latents=latents, **more).images


def tiny_v_pipeline() -> Any:
    """Stable Diffusion 2 as "Common Diffusion Noise Schedules and Sample Steps are Flawed" (arXiv 2305.08891) has it:
    v-prediction, zero signal at the last of the trained steps, and the first denoising step taken there."""
    pipe = tiny_pipeline(prediction_type="v_prediction")
    more = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    pipe.scheduler = LIBRARY.DDIMScheduler.from_config(pipe.scheduler.config, **more)
    return pipe


def tiny_xl_pipeline() -> Any:
    """Stable Diffusion XL with its scheduler, Euler with leading steps."""
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    other, tokenizer = tiny_pipeline(), tiny_clip_tokenizer(max_length=24)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoders = CLIPTextModel(tiny_text_config(tokenizer)), CLIPTextModelWithProjection(tiny_text_config(tokenizer))
        unet = LIBRARY.UNet2DConditionModel(
            sample_size=8,
            in_channels=12,
            out_channels=12,
            layers_per_block=1,
            block_out_channels=(16, 32),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2),
            cross_attention_dim=64,
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 16,
            norm_num_groups=8,
        )
    scheduler = LIBRARY.EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
    )
    parts = (other.vae, encoders[0], encoders[1], tokenizer, tokenizer, unet, scheduler)
    return LIBRARY.StableDiffusionXLPipeline(*parts, add_watermarker=False)


def tiny_flux_pipeline(guidance_embeds: bool = True) -> Any:
    """FLUX.1-dev with times that depend on the resolution, or FLUX.1-schnell, which takes no guidance."""
    other = tiny_flow_pipeline(t5=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = LIBRARY.FluxTransformer2DModel(
            in_channels=48,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=64,
            pooled_projection_dim=32,
            guidance_embeds=guidance_embeds,
            axes_dims_rope=(4, 6, 6),
        )
    return LIBRARY.FluxPipeline(
        LIBRARY.FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=guidance_embeds, base_image_seq_len=4, max_image_seq_len=64
        ),
        other.vae,
        tiny_pipeline().text_encoder,
        other.tokenizer,
        other.text_encoder_3,
        other.tokenizer_3,
        transformer,
    )


FAMILIES = {
    "diffusion": Family(tiny_pipeline, {"safety_checker": None}),
    "v-prediction": Family(tiny_v_pipeline, {"safety_checker": None}),
    "xl": Family(tiny_xl_pipeline, {"add_watermarker": False}),
    "flow": Family(tiny_flow_pipeline, {"text_encoder_3": None, "tokenizer_3": None}),
    "flow with T5": Family(lambda: tiny_flow_pipeline(t5=True), {}),
    "flux": Family(tiny_flux_pipeline, {}),
    "schnell": Family(lambda: tiny_flux_pipeline(guidance_embeds=False), {}),
}
