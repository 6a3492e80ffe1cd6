# pyright: strict
"""How an evaluation draws where it does not draw as in training: `evaluation.sampler:` and `evaluation.plain:`."""

from __future__ import annotations

from pydantic import Field

from actors.config import Resolution, SamplerConfig
from rewards.settings.section import Section


class SampledSettings(Section):
    """What an evaluation's pictures are drawn with instead of `sampler`'s; a key that is left out is as in training."""

    steps: int | None = Field(default=None, ge=1)
    """denoising steps"""
    guidance: float | None = Field(default=None, ge=1)
    """classifier-free guidance; 1 turns it off"""
    negative_prompt: str | None = None
    """what guidance leads away from"""

    def over(self, sampler: SamplerConfig) -> SamplerConfig:
        """`sampler` with these settings on top."""
        said = {key: value for key, value in self.model_dump().items() if value is not None}
        return sampler.model_copy(update=said)


class PlainSettings(Section):
    """What plain diffusers is told for an evaluation's plain pictures; a key that is left out is the pipeline's own."""

    steps: int | None = Field(default=None, ge=1)
    """denoising steps"""
    guidance: float | None = Field(default=None, ge=0)
    """guidance scale"""
    resolution: Resolution | None = None
    """height and width of the pictures in pixels; default: policy.resolution"""
    scheduler: str | None = Field(default=None, min_length=1)
    """diffusers' class of another scheduler, made of the config of the pipeline's own: DPMSolverMultistepScheduler"""

    @property
    def pixels(self) -> tuple[int, int] | None:
        """Height and width; None: those of the policy."""
        return None if self.resolution is None else self.resolution.pixels
