"""A LLaVA that vLLM runs: the same answers as `rewards.models.vlm.llava`, faster on GPUs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image

from rewards.arrays import ImageArray
from rewards.models.vlm.base import Answer, word_tokens
from rewards.models.vlm.hub_keys import has_hub_names, with_hub_names
from rewards.models.vlm.llava import llava_room
from rewards.models.vlm.prompt_words import PromptWords, llava_prompt

LOGPROBS = 20
"""The likeliest tokens that vLLM reports; yes or no below them counts as 0."""


class VllmLlava:
    """A `VisionLanguage` on vLLM's engine, which batches by itself.

    Questions about one picture share their beginning, picture included, so prefix caching encodes and reads it once.
    vLLM preprocesses pictures itself; where torchvision is installed, resized pixels and so rare answers may differ
    from those of `rewards.models.vlm.llava`, which is why the backend is part of a judge's version.
    """

    commit: str | None = None

    def __init__(self, model: str, dtype: str = "bfloat16", gpu_memory: float = 0.9) -> None:
        # The import of a package that only this backend needs.
        from transformers import AutoConfig
        from vllm import LLM  # pyright: ignore[reportMissingImports]

        self._engine: Any = LLM(
            model=self._readable(model),
            dtype=dtype,
            seed=0,
            enable_prefix_caching=True,
            gpu_memory_utilization=gpu_memory,
            limit_mm_per_prompt={"image": 1},
            # Compiling takes minutes on a CPU, and CUDA graphs are not for it.
            enforce_eager=not torch.cuda.is_available(),
        )
        self._config: Any = AutoConfig.from_pretrained(model)
        self._wording = PromptWords(self._engine.get_tokenizer())

    def _readable(self, model: str) -> str:
        """vLLM reads the hub's names of weights only; a folder with others is replaced by one with those."""
        folder = Path(model).expanduser()
        if not folder.is_dir() or has_hub_names(folder):
            return model
        # For as long as this object lives, since vLLM may read the processor later.
        self._renamed = TemporaryDirectory(prefix="llava")
        return str(with_hub_names(folder, Path(self._renamed.name)))

    def prompt(self, question: str) -> str:
        return llava_prompt(self._wording.plain(question))

    def too_long(self, question: str, max_new_tokens: int = 1) -> str:
        return self._wording.too_long(question, self.prompt(question), llava_room(self._config, max_new_tokens))

    def answer(
        self, images: ImageArray, prompts: Sequence[str], max_new_tokens: int, which: Sequence[int] | None = None
    ) -> list[Answer]:
        outputs = self._run(images, prompts, which, max_tokens=max_new_tokens)
        return [Answer(output.text.strip(), output.finish_reason == "length") for output in outputs]

    def yes_no(
        self, images: ImageArray, prompts: Sequence[str], which: Sequence[int] | None = None
    ) -> list[tuple[float, float]]:
        words = [word_tokens(self._engine.get_tokenizer(), word) for word in ("yes", "no")]
        chances: list[tuple[float, float]] = []
        for output in self._run(images, prompts, which, max_tokens=1, logprobs=LOGPROBS):
            first = output.logprobs[0]
            yes, no = (sum(math.exp(first[i].logprob) for i in ids if i in first) for ids in words)
            chances.append((yes, no))
        return chances

    def _run(
        self, images: ImageArray, prompts: Sequence[str], which: Sequence[int] | None, **sampling: Any
    ) -> list[Any]:
        """vLLM's completion of each prompt, greedy."""
        from vllm import SamplingParams  # pyright: ignore[reportMissingImports]

        pictures = [Image.fromarray(image) for image in images]
        pictured = range(len(prompts)) if which is None else which
        requests = [
            {"prompt": prompt, "multi_modal_data": {"image": pictures[i]}}
            for prompt, i in zip(prompts, pictured, strict=True)
        ]
        results = self._engine.generate(requests, SamplingParams(temperature=0.0, **sampling), use_tqdm=False)
        return [result.outputs[0] for result in results]
