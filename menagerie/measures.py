"""What the cards of the scoring and writing models say: the papers' measures on held-out drawings and seeds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from menagerie.album import HELD_OUT
from menagerie.exhibits import load_vae
from menagerie.rated import Rated
from menagerie.saliency import map_figures
from rewards.agreement import Agreement
from rewards.rahf import HEATMAPS, SCORES
from rewards.rich_feedback import RichFeedbackJudge

Figures = dict[str, float]
PANEL = 24
"""So many further annotators say what three, who click at random in what is wrong, leave open."""


def rich(out: Path, count: int) -> Figures:
    """The paper's measures against three raters, as it reports them; the maps against 24 others too, and these 24
    against the three: more than that is chance. And what the two variants reached when they were trained."""
    vae = load_vae(out)
    rated, panel = Rated.drawn(count, HELD_OUT, vae), Rated.drawn(count, HELD_OUT, vae, PANEL, panel=1)
    judge = RichFeedbackJudge("rich", str(out / "rich"))
    variants: dict[str, Figures] = json.loads((out / "rich" / "variants.json").read_text())
    ceiling: Figures = {}
    for k, name in enumerate(SCORES):
        ceiling |= correlations(f"{name}, three raters against the truth:", rated.scores[:, k], rated.qualities[:, k])
    return {
        **rich_figures(judge, rated, panel),
        **ceiling,
        **{
            f"{heads} variant, drawings kept apart: {key}": v
            for heads, found in variants.items()
            for key, v in found.items()
        },
    }


def rich_figures(judge: RichFeedbackJudge, rated: Rated, panel: Rated | None = None) -> Figures:
    """PLCC and SRCC of the scores, saliency measures of the maps, precision, recall and F1 of the misaligned words."""
    verdicts = judge.judge(rated.pixels, rated.prompts)
    figures: Figures = {}
    for k, name in enumerate(SCORES):
        figures |= correlations(name, np.array([v.scores[name] for v in verdicts]), rated.scores[:, k])
    for k, name in enumerate(HEATMAPS):
        said, truth = [v.heatmaps[name] for v in verdicts], list(rated.maps[:, k] / 255)
        figures |= {f"{name} {key}": value for key, value in map_figures(said, truth).items()}
        if panel is not None:
            marked = [i for i, t in enumerate(truth) if t.any()]
            many = list(panel.maps[:, k] / 255)
            pairs = {f"against {PANEL} raters": (said, many), f"of {PANEL} raters": (many, truth)}
            for what, (a, b) in pairs.items():
                found = map_figures([a[i] for i in marked], [b[i] for i in marked])
                figures |= {f"{name} {key} {what}": found[key] for key in ("CC", "AUC-Judd")}
    return figures | word_figures([v.words for v in verdicts], rated)


def correlations(name: str, said: np.ndarray, truth: np.ndarray) -> Figures:
    """Pearson's and Spearman's correlation."""
    found = Agreement.of(said.tolist(), truth.tolist())
    return {f"{name} PLCC": found.plcc, f"{name} SRCC": found.srcc}


def word_figures(said: list[tuple[str, ...]], rated: Rated) -> Figures:
    """Over all words of all prompts; 0 where nothing was said, or nothing was to be said."""
    hits = marked = bad = 0
    for words, prompt, flags in zip(said, rated.prompts, rated.misaligned, strict=True):
        truth = [word for word, flag in zip(prompt.split(), flags, strict=True) if flag]
        hits += (Counter(words) & Counter(truth)).total()
        marked, bad = marked + len(words), bad + len(truth)
    precision, recall = hits / max(marked, 1), hits / max(bad, 1)
    return {
        "misaligned words precision": precision,
        "misaligned words recall": recall,
        "misaligned words F1": 2 * hits / max(marked + bad, 1),
    }


def aesthetic(out: Path, count: int) -> Figures:
    """How the judge's values go with the true aesthetics."""
    from menagerie.aesthetic import drawn
    from rewards.aesthetic import AestheticJudge

    pixels, truth = drawn(count, HELD_OUT, load_vae(out))
    judge = AestheticJudge("aesthetic", str(out / "aesthetic"), encoder=str(out / "clip"))
    said = np.array([v.value for v in judge.judge(pixels, [""] * count)], float)
    return {**correlations("aesthetics", said, truth), "mean absolute error": float(np.abs(said - truth).mean())}


def writer(out: Path, count: int) -> Figures:
    """How much of what is written on seeds of its own can be used."""
    from pydantic import ValidationError
    from transformers import AutoTokenizer, LlamaForCausalLM

    from menagerie.prompts import CATEGORIES
    from menagerie.writer import Written, fits, write

    model = LlamaForCausalLM.from_pretrained(out / "writer", dtype=torch.float32).eval()
    categories = [CATEGORIES[i % len(CATEGORIES)] for i in range(count)]
    said = write(model, AutoTokenizer.from_pretrained(out / "writer"), categories, HELD_OUT)
    parsed, good = 0, list[tuple[str, Written]]()
    for category, text in zip(categories, said, strict=True):
        try:
            json.loads(text)
            parsed += 1
            good.append((category, Written.model_validate_json(text)))
        except (json.JSONDecodeError, ValidationError):
            continue
    asked = sum(len(w.questions) for _, w in good)
    return {
        "parses": parsed / count,
        "validates": len(good) / count,
        "fits its category, of those": sum(fits(c, w.prompt) for c, w in good) / max(len(good), 1),
        "different prompts, of those": len({w.prompt for _, w in good}) / max(len(good), 1),
        "questions a prompt": asked / max(len(good), 1),
    }
