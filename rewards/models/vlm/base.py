# pyright: strict
"""A model that answers questions about pictures, whatever its class and whatever runs it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

Backend = Literal["transformers", "vllm"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote, without special tokens; `truncated` if it had not finished within its tokens."""

    text: str
    truncated: bool


class VisionLanguage(Protocol):
    """Greedy answers and yes/no probabilities, in batches; each picture is encoded once for its questions."""

    commit: str | None
    """commit of a hub model, for the judge's version"""

    def prompt(self, question: str) -> str:
        """The text that makes this model answer `question`; what looks like a special token in it is plain words."""
        ...

    def too_long(self, question: str, max_new_tokens: int = 1) -> str:
        """Why there is no room for `question`, its picture and an answer; empty if there is."""
        ...

    def answer(
        self, images: np.ndarray, prompts: Sequence[str], max_new_tokens: int, which: Sequence[int] | None = None
    ) -> list[Answer]:
        """Greedy answers to `prompts`; prompt i is about `images[which[i]]` (default: `images[i]`).

        `images` is `[n, H, W, 3]` uint8.
        """
        ...

    def yes_no(
        self, images: np.ndarray, prompts: Sequence[str], which: Sequence[int] | None = None
    ) -> list[tuple[float, float]]:
        """The probabilities that the answer begins with yes, and with no, over the whole vocabulary.

        Raises ValueError if the tokenizer has no token for either word.
        """
        ...


def first_too_long(model: VisionLanguage, questions: Iterable[str], max_new_tokens: int = 1) -> str:
    """Why there is no room for one of `questions`; empty if there is for each."""
    return next(filter(None, (model.too_long(question, max_new_tokens) for question in questions)), "")


def word_tokens(tokenizer: Any, word: str) -> list[int]:
    """The tokens that are this whole word, in any case, with or without a space before it."""
    forms = [form for case in (word, word.title(), word.upper()) for form in (case, f" {case}")]
    ids: list[list[int]] = [tokenizer(form, add_special_tokens=False)["input_ids"] for form in forms]
    single = {i[0] for i in ids if len(i) == 1} - {tokenizer.unk_token_id}
    if not single:
        raise ValueError(f"the model's tokenizer has no token for {word!r}, so its probability can't be read")
    return sorted(single)


def load_vision_language(
    judge: str,
    model: str,
    device: str = "cpu",
    dtype: str = "float32",
    micro_batch: int = 16,
    backend: Backend = "transformers",
    gpu_memory: float = 0.9,
) -> VisionLanguage:
    """The LLaVA, BLIP or BLIP-2 in a folder or on the hub, as its config says.

    Raises ValueError, naming the judge's key, for another class of model, a precision that it can't be run in, or a
    backend that is not installed.
    """
    config = _config(model)
    kind = config.model_type
    if kind not in ("llava", "blip", "blip-2"):
        raise ValueError(f"rewards.judges.{judge}.model: {model!r} is a {kind!r} model; give a llava, blip or blip-2")
    if kind == "blip-2" and dtype == "float16" and not config.use_decoder_only_language_model:
        raise ValueError(
            f"rewards.judges.{judge}.dtype: {model!r} answers with a T5, whose activations overflow float16 into "
            "garbage; use bfloat16 or float32"
        )
    if backend == "vllm":
        if kind != "llava":
            raise ValueError(f"rewards.judges.{judge}.backend: vllm runs LLaVA only, and {model!r} is a {kind!r} model")
        if importlib.util.find_spec("vllm") is None:
            raise ValueError(
                f"rewards.judges.{judge}.backend: vllm is not installed; pip install 'salon[vllm]' or use transformers"
            )
        from rewards.models.vlm.vllm_llava import VllmLlava

        return VllmLlava(model, dtype, gpu_memory)
    if kind == "llava":
        from rewards.models.vlm.llava import Llava

        return Llava(model, device, dtype, micro_batch)
    if kind == "blip":
        from rewards.models.vlm.blip import Blip

        return Blip(model, device, dtype, micro_batch)
    from rewards.models.vlm.blip2 import Blip2

    return Blip2(model, device, dtype, micro_batch)


def _config(model: str) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(model)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
