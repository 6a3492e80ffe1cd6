"""Measures of the model that writes prompts and questions."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import torch

from menagerie.datasets.album import HELD_OUT
from menagerie.measures.weakest import Metrics, weakest


def writer(out: Path, count: int) -> Metrics:
    """How much of what it writes can be used, and how much of that it has not read."""
    from pydantic import ValidationError
    from transformers import AutoTokenizer, LlamaForCausalLM

    from menagerie.labels.prompts import CATEGORIES
    from menagerie.recipes.writer import Written, fits, known_prompts, write

    model = LlamaForCausalLM.from_pretrained(out / "writer", dtype=torch.float32).eval()
    categories = [CATEGORIES[i % len(CATEGORIES)] for i in range(count)]
    said = write(model, AutoTokenizer.from_pretrained(out / "writer"), categories, HELD_OUT)
    parsed, good, valid = 0, list[tuple[str, Written]](), defaultdict[str, list[float]](list)
    for category, text in zip(categories, said, strict=True):
        valid[category].append(0.0)
        try:
            json.loads(text)
            parsed += 1
            good.append((category, Written.model_validate_json(text)))
            valid[category][-1] = 1.0
        except (json.JSONDecodeError, ValidationError):
            continue
    asked, known = sum(len(w.questions) for _, w in good), known_prompts()
    return {
        "parses": parsed / count,
        "validates": len(good) / count,
        "fits its category, of those": sum(fits(c, w.prompt) for c, w in good) / max(len(good), 1),
        "different prompts, of those": len({w.prompt for _, w in good}) / max(len(good), 1),
        "not among those it learnt from, of those": sum(w.prompt not in known for _, w in good) / max(len(good), 1),
        "questions a prompt": asked / max(len(good), 1),
        **weakest("validates, of prompts about", valid),
    }
