"""The DDPO objective: an importance-weighted, clipped policy gradient over denoising steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Clipped:
    """What `ppo_clipped` computes for each of n (sample, timestep) pairs; only `loss` carries a gradient.

    ratio    r = p_θ / p_prox
    weight   min(c, p_prox / p_behaviour)
    outside  1 where |r - 1| > ε
    """

    loss: Float[Tensor, " n"]
    ratio: Float[Tensor, " n"]
    weight: Float[Tensor, " n"]
    outside: Float[Tensor, " n"]


def ppo_clipped(
    log_prob: Float[Tensor, " n"],
    prox: Float[Tensor, " n"],
    behaviour: Float[Tensor, " n"],
    advantage: Float[Tensor, " n"],
    clip_range: float,
    weight_cap: float,
) -> Clipped:
    """Decoupled PPO per pair: `-w · min(r·A, clip(r, 1-ε, 1+ε)·A)`, all in float32.

    SynArtifact eq. 3 (arXiv 2402.18068) with DDPO's clip (arXiv 2305.13301, section 4.3) centred on the *proximal*
    policy and a detached staleness weight `w = min(c, p_prox / p_behaviour)` (arXiv 2110.00641; AReaL, arXiv
    2505.24298, eq. 5). `log_prob` is the policy in training and the only argument that gets a gradient. Passing
    `behaviour` for `prox` as well is classic PPO: the weight is then 1. The sum or mean over pairs is the caller's,
    so that micro-batches of unequal size add up to the same loss.
    """
    prox, behaviour = prox.detach(), behaviour.detach()
    ratio = torch.exp(log_prob - prox)
    weight = torch.exp(prox - behaviour).clamp(max=weight_cap)
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    loss = -weight * torch.minimum(ratio * advantage, clipped * advantage)
    outside = ((ratio.detach() - 1.0).abs() > clip_range).float()
    return Clipped(loss, ratio.detach(), weight, outside)


def gaussian_kl(
    mean: Float[Tensor, "n C h w"], reference: Float[Tensor, "n C h w"], std: Float[Tensor, " *broadcast"]
) -> Float[Tensor, " n"]:
    """KL between two Gaussians of one `std`, *mean* over latent dimensions.

    `std` broadcasts against the means. Per dimension ½((μ - μ_ref)/σ)²; the mean rather than the sum because the
    log-probs are means too. `reference` is taken as a constant.
    """
    half_square = 0.5 * ((mean.float() - reference.detach().float()) / std) ** 2
    return half_square.flatten(1).mean(dim=1)
