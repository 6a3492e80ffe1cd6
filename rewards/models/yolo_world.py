"""YOLO-World through ultralytics, which is licensed under the AGPL-3.0: an optional extra, imported only if chosen.

The authors' checkpoints are pickles, which would run what they hold, so the judge reads an ONNX file instead. Make it
where you trust the checkpoint, with the classes that your prompts ask for:

    from ultralytics import YOLOWorld
    model = YOLOWorld("yolov8s-worldv2.pt")
    model.set_classes(["cat", "dog"])
    model.export(format="onnx")     # then move it to FOLDER/yolo-world.onnx
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rewards.arrays import ImageArray
from rewards.boxes import Box
from rewards.extras import import_extra
from rewards.fingerprint import fingerprint
from rewards.models.detection import Detection, Found

FILE = "yolo-world.onnx"
FLOOR = 0.001
"""The least confidence that the model reports; a class without an object has 0."""


class YoloWorld:
    """A YOLO-World in the folder `model`, exported for its classes.

    Source: Cheng et al., YOLO-World (arXiv 2401.17270). A class that it was not exported for is missing from
    `Detection.best`. Raises ValueError for a folder without the file and where ultralytics is not installed.
    """

    def __init__(self, model: str, device: str = "cpu", *, threshold: float = 0.1) -> None:
        file = Path(model, FILE)
        if not file.is_file():
            raise ValueError(
                f"no file {file}; backend: yoloworld reads an exported model (rewards/models/yolo_world.py says how)"
            )
        # It sends nothing and installs nothing while it runs.
        os.environ.setdefault("YOLO_OFFLINE", "true")
        os.environ.setdefault("YOLO_AUTOINSTALL", "false")
        ultralytics: Any = import_extra("ultralytics", "yoloworld")
        self._model: Any = ultralytics.YOLO(str(file), task="detect")
        self._device, self._threshold = device, threshold
        self.version = fingerprint(
            model, kind="yoloworld", release=ultralytics.__version__, settings=[threshold, FLOOR]
        )

    def detect(self, image: ImageArray, classes: Sequence[str]) -> Detection:
        """Objects of `classes` in `image` `[h, w, 3]` uint8."""
        # An array is taken for BGR, as OpenCV has it.
        pixels = np.ascontiguousarray(image[..., ::-1])
        (out,) = self._model.predict(pixels, conf=FLOOR, device=self._device, verbose=False)
        names: dict[int, str] = out.names
        rows = zip(out.boxes.cls.tolist(), out.boxes.conf.tolist(), out.boxes.xyxyn.tolist(), strict=True)
        every = [Found(names[int(label)], float(confidence), _box(box)) for label, confidence, box in rows]
        known = [name for name in classes if name in names.values()]
        best = {name: max((one.confidence for one in every if one.label == name), default=0.0) for name in known}
        found = [one for one in every if one.label in best and one.confidence > self._threshold]
        return Detection(best, tuple(sorted(found, key=lambda one: -one.confidence)))


def _box(corners: Sequence[float]) -> Box:
    x1, y1, x2, y2 = (min(1.0, max(0.0, float(v))) for v in corners)
    return x1, y1, x2, y2
