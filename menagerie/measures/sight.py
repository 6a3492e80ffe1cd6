# pyright: strict
"""Metrics of the models that look at the wider world: the VQA model and the detector."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path

import numpy as np

from learners.judges.metrics.average_precision import average_precisions
from menagerie.datasets.plain_pictures import HELD_OUT
from menagerie.datasets.visible_objects import NAMES, PHRASES, visible_objects
from menagerie.datasets.wide_pictures import WidePictures
from menagerie.labels.truth import Truth
from menagerie.measures.weakest import Metrics, lowest, weakest
from menagerie.training.model_folder import load_vae
from rewards.judges.asking.questions import parse_yes_no
from rewards.registry import build_judge, judge_config

LEAST = 0.02
"""The lowest confidence that a prediction of the detector may have and count."""


def vqa(out: Path, count: int) -> Metrics:
    """The accuracy on questions of right and wrong captions whose true answer is yes, on those whose answer is no, and
    the mean of both, "balanced". Half of the pictures go through the decoder."""
    shown = WidePictures.draw(count, HELD_OUT, load_vae(out), decoded=0.5, garbage_share=0, seed=99)
    truths = [Truth.of(picture, random.Random(i)) for i, picture in enumerate(shown.pictures) if picture]
    questions = [[*truth.questions, *truth.wrong_questions] for truth in truths]
    asked = [[q.model_dump() for q in some] for some in questions]
    judge = build_judge("vqa", judge_config("vqa", model=str(out / "vqa")))
    verdicts = judge.judge(shown.pixels, [""] * count, [{"questions": q} for q in asked])
    right: dict[str, list[bool]] = {"yes": [], "no": []}
    types = defaultdict[str, list[float]](list)
    for verdict, some in zip(verdicts, questions, strict=True):
        for one, question in zip(json.loads(verdict.text), some, strict=True):
            hit = parse_yes_no(one["answer"]) == (one["expected"] == "yes")
            right[one["expected"]].append(hit)
            types[f"{question.type}, {one['expected']}"].append(hit)
    share = {f"{answer} where it is true": float(np.mean(hits)) for answer, hits in right.items()}
    return {
        "balanced accuracy": sum(share.values()) / 2,
        **share,
        "abstentions": sum(v.status == "abstain" for v in verdicts) / count,
        **weakest("right, of questions about", types),
    }


def detector(out: Path, count: int) -> Metrics:
    """AP50 of names ("cat"), and of names with colour or material ("red cat"); the queries of every picture are all of
    them. Half of the pictures go through the decoder."""
    from rewards.models.owlv2 import Owlv2

    owl = Owlv2(str(out / "detector"), threshold=LEAST)
    shown = WidePictures.draw(count, HELD_OUT, load_vae(out), decoded=0.5, garbage_share=0, seed=99)
    truth = [visible_objects(picture) for picture in shown.pictures if picture]
    metrics: Metrics = {}
    worst: Metrics = {}
    for title, queries in (("AP50, names", NAMES), ("AP50, names with colour or material", PHRASES)):
        called = [[(one.name if queries is NAMES else one.phrase, one.box) for one in seen] for seen in truth]
        found = [owl.detect(pixels, queries).found for pixels in shown.pixels]
        each = average_precisions(called, found)
        metrics[title] = float(np.mean(list(each.values())))
        if queries is NAMES:
            worst = lowest("AP50 of", each)
    return metrics | worst
