"""The judges of a run: each with its own weights where they lie on this disk, else with random ones of its shape."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from cluster.bench.measurement import Measurement, peak_memory, repeated
from cluster.config.experiment import ExperimentConfig
from cluster.run.checks.memory import picture_size
from cluster.sizing.shapes import Shape, shaped
from rewards.pretrained import random_weights
from rewards.registry import build_judge
from rewards.settings.judge import JudgeConfig

STAND_INS = {"clip": "clip", "llava": "artifact", "owlv2": "detector"}
"""`model_type` → the model of the small world whose vocabulary and picture processor a shape is asked with"""
PROCESSORS = ("processor_config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
PROMPT = "a cat on a meadow"


def measure_judge(config: ExperimentConfig, name: str, device: str, at_least_s: float) -> Measurement:
    """Verdicts on the pictures of one group, as a replica gives them; raises ValueError for a model that is neither
    here nor known, or whose class has no stand-in for its vocabulary."""
    judge = config.rewards.judges[name].model_copy(update={"device": device})
    side = math.isqrt(picture_size(shaped(config).policy).pixels // 3)  # as many pixels as the policy's pictures
    images = np.random.default_rng(0).integers(0, 256, (config.samples_per_prompt, side, side, 3), np.uint8)
    with _made_loadable(name, judge) as (loadable, is_random):
        built = build_judge(name, loadable)
    prompts = [PROMPT] * len(images)
    times, seconds = repeated(lambda: built.judge(images, prompts, [{}] * len(images)), device, at_least_s)
    pictures = times * len(images)
    note = "random weights: it answers to its full length" if is_random else ""
    return Measurement(f"judge {name}", "pictures", pictures, pictures, seconds, peak_memory(device), note)


@contextmanager
def _made_loadable(name: str, judge: JudgeConfig) -> Generator[tuple[JudgeConfig, bool]]:
    """Context manager: the settings by which the judge can be built without a download, and whether at random."""
    sources = judge.models()
    source = sources.get("model")
    if source is None or Path(source.source).expanduser().is_dir():
        yield judge, False
        return
    shape = Shape.of(source.source)
    kind = shape.config().get("model_type") if shape is not None else None
    if shape is None or kind not in STAND_INS or source.converted:
        raise ValueError(f"rewards.judges.{name}.model: {source.source} is not on this disk and cannot be stood in for")
    with TemporaryDirectory(prefix="salon-") as folder, random_weights():
        _stand_in(shape, str(kind), Path(folder))
        changed: dict[str, Any] = {"model": folder}
        if getattr(judge, "processor", None) is not None:
            changed["processor"] = None
        yield judge.model_copy(update=changed), True


def _stand_in(shape: Shape, kind: str, folder: Path) -> None:
    """Writes the shape's config, with the vocabulary of the small world and pictures of the shape's own size."""
    import menagerie

    small, config = Path(menagerie.__file__).parent / "models" / STAND_INS[kind], shape.config()
    side = config["vision_config"]["image_size"]
    for name in PROCESSORS:
        if (small / name).is_file():
            shutil.copy(small / name, folder / name)
    for name in ("processor_config.json", "preprocessor_config.json"):
        if (file := folder / name).is_file():
            settings = json.loads(file.read_text())
            pictures = settings.get("image_processor", settings)
            for key in ("crop_size", "size"):
                pictures |= {key: dict.fromkeys(pictures[key], side)} if key in pictures else {}
            file.write_text(json.dumps(settings))
    theirs = json.loads((small / "config.json").read_text())
    ids = {key: theirs[key] for key in ("image_token_index", "image_token_id") if key in theirs}
    if ids:  # where a picture stands in the text is said by the vocabulary
        config["image_token_id"] = next(iter(ids.values()))
    (folder / "config.json").write_text(json.dumps(config))
