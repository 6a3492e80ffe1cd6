# pyright: strict
"""The shape of a policy's pictures, in pixels, latents and tokens, and which resolutions fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class PictureShape:
    """The shape of one picture.

    latents   `(C, h, w)`
    pixels    height and width
    tokens    how many tokens a transformer makes of it; of a U-Net, its latent pixels
    """

    latents: tuple[int, int, int]
    pixels: tuple[int, int]
    tokens: int

    @classmethod
    def of(cls, channels: int, size: tuple[int, int], factor: int, patch: int) -> Self:
        """Of `size` latents; the autoencoder has `factor` pixels on a latent's side, a token `patch` latents."""
        (h, w), tokens = size, (size[0] // patch) * (size[1] // patch)
        return cls((channels, h, w), (factor * h, factor * w), tokens)


def fitting(resolution: tuple[int, int], factor: int, patch: int, largest: int | None) -> tuple[int, int]:
    """The height and width in latents of a picture of `resolution` pixels; raises ValueError if it is none for a
    network that takes `patch` × `patch` latents as one, and `largest` on a side at most."""
    unit = factor * patch
    for name, pixels in zip(("height", "width"), resolution, strict=True):
        if pixels % unit:
            together = f", and the network one token of {patch} × {patch} latents" if patch > 1 else ""
            below, above = pixels // unit * unit, (pixels // unit + 1) * unit
            raise ValueError(
                f"policy.resolution.{name}: {pixels:,} is no multiple of {unit}: the autoencoder makes one latent of "
                f"{factor} × {factor} pixels{together}; take {f'{below:,} or ' if below else ''}{above:,}"
            )
        if largest is not None and pixels > factor * largest:
            raise ValueError(
                f"policy.resolution.{name}: {pixels:,} is more than the {factor * largest:,} pixels for which this "
                "policy's network has positions"
            )
    return resolution[0] // factor, resolution[1] // factor
