"""Our greedy decoding against transformers' own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

STOP = 2


@pytest.fixture(scope="module")
def model(random_llava_dir: Path):
    from transformers import LlavaForConditionalGeneration

    return LlavaForConditionalGeneration.from_pretrained(random_llava_dir).eval()


def prompts(model, lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Random embedded prompts of these lengths, padded on the left, and their mask."""
    torch.manual_seed(3)
    longest = max(lengths)
    mask = torch.tensor([[0] * (longest - n) + [1] * n for n in lengths])
    return torch.randn(len(lengths), longest, model.config.text_config.hidden_size), mask


@pytest.mark.parametrize("lengths", [[9] * 6, [4, 9, 1, 7, 9, 2]])
@torch.inference_mode()
def test_greedy_decoding_says_what_generate_says(model, lengths: list[int]):
    from rewards.models.vlm.greedy import greedy

    embeds, mask = prompts(model, lengths)
    free = model.generate(
        inputs_embeds=embeds, attention_mask=mask, do_sample=False, max_new_tokens=12, eos_token_id=-1
    )
    # Tokens that some answers hold early, some late and some not at all, so that rows end one after another.
    stops = free[[0, 1, 2], [0, 4, 8]].unique()
    tokens = greedy(model, embeds, mask, stops, 12)
    ends = [next((t + 1 for t, token in enumerate(row) if token in stops), 12) for row in free]
    assert len(set(ends)) > 2
    assert tokens.shape[1] == max(ends)
    for row, expected, end in zip(tokens, free, ends, strict=True):
        assert row[:end].tolist() == expected[:end].tolist()
        assert set(row[end:].tolist()) <= set(row[end - 1 : end].tolist())


@torch.inference_mode()
def test_a_row_that_ended_is_not_computed_any_more(model, monkeypatch: pytest.MonkeyPatch):
    from rewards.models.vlm.greedy import greedy

    embeds, mask = prompts(model, [5, 5, 5])
    widths: list[int] = []
    decoder = model.model.language_model
    decoder.register_forward_pre_hook(
        lambda _, args, given: widths.append(len(given["inputs_embeds"])), with_kwargs=True
    )
    first = greedy(model, embeds, mask, torch.tensor([-1]), 1)[:, 0]
    stops = first[:1]
    widths.clear()
    greedy(model, embeds, mask, stops, 3)
    assert widths[0] == 3
    assert widths[1] == int((first != stops).sum()) < 3
