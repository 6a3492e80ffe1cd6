"""The detector judge: its rules, OWLv2's boxes in pictures of every shape, and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from rewards.boxes import from_square
from rewards.judges.detector import MAX_CLASSES, DetectorConfig, DetectorJudge, asked_classes
from rewards.models.detection import Detection
from rewards.models.owlv2 import TEXTS, Owlv2
from rewards.models.yolo_world import YoloWorld
from rewards.registry import build_judge, judge_config


@pytest.fixture(scope="module")
def detector(owl_dir: Path) -> DetectorJudge:
    return DetectorJudge("objects", DetectorConfig(model=str(owl_dir), metadata_keys=["class", "animals"]))


@pytest.mark.parametrize(
    ("metadata", "classes"),
    [
        ({"class": "cat"}, ["cat"]),
        ({"class": ["cat", "dog"]}, ["cat", "dog"]),
        ({"animals": ["cat", "cat"]}, ["cat"]),
        ({"class": "bus", "animals": ["cat"]}, ["bus"]),
        ({"class": None, "animals": "cat"}, ["cat"]),
        ({"class": None}, ["bird"]),
        ({}, ["bird"]),
    ],
)
def test_classes_come_from_the_metadata_before_the_config(metadata: dict[str, Any], classes: list[str]):
    assert asked_classes(metadata, ["class", "animals"], ["bird"]) == classes


def test_a_box_of_the_padded_square_is_cut_to_the_picture():
    # A picture twice as wide as high fills the upper half of the square.
    assert from_square((0.25, 0.1, 0.75, 0.4), 64, 32, centred=False) == (0.25, 0.2, 0.75, 0.8)
    assert from_square((-0.1, 0.3, 1.2, 0.9), 64, 32, centred=False) == (0.0, 0.6, 1.0, 1.0)
    assert from_square((0.1, 0.25, 0.4, 0.75), 32, 64, centred=False) == (0.2, 0.25, 0.8, 0.75)


def test_the_pinned_processor_pads_at_the_right_and_the_bottom(owl_dir: Path):
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(owl_dir, backend="pil")
    white = Image.fromarray(np.full((16, 64, 3), 255, np.uint8))
    pixels = processor(images=[white], return_tensors="pt")["pixel_values"][0]
    assert pixels.shape == (3, 32, 32)
    assert torch.equal(pixels[:, :7], pixels[:, :1, :1].expand(3, 7, 32))
    assert (pixels[:, 9:] < pixels[:, :7].amin()).all()


@pytest.mark.parametrize("shape", [(24, 64), (64, 24), (40, 40)])
def test_boxes_are_those_of_transformers_in_fractions_of_the_picture(shape: tuple[int, int], owl_dir: Path):
    from transformers import AutoImageProcessor, AutoTokenizer, Owlv2ForObjectDetection

    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    classes = ["cat", "dog"]
    seen = Owlv2(str(owl_dir), threshold=0.0).detect(image, classes)
    processor = AutoImageProcessor.from_pretrained(owl_dir, backend="pil")
    texts = AutoTokenizer.from_pretrained(owl_dir)(
        [f"a photo of a {name}" for name in classes], padding="max_length", max_length=16, return_tensors="pt"
    )
    pixels = processor(images=[Image.fromarray(image)], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        out = Owlv2ForObjectDetection.from_pretrained(owl_dir).eval()(**texts, pixel_values=pixels)
    (expected,) = processor.post_process_object_detection(out, threshold=0.0, target_sizes=[shape])
    order = torch.argsort(-expected["scores"], stable=True)
    height, width = shape
    boxes = (expected["boxes"][order] / torch.tensor([width, height, width, height])).clamp(0, 1)
    assert len(seen.found) > 8
    np.testing.assert_allclose([one.confidence for one in seen.found], expected["scores"][order], atol=1e-6)
    np.testing.assert_allclose([one.box for one in seen.found], boxes, atol=1e-5)
    assert [one.label for one in seen.found] == [classes[i] for i in expected["labels"][order]]
    assert seen.best == pytest.approx(dict(zip(classes, out.logits[0].sigmoid().amax(0).tolist(), strict=True)))


def test_the_value_is_the_least_of_the_best_confidences(detector: DetectorJudge, noise: np.ndarray):
    (both,) = detector.judge(noise[:1], [""], [{"animals": ["cat", "dog"]}])
    (cat,) = detector.judge(noise[:1], [""], [{"class": "cat"}])
    (dog,) = detector.judge(noise[:1], [""], [{"class": "dog"}])
    assert cat.value is not None
    assert dog.value is not None
    assert both.value == pytest.approx(min(cat.value, dog.value), abs=1e-6)
    assert both.text == f"cat {cat.value:.2f}, dog {dog.value:.2f}"
    assert all(label.split()[0] in ("cat", "dog") for label, _ in both.boxes)


def test_a_version_changes_with_metadata_keys_that_a_config_sets(owl_dir: Path):
    plain, again, other = (
        DetectorJudge("objects", DetectorConfig(model=str(owl_dir), **keys)).version
        for keys in ({}, {}, {"metadata_keys": ["things"]})
    )
    assert plain == again != other


def test_no_class_is_an_abstention(detector: DetectorJudge, noise: np.ndarray):
    (verdict,) = detector.judge(noise[:1], ["a cat"])
    assert (verdict.status, verdict.text) == ("abstain", "")


def test_a_class_that_the_detector_cannot_know_is_an_abstention(
    owl_dir: Path, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    class OnlyCats:
        version = "cats"

        def detect(self, image: np.ndarray, classes: Sequence[str]) -> Detection:
            return Detection({"cat": 0.9}, ())

    judge = DetectorJudge("objects", DetectorConfig(model=str(owl_dir)))
    monkeypatch.setattr(judge, "_detector", OnlyCats())
    known, unknown = judge.judge(noise[:2], ["", ""], [{"class": "cat"}, {"class": ["cat", "newt"]}])
    assert (known.value, known.scores) == (0.9, {"found": 1.0})
    assert (unknown.status, unknown.text) == ("abstain", "cannot detect newt")


def test_a_prompt_with_too_many_classes_abstains_alone(owl_dir: Path, noise: np.ndarray):
    names = [f"thing {i}" for i in range(MAX_CLASSES + 2)]
    metadata = [{"class": names[:MAX_CLASSES]}, {"class": names[:-1]}]
    fine, refused = DetectorJudge("objects", DetectorConfig(model=str(owl_dir))).judge(noise[:2], ["", ""], metadata)
    assert fine.status == "ok"
    assert (refused.status, refused.text) == ("abstain", "the prompt has 101 classes; at most 100 are looked for")
    # The config may name more, and then a prompt may, too.
    (own,) = DetectorJudge("objects", DetectorConfig(model=str(owl_dir), classes=names)).judge(noise[:1], [""], [{}])
    assert own.status == "ok"


def test_many_classes_are_read_in_parts_and_the_picture_once(owl_dir: Path, noise: np.ndarray):
    owl, read = Owlv2(str(owl_dir), threshold=0.0), {"texts": [], "pictures": []}
    towers = {"texts": owl._model.owlv2.text_model, "pictures": owl._model.owlv2.vision_model}
    for name, tower in towers.items():
        tower.register_forward_hook(lambda _m, _args, out, name=name: read[name].append(len(out.pooler_output)))
    names = [f"thing {i}" for i in range(2 * TEXTS + 1)]
    together = owl.detect(noise[0], names)
    assert read == {"texts": [TEXTS, TEXTS, 1], "pictures": [1]}
    assert together.best == pytest.approx({n: owl.detect(noise[0], [n]).best[n] for n in names[::13] + names}, abs=1e-6)


def test_classes_threshold_and_template_are_in_the_version(owl_dir: Path):
    settings: list[dict[str, Any]] = [{}, {"classes": ["cat"]}, {"threshold": 0.2}, {"template": "{}"}]
    made = [build_judge("d", judge_config("detector", model=str(owl_dir), **chosen)) for chosen in settings]
    assert len({judge.version for judge in made}) == 4


def test_a_detector_is_refused_with_a_reason():
    with pytest.raises(ValidationError, match=r"needs one {} where the class name goes"):
        judge_config("detector", model="m", template="a photo")
    with pytest.raises(ValidationError, match="backend"):
        judge_config("detector", model="m", backend="yolo")


def test_yolo_world_wants_an_exported_file(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no file .*yolo-world.onnx; backend: yoloworld reads an exported model"):
        YoloWorld(str(tmp_path))
