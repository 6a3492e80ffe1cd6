"""AP50 of a detector, by COCO's evaluation (pycocotools, an extra: pip install 'salon[card]')."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from rewards.boxes import Box
from rewards.extras import import_extra
from rewards.models.detection import Found

SIDE = 64
"""The side of a picture in pixels, the unit of COCO's boxes."""
IOU_50, ALL_AREAS, MOST_DETECTIONS = 0, 0, -1
"""Indices of COCO's array of precisions: [IoU, recall, label, area, maximum of detections]."""


def average_precisions(
    truth: Sequence[Sequence[tuple[str, Box]]], found: Sequence[Sequence[Found]]
) -> dict[str, float]:
    """Label → average precision at IoU 0.5, in 0..1, for all labels in `truth`; COCO's AP50 is their mean.

    `truth` has the labels and boxes of each picture, `found` the detections in it. Raises ValueError if pycocotools is
    not installed.
    """
    import_extra("pycocotools", "card")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ids = {label: i for i, label in enumerate(sorted({label for shown in truth for label, _ in shown}), start=1)}
    annotations: list[dict[str, Any]] = [
        {"image_id": i, "category_id": ids[label], **_coco_box(box), "iscrowd": 0}
        for i, shown in enumerate(truth)
        for label, box in shown
    ]
    results = [
        {"image_id": i, "category_id": ids[one.label], "bbox": _coco_box(one.box)["bbox"], "score": one.confidence}
        for i, reported in enumerate(found)
        for one in reported
        if one.label in ids
    ]
    if not results:
        return dict.fromkeys(ids, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints tables
        coco: Any = COCO()
        coco.dataset = {
            "images": [{"id": i} for i in range(len(truth))],
            "annotations": [{"id": i, **one} for i, one in enumerate(annotations, start=1)],
            "categories": [{"id": id_, "name": label} for label, id_ in ids.items()],
        }
        coco.createIndex()
        measured = COCOeval(coco, coco.loadRes(results), "bbox")
        measured.evaluate()
        measured.accumulate()
    precision = measured.eval["precision"][IOU_50, :, :, ALL_AREAS, MOST_DETECTIONS]  # [recalls, labels]
    return dict(zip(ids, precision.mean(0).tolist(), strict=True))


def _coco_box(box: Box) -> dict[str, Any]:
    x1, y1, x2, y2 = (v * SIDE for v in box)
    return {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
