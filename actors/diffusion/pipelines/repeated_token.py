"""Joint attention over a text that ends in many equal tokens, of which only one is computed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class RepeatedToken:
    """Attention processor of an `SD3Transformer2DModel` in which the last text token may stand for `copies` equal ones.

    Without its T5 encoder, `StableDiffusion3Pipeline` feeds 256 zero tokens instead. Text tokens have no positions
    of their own, so these stay equal in every layer, and a softmax over `copies` equal keys is one over a single key
    whose score is larger by log(copies). The network's output is the same up to rounding, for a fraction of the work.

    `copies` comes with `joint_attention_kwargs`; without it, this is the attention of the network's own processor.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: None = None,
        copies: int = 1,
    ) -> Any:
        """Image tokens `[b, n, d]` alone, or with text tokens `[b, m, d]`; returns the same."""
        q, k, v = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        q, k, v = _heads(attn, q, attn.norm_q), _heads(attn, k, attn.norm_k), _heads(attn, v)
        if encoder_hidden_states is None:  # the second, image-only attention of SD 3.5
            return _out(attn, _joined(F.scaled_dot_product_attention(q, k, v)))
        text = encoder_hidden_states
        q = torch.cat([q, _heads(attn, attn.add_q_proj(text), attn.norm_added_q)], 2)
        k = torch.cat([k, _heads(attn, attn.add_k_proj(text), attn.norm_added_k)], 2)
        v = torch.cat([v, _heads(attn, attn.add_v_proj(text))], 2)
        bonus = torch.zeros(k.shape[2], dtype=q.dtype, device=q.device)
        bonus[-1] = math.log(copies)
        both = _joined(F.scaled_dot_product_attention(q, k, v, attn_mask=bonus.expand(q.shape[2], -1)))
        image, text = torch.split(both, [hidden_states.shape[1], text.shape[1]], 1)
        return _out(attn, image), text if attn.context_pre_only else attn.to_add_out(text)


def _heads(attn: Any, x: torch.Tensor, norm: nn.Module | None = None) -> torch.Tensor:
    """`[b, n, d]` → `[b, heads, n, d / heads]`, normalised where the network says so."""
    x = torch.unflatten(x, -1, (attn.heads, -1)).transpose(1, 2)
    return x if norm is None else norm(x)


def _joined(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(1, 2).flatten(2)


def _out(attn: Any, x: torch.Tensor) -> torch.Tensor:
    projection, dropout = attn.to_out
    return dropout(projection(x))
