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
    *,
    log_ratio: Float[Tensor, " n"] | None = None,
) -> Clipped:
    """Decoupled PPO per pair: `-w · min(r·A, clip(r, 1-ε, 1+ε)·A)`, all in float32.

    SynArtifact eq. 3 (arXiv 2402.18068) with DDPO's clip (arXiv 2305.13301, section 4.3) centred on the *proximal*
    policy and a detached staleness weight `w = min(c, p_prox / p_behaviour)` (arXiv 2110.00641; AReaL, arXiv
    2505.24298, eq. 5). `log_prob` is the policy in training and the only argument that gets a gradient. Passing
    `behaviour` for `prox` as well is classic PPO: the weight is then 1. `log_ratio` stands in for log r where that is
    not the difference of these log-probs. The sum or mean over pairs is the caller's,
    so that micro-batches of unequal size add up to the same loss.
    """
    prox, behaviour = prox.detach(), behaviour.detach()
    ratio = torch.exp(log_prob - prox if log_ratio is None else log_ratio)
    weight = torch.exp(prox - behaviour).clamp(max=weight_cap)
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    loss = -weight * torch.minimum(ratio * advantage, clipped * advantage)
    outside = ((ratio.detach() - 1.0).abs() > clip_range).float()
    return Clipped(loss, ratio.detach(), weight, outside)


def normalised_log_ratio(
    x_prev: Float[Tensor, "n C h w"],
    mean: Float[Tensor, "n C h w"],
    prox: Float[Tensor, "n C h w"],
    std: Float[Tensor, " n"],
    weights: Float[Tensor, "n 1 h w"] | None = None,
) -> Float[Tensor, " n"]:
    """RatioNorm of GRPO-Guard (arXiv 2510.22319): log r̃ = σ (log r + ‖μ_θ - μ_prox‖² / (2 σ²)).

    r is the ratio of N(μ_θ, σ²) to N(μ_prox, σ²) at `x_prev`. Its logarithm has the mean -‖μ_θ - μ_prox‖² / (2 σ²)
    and the deviation ‖μ_θ - μ_prox‖ / σ: RatioNorm takes the first away, and σ out of the second. σ is a step's whole
    noise, σ_t √Δt in the paper. What is left is computed as it stands, without the difference of two log-probs:

        log r̃ = (x_prev - μ_prox) · (μ_θ - μ_prox) / σ

    The norm and the product are *means* over latent dimensions, as the log-probs are, with `weights` on them if there
    are any. `mean` carries the gradient; `prox`, the means of the policy that is clipped around, is a constant.
    """
    prox = prox.detach().float()
    product = (x_prev.float() - prox) * (mean.float() - prox)
    product = product if weights is None else weights * product
    return product.flatten(1).mean(dim=1) / std


def gaussian_kl(
    mean: Float[Tensor, "n C h w"], reference: Float[Tensor, "n C h w"], std: Float[Tensor, " *broadcast"]
) -> Float[Tensor, " n"]:
    """KL between two Gaussians of one `std`, *mean* over latent dimensions.

    `std` broadcasts against the means. Per dimension ½((μ - μ_ref)/σ)²; the mean rather than the sum because the
    log-probs are means too. `reference` is taken as a constant.
    """
    half_square = 0.5 * ((mean.float() - reference.detach().float()) / std) ** 2
    return half_square.flatten(1).mean(dim=1)
