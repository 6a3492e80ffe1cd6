# pyright: strict
"""Metrics of the models that score: the rich-feedback model and the aesthetic predictor."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from learners.judges.metrics.rich_feedback import correlations, heatmap_metrics, score_metrics, word_metrics
from learners.judges.metrics.saliency import cc, saliency_metrics
from menagerie.datasets.plain_pictures import HELD_OUT
from menagerie.datasets.rated_pictures import RatedPictures
from menagerie.measures.weakest import Metrics, weakest
from menagerie.training.model_folder import load_vae, require_model
from rewards.judge import Judge
from rewards.models.rahf import HEATMAPS, SCORES
from rewards.registry import build_judge, judge_config
from rewards.verdict import Verdict

PANEL = 24
"""Other raters, so many that their maps have little of the noise that three raters' have."""


def rich(out: Path, count: int) -> Metrics:
    """The paper's metrics against three raters, as it reports them, and those of both variants after stage 3.

    The maps are also measured against `PANEL` other raters, and these raters' against the three's, which is the best
    that a model can reach without luck; the same holds for the true scores against the three raters'.
    """
    vae = load_vae(out)
    rated, panel = RatedPictures.draw(count, HELD_OUT, vae), RatedPictures.draw(count, HELD_OUT, vae, PANEL, panel=1)
    judge = build_judge("rich", judge_config("rich_feedback", model=str(out / "rich")))
    variants: dict[str, Metrics] = json.loads((out / "rich" / "variants.json").read_text())
    verdicts = judge.judge(rated.pixels, rated.prompts)
    found = score_metrics(verdicts, rated.scores)
    for k, name in enumerate(HEATMAPS):
        found |= heatmap_metrics(name, verdicts, rated.maps[:, k]) | panel_metrics(verdicts, k, rated, panel)
    found |= word_metrics([v.words for v in verdicts], rated.prompts, rated.misaligned)
    ceiling: Metrics = {}
    for k, name in enumerate(SCORES):
        ceiling |= correlations(f"{name}, three raters against the truth:", rated.scores[:, k], rated.qualities[:, k])
    return {
        **found,
        **poorest_maps(judge, rated),
        **ceiling,
        **{
            f"{heads} variant, drawings kept apart: {key}": value
            for heads, reached in variants.items()
            for key, value in reached.items()
        },
    }


def panel_metrics(verdicts: Sequence[Verdict], k: int, rated: RatedPictures, panel: RatedPictures) -> Metrics:
    """Heatmap `k` against the panel's maps, and these against the three raters', on pictures that the three marked."""
    predicted, truth, many = [v.heatmaps[HEATMAPS[k]] for v in verdicts], rated.maps[:, k] / 255, panel.maps[:, k] / 255
    marked = [i for i, t in enumerate(truth) if t.any()]
    pairs = {f"against {PANEL} raters": (predicted, many), f"of {PANEL} raters": (many, truth)}
    found: Metrics = {}
    for what, (a, b) in pairs.items():
        measured = saliency_metrics([a[i] for i in marked], [b[i] for i in marked])
        found |= {f"{HEATMAPS[k]} {key} {what}": measured[key] for key in ("CC", "AUC-Judd")}
    return found


def poorest_maps(judge: Judge, rated: RatedPictures) -> Metrics:
    """The categories whose maps of implausibility have the lowest CC, over pictures with a single artifact."""
    found = defaultdict[str, list[float]](list)
    marked = [i for i, p in enumerate(rated.pictures) if len(p.categories) == 1 and rated.maps[i, 0].any()]
    for i, verdict in zip(marked, judge.judge(rated.pixels[marked], [rated.prompts[i] for i in marked]), strict=True):
        predicted = verdict.heatmaps["implausibility"]
        found[rated.pictures[i].categories[0]].append(cc(predicted, rated.maps[i, 0] / 255))
    return weakest("implausibility CC of", found)


def aesthetic(out: Path, count: int) -> Metrics:
    """The agreement of the judge's values with the true aesthetics."""
    from menagerie.recipes.aesthetic import rated_drawings

    pixels, truth = rated_drawings(count, HELD_OUT, load_vae(out))
    settings = judge_config("aesthetic", model=str(out / "aesthetic"), encoder=str(require_model(out, "clip")))
    judge = build_judge("aesthetic", settings)
    predicted = np.array([v.value for v in judge.judge(pixels, [""] * count)], float)
    near = defaultdict[str, list[float]](list)
    for value, rating in zip(predicted.tolist(), truth.tolist(), strict=True):
        low = next(limit for limit in (7, 4, 1) if rating >= limit)
        near[f"{low} to {low + 3}"].append(float(abs(value - rating) <= 1))
    return {
        **correlations("aesthetics", predicted, truth),
        "mean absolute error": float(np.abs(predicted - truth).mean()),
        **weakest("within one point, of pictures rated", near),
    }
