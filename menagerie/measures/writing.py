"""Metrics of the prompt writer."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import torch

from menagerie.datasets.plain_pictures import HELD_OUT
from menagerie.measures.weakest import Metrics, weakest


def writer(out: Path, count: int) -> Metrics:
    """How many of its answers can be used, and how many of the usable ones are new."""
    from pydantic import ValidationError
    from transformers import AutoTokenizer, LlamaForCausalLM

    from menagerie.labels.prompts import CATEGORIES
    from menagerie.recipes.writer import WriterOutput, fits_category, generate, training_prompts

    model = LlamaForCausalLM.from_pretrained(out / "writer", dtype=torch.float32).eval()
    categories = [CATEGORIES[i % len(CATEGORIES)] for i in range(count)]
    answers = generate(model, AutoTokenizer.from_pretrained(out / "writer"), categories, HELD_OUT)
    parsed, good, valid = 0, list[tuple[str, WriterOutput]](), defaultdict[str, list[float]](list)
    for category, text in zip(categories, answers, strict=True):
        valid[category].append(0.0)
        try:
            json.loads(text)
            parsed += 1
            good.append((category, WriterOutput.model_validate_json(text)))
            valid[category][-1] = 1.0
        except (json.JSONDecodeError, ValidationError):
            continue
    asked, known = sum(len(w.questions) for _, w in good), training_prompts()
    return {
        "parses": parsed / count,
        "validates": len(good) / count,
        "fits its category, of those": sum(fits_category(c, w.prompt) for c, w in good) / max(len(good), 1),
        "different prompts, of those": len({w.prompt for _, w in good}) / max(len(good), 1),
        "not among those it learnt from, of those": sum(w.prompt not in known for _, w in good) / max(len(good), 1),
        "questions a prompt": asked / max(len(good), 1),
        **weakest("validates, of prompts about", valid),
    }
