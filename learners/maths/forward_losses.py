"""Losses on the forward process: what a network says of noised pictures, against what it should say."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid


def squared_error(output: Float[Tensor, " n *latent"], target: Float[Tensor, " n *latent"]) -> Float[Tensor, " n"]:
    """‖output - target‖² of each sample, *mean* over latent dimensions, in float32."""
    return (output.float() - target.float()).square().flatten(1).mean(1)


def adaptive_error(clean: Float[Tensor, " n *latent"], x_0: Float[Tensor, " n *latent"]) -> Float[Tensor, " n"]:
    """‖x̂_0 - x_0‖² of each sample divided by its own mean |x̂_0 - x_0|, which is taken as a constant.

    The gradient's size then hardly depends on the noise level (DiffusionNFT, arXiv 2509.16117, section 3; its
    normaliser is 1e-5 at least).
    """
    size = (clean.detach().float() - x_0.float()).abs().flatten(1).mean(1).clamp(min=1e-5)
    return squared_error(clean, x_0) / size


def implicit_policies(
    output: Float[Tensor, " n *latent"], old: Float[Tensor, " n *latent"], beta: float
) -> tuple[Float[Tensor, " n *latent"], Float[Tensor, " n *latent"]]:
    """v⁺ = (1 - β) v_old + β v_θ and v⁻ = (1 + β) v_old - β v_θ of DiffusionNFT (arXiv 2509.16117, section 3).

    The weights of a mixture add up to 1, and ε, v and x_0 are affine in each other at a given x_t: it is the same
    mixture whichever of them the network predicts.
    """
    old = old.detach()
    return (1 - beta) * old + beta * output, (1 + beta) * old - beta * output


@dataclass(frozen=True, slots=True)
class Preference:
    """What `diffusion_dpo` computes for each of n pairs of pictures; only `loss` carries a gradient.

    margin  -½β((ℓ_w - ℓ_w,ref) - (ℓ_l - ℓ_l,ref)), the log-odds that the policy gives to the better picture
    """

    loss: Float[Tensor, " n"]
    margin: Float[Tensor, " n"]


def diffusion_dpo(
    better: Float[Tensor, " n"],
    worse: Float[Tensor, " n"],
    better_reference: Float[Tensor, " n"],
    worse_reference: Float[Tensor, " n"],
    beta: float,
) -> Preference:
    """-log σ(-½β((ℓ_w - ℓ_w,ref) - (ℓ_l - ℓ_l,ref))): Diffusion-DPO (arXiv 2311.12908, equation 14; AGFSync, arXiv
    2403.13352, equation 8).

    Each ℓ is a squared error, the *mean* over latent dimensions, of one picture at the noise level and with the noise
    of its pair. That is how the authors' program has it, with β = 5000 for Stable Diffusion 1.5: a number that holds
    the paper's T ω(λ_t), taken as constant, and the number of latent dimensions, over which its norm is a sum.
    """
    margin = -0.5 * beta * ((better - better_reference.detach()) - (worse - worse_reference.detach()))
    return Preference(-logsigmoid(margin), margin.detach())
