"""Measures of the models that score: rich feedback by its paper's measures, and the aesthetic predictor."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from learners.judges.metrics.saliency import cc, map_figures
from menagerie.datasets.album import HELD_OUT
from menagerie.datasets.artifact_pictures import load_vae
from menagerie.datasets.rated import Rated
from menagerie.measures.weakest import Figures, weakest
from menagerie.training.model_folder import needed
from rewards.judges.rich_feedback import RichFeedbackJudge
from rewards.models.rahf import HEATMAPS, SCORES
from rewards.panel.agreement import Agreement

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
        **poorest_maps(judge, rated),
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


def poorest_maps(judge: RichFeedbackJudge, rated: Rated) -> Figures:
    """The artifacts whose maps of implausibility fit worst, in pictures with nothing else wrong."""
    found = defaultdict[str, list[float]](list)
    marked = [i for i, p in enumerate(rated.pictures) if len(p.categories) == 1 and rated.maps[i, 0].any()]
    for i, verdict in zip(marked, judge.judge(rated.pixels[marked], [rated.prompts[i] for i in marked]), strict=True):
        said = verdict.heatmaps["implausibility"]
        found[rated.pictures[i].categories[0]].append(cc(said, rated.maps[i, 0] / 255))
    return weakest("implausibility CC of", found)


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
    from menagerie.recipes.aesthetic import drawn
    from rewards.judges.aesthetic import AestheticJudge

    pixels, truth = drawn(count, HELD_OUT, load_vae(out))
    judge = AestheticJudge("aesthetic", str(out / "aesthetic"), encoder=str(needed(out, "clip")))
    said = np.array([v.value for v in judge.judge(pixels, [""] * count)], float)
    near = defaultdict[str, list[float]](list)
    for value, rating in zip(said.tolist(), truth.tolist(), strict=True):
        low = next(limit for limit in (7, 4, 1) if rating >= limit)
        near[f"{low} to {low + 3}"].append(float(abs(value - rating) <= 1))
    return {
        **correlations("aesthetics", said, truth),
        "mean absolute error": float(np.abs(said - truth).mean()),
        **weakest("within one point, of pictures rated", near),
    }
