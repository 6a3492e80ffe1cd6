"""Greedy decoding that stops working on a row as soon as its answer ends."""

from __future__ import annotations

from typing import Any

import torch


def greedy(model: Any, embeds: torch.Tensor, mask: torch.Tensor, stops: torch.Tensor, limit: int) -> torch.Tensor:
    """The likeliest next tokens of every row, `[n, t]` with t ≤ `limit`; a row repeats the stop token that ended it.

    `model` is a transformers model with a decoder in `model.language_model` and an `lm_head`; `embeds` `[n, length,
    width]` are its embedded prompts, padded on the left where `mask` `[n, length]` is 0; `stops` are the tokens that
    end an answer. `generate`, when set to be as greedy, goes on with every row until the longest answer ends, and has a
    fixed cost of milliseconds a call that a small judge feels.
    """
    from transformers import DynamicCache

    decoder, head, words = model.model.language_model, model.lm_head, model.get_input_embeddings()
    cache = DynamicCache(config=model.config.text_config)
    # Without padding a decoder needs no mask, and masks nothing more cheaply.
    padded = not bool(mask.all())
    lengths = mask.sum(1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    rows = torch.arange(len(embeds), device=embeds.device)
    chosen: list[torch.Tensor] = []
    while True:
        seen = {"attention_mask": mask if padded else None, "position_ids": positions}
        hidden = decoder(inputs_embeds=embeds, past_key_values=cache, use_cache=True, **seen).last_hidden_state
        tokens = head(hidden[:, -1]).argmax(-1)
        chosen.append(chosen[-1].index_put((rows,), tokens) if chosen else tokens)
        going = ~torch.isin(tokens, stops)
        if len(chosen) == limit or not bool(going.any()):
            return torch.stack(chosen, 1)
        if not bool(going.all()):
            kept = going.nonzero()[:, 0]
            rows, tokens, mask, lengths = rows[kept], tokens[kept], mask[kept], lengths[kept]
            cache.batch_select_indices(kept)
        positions = (lengths + len(chosen) - 1)[:, None]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        embeds = words(tokens)[:, None]
