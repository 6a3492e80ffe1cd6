"""What the config of the actors' room accepts and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from actors.config import ActorsConfig, LoraConfig, PolicyConfig, PromptsConfig, SamplerConfig


def test_the_yaml_of_the_readme_is_accepted() -> None:
    policy = PolicyConfig.model_validate(
        {"model": "menagerie/models/policy", "dtype": "float32", "lora": {"rank": 8, "alpha": 8, "targets": ["to_q"]}}
    )
    assert policy.lora.targets == ("to_q",)
    assert SamplerConfig.model_validate({"steps": 8, "eta": 1.0, "guidance": 2.0}).negative_prompt == ""
    assert PromptsConfig.model_validate({"file": "animals.txt"}).holdout is None
    actors = {"count": 1, "num_cpus": 0.5, "num_gpus": 0, "threads": 1, "ticket_deadline_s": 120}
    assert ActorsConfig.model_validate(actors).call_deadline_s < 120


@pytest.mark.parametrize(
    ("model", "values", "key"),
    [
        (SamplerConfig, {"eta": -0.1}, "eta"),
        (SamplerConfig, {"eta": 1.5}, "eta"),
        (SamplerConfig, {"guidance": 0.5}, "guidance"),
        (SamplerConfig, {"steps": 0}, "steps"),
        (SamplerConfig, {"guidence": 2.0}, "guidence"),
        (PolicyConfig, {"model": ""}, "model"),
        (PolicyConfig, {"model": "x", "dtype": "int8"}, "dtype"),
        (LoraConfig, {"targets": []}, "targets"),
        (LoraConfig, {"dropout": 0.1}, "dropout"),
        (ActorsConfig, {"count": 0}, "count"),
        (ActorsConfig, {"ticket_deadline_s": 20}, "call_deadline_s 30 must be shorter than ticket_deadline_s 20"),
    ],
)
def test_what_cannot_work_is_refused_and_named(model: type[BaseModel], values: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        model.model_validate(values)
