"""The known shapes: built on `meta`, they have as many parameters as was published of them."""

from __future__ import annotations

from pathlib import Path

import diffusers
import pytest

from cluster.config.experiment import load_config
from cluster.sizing.random_models import parameters
from cluster.sizing.shapes import SHAPES, Shape, shaped
from rewards.user_input.model_folder import read_json_object

KNOWN = sorted(str(file.parent.relative_to(SHAPES)) for file in SHAPES.rglob("published.json"))


@pytest.mark.parametrize("model", KNOWN)
def test_a_shape_has_as_many_parameters_as_was_published(model: str) -> None:
    shape = Shape.of(model)
    assert shape is not None
    published = shape.published["parameters"]
    assert set(published) == set(shape.parts)
    assert {part: parameters(shape, part) for part in shape.parts} == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize("model", [model for model in KNOWN if (SHAPES / model / "model_index.json").is_file()])
def test_a_pipeline_that_is_known_is_whole(model: str) -> None:
    index = read_json_object(SHAPES / model / "model_index.json")
    named = {name for name, entry in index.items() if isinstance(entry, list) and any(entry)}
    configured = {name for name in named if not name.startswith("tokenizer") and name != "scheduler"}
    assert {part for part in configured if not (SHAPES / model / part / "config.json").is_file()} == set()
    assert (SHAPES / model / "scheduler" / "scheduler_config.json").is_file()
    assert hasattr(diffusers, index["_class_name"])


def test_every_policy_of_a_shipped_config_has_a_shape(config: Path) -> None:
    assert Shape.of(load_config(config).policy.model) is not None


def test_a_folder_of_weights_is_counted_by_its_files() -> None:
    shape = Shape.of("menagerie/models/policy")
    assert shape is not None
    assert shape.has_weights
    assert parameters(shape, "unet") > 1e6


def test_a_name_that_nobody_knows_has_no_shape_and_its_config_stays() -> None:
    assert Shape.of("nobody/knows-this") is None
    config = load_config(Path("configs/menagerie.yaml"), ["policy.model=nobody/knows-this"])
    assert shaped(config) is config
