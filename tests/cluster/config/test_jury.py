"""A jury read without a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.config.jury import load_jury
from cluster.errors import ConfigError
from rewards.judges.detector import DetectorConfig

CONFIGS = Path(__file__).parents[3] / "configs"


def test_an_experiments_jury_is_the_same_without_the_experiment() -> None:
    jury = load_jury(CONFIGS / "menagerie.yaml", ["rewards.judges.clip.weight=2"])
    assert list(jury.rewards.judges) == ["artifact", "clip", "heldout"]
    assert jury.rewards.judges["clip"].weight == 2
    with pytest.raises(ConfigError, match="rewards"):
        load_jury(CONFIGS / "menagerie.yaml", ["rewards.judges={}"])


def test_a_detector_reads_the_classes_of_the_drawn_worlds_prompts_unless_its_config_says_otherwise() -> None:
    detector = load_jury(CONFIGS / "jury.yaml").rewards.judges["detector"]
    assert isinstance(detector, DetectorConfig)
    assert detector.metadata_keys == ["class", "animals"]
    other = load_jury(CONFIGS / "jury.yaml", ["rewards.judges.detector.metadata_keys=[things]"])
    detector = other.rewards.judges["detector"]
    assert isinstance(detector, DetectorConfig)
    assert detector.metadata_keys == ["things"]
