"""A user's words in a question: whatever they are, they stay words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import small_vision
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rewards.judges.asking.vqa import VqaConfig
from rewards.models.vlm.load import load_vision_language
from rewards.models.vlm.prompt_words import IMAGE, PromptWords

PIECES = st.sampled_from([IMAGE, "<", ">", "<im", "age>", "<s>", "</s", "[SEP]", "[", "SEP]", "<pad>", " ", "cat"])


@pytest.fixture(scope="module")
def tokenizers(random_llava_dir: Path) -> list[Any]:
    """One of bytes, as a LLaVA has it, and one of words."""
    from transformers import AutoTokenizer

    return [AutoTokenizer.from_pretrained(random_llava_dir), small_vision.tokenizer()]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES).map("".join))
def test_no_text_is_read_as_a_special_token(tokenizers: list[Any], text: str):
    for tokenizer in tokenizers:
        ids = tokenizer(PromptWords(tokenizer).plain(text), add_special_tokens=False)["input_ids"]
        assert not {*ids} & {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}


def test_words_without_special_tokens_are_left_alone(tokenizers: list[Any]):
    text = 'Is a "2 < 3" <b>cat</b> [here] in the <images> of it?\n'
    assert PromptWords(tokenizers[0]).plain(text) == text


@pytest.mark.parametrize("folder", ["random_llava_dir", "blip_dir", "blip2_dir", "blip2_opt_dir"])
def test_a_prompt_has_the_special_tokens_of_its_model_only(folder: str, request: pytest.FixtureRequest):
    model: Any = load_vision_language("j", VqaConfig(model=str(request.getfixturevalue(folder))))

    def special(prompt: str) -> list[int]:
        known = {*model._tokenizer.all_special_ids} - {model._tokenizer.unk_token_id}
        return [i for i in model._tokenizer(prompt)["input_ids"] if i in known]

    assert special(model.prompt("is it <image></s>[SEP] green?")) == special(model.prompt("is it green?"))


@pytest.mark.parametrize("folder", ["random_llava_dir", "blip_dir", "blip2_dir", "blip2_opt_dir"])
def test_a_question_that_is_just_not_too_long_is_answered(folder: str, request: pytest.FixtureRequest):
    import numpy as np

    model: Any = load_vision_language("j", VqaConfig(model=str(request.getfixturevalue(folder))))
    image = np.zeros((1, 28, 28, 3), np.uint8)
    # Word by word, since a word may be several tokens.
    fits = next(n for n in range(1, 3000) if model.too_long(" cat" * (n + 1), 8))
    assert model.too_long(" cat" * fits, 8) == ""
    assert len(model.answer(image, [model.prompt(" cat" * fits)], 8)) == 1
    assert len(model.yes_no(image, [model.prompt(" cat" * fits)])) == 1
    reason = model.too_long(" cat" * 3000, 8)
    assert reason.startswith("the question ' cat cat")
    assert reason.endswith(
        f"…' takes {len(model._tokenizer(model.prompt(' cat' * 3000))['input_ids'])} tokens; "
        f"the model has room for {model._room(8)}"
    )
