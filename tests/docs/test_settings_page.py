"""The settings reference covers every key of the YAML, and says what each is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from settings_page import descriptions, settings_page

from cluster.config.config_errors import known_keys, sections_of
from cluster.config.experiment import ExperimentConfig
from cluster.config.renamed_keys import RENAMED_VALUES
from rewards.config import RewardsConfig
from rewards.registry import OWN

PAGE = settings_page()


def sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every section inside `annotation`, itself included."""
    if get_origin(annotation) is dict:
        annotation = get_args(annotation)[1]
    for section in sections_of(annotation).values():
        yield section
        for field in section.model_fields.values():
            yield from sections(field.annotation)


def test_every_key_has_an_anchor_of_its_own():
    anchors = re.findall(r'<span id="([^"]+)">|\{ #(\S+) \}', PAGE)
    named = [span or heading for span, heading in anchors]
    assert len(named) == len(set(named))
    assert set(known_keys(ExperimentConfig)) <= set(named)


def test_links_inside_the_page_lead_somewhere():
    ids = {span or heading for span, heading in re.findall(r'<span id="([^"]+)">|\{ #(\S+) \}', PAGE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= ids


def test_every_key_is_described_below_where_it_is_declared():
    bare = {
        f"{section.__name__}.{name}"
        for section in set(sections(ExperimentConfig))
        for name, field in section.model_fields.items()
        if name != "kind" and not sections_of(field.annotation) and name not in descriptions(section)
    }
    assert bare == set()


def test_every_section_says_what_it_is():
    assert [section.__name__ for section in set(sections(ExperimentConfig)) if not section.__doc__] == []


def test_types_defaults_and_limits_are_in_words():
    rows = {row.split("|")[1].strip(): row for row in PAGE.splitlines() if row.startswith("| ")}
    assert "| whole number ≥ 1 | `50` |" in rows['<span id="sampler.steps">`steps`</span>']
    assert "| path | **required** |" in rows['<span id="prompts.file">`file`</span>']
    assert "| `drop` or `renormalise` or `stop` | `drop` |" in rows['<span id="rewards.on_error">`on_error`</span>']
    assert "| a section |" in rows["[`lora`](#policy.lora)"]


def test_every_kind_of_judge_has_a_heading():
    judges: Any = RewardsConfig.model_fields["judges"].annotation
    headings = re.findall(r"^### `rewards\.judges\.NAME`, kind `([\w.:]+)`", PAGE, re.MULTILINE)
    assert {*sections_of(get_args(judges)[1])} - {OWN} == {*headings} - {"package.module:name"}
    assert "package.module:name" in headings


def test_former_names_are_listed():
    for key, renamed in RENAMED_VALUES.items():
        for former, today in renamed.items():
            assert f"| `{key}: {former}` | `{today}` |" in PAGE
