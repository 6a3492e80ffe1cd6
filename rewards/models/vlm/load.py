# pyright: strict
"""Loading a vision-language model: LLaVA, BLIP or BLIP-2, on transformers or on vLLM."""

from __future__ import annotations

import importlib.util
from typing import Any

from rewards.models.vlm.base import VisionLanguage
from rewards.settings.judge import VisionLanguageConfig


def load_vision_language(judge: str, config: VisionLanguageConfig, device: str = "cpu") -> VisionLanguage:
    """The LLaVA, BLIP or BLIP-2 in a folder or on the hub, as its config says.

    Raises ValueError, naming the judge's key, for another class of model, a precision that it can't be run in, or a
    backend that is not installed.
    """
    model, dtype, micro_batch = config.model, config.dtype, config.micro_batch
    loaded = _config(model)
    kind = loaded.model_type
    if kind not in ("llava", "blip", "blip-2"):
        raise ValueError(f"rewards.judges.{judge}.model: {model!r} is a {kind!r} model; give a llava, blip or blip-2")
    if kind == "blip-2" and dtype == "float16" and not loaded.use_decoder_only_language_model:
        raise ValueError(
            f"rewards.judges.{judge}.dtype: {model!r} answers with a T5, whose activations overflow float16 into "
            "garbage; use bfloat16 or float32"
        )
    if config.backend == "vllm":
        if kind != "llava":
            raise ValueError(f"rewards.judges.{judge}.backend: vllm runs LLaVA only, and {model!r} is a {kind!r} model")
        if importlib.util.find_spec("vllm") is None:
            raise ValueError(
                f"rewards.judges.{judge}.backend: vllm is not installed; pip install 'salon[vllm]' or use transformers"
            )
        from rewards.models.vlm.vllm_llava import VllmLlava

        return VllmLlava(model, dtype, config.gpu_memory)
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
