"""The question and the grammar of its answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.judges.synartifact.taxonomy import ARTIFACTS, NO_ARTIFACTS, read_taxonomy
from rewards.judges.synartifact.template import artifact_prompt, artifact_question, format_answer, parse_answer

NAMES = [artifact.name for artifact in ARTIFACTS]


def test_the_taxonomy_has_thirteen_artifacts_in_five_kinds_of_groups():
    assert len(ARTIFACTS) == 13
    assert {artifact.group for artifact in ARTIFACTS} == {
        "object-aware",
        "abnormal components",
        "attribute mis-binding",
        "lighting",
        "others",
    }


def test_the_full_question_has_the_papers_four_parts_in_order():
    question = artifact_question("full")
    options = [question.index(f"- {a.name}: {a.explanation}") for a in ARTIFACTS]
    examples = [
        question.index("Example answer for a picture without"),
        question.index("Example answer for a picture with two"),
    ]
    commands = question.index("Answer with the names")
    assert options[0] > 0
    assert options == sorted(options)
    assert options[-1] < examples[0] < examples[1] < commands


def test_the_example_answers_obey_the_grammar():
    answers = [line.split(": ", 1)[1] for line in artifact_question("full").splitlines() if line.startswith("Example")]
    assert parse_answer(answers[0]) == frozenset()
    assert len(parse_answer(answers[1]) or ()) == 2


def test_the_short_question_is_one_line_and_the_prompt_has_one_picture():
    assert "\n" not in artifact_question("short")
    for style in ("short", "full"):
        assert artifact_prompt(style).count("<image>") == 1
        assert artifact_prompt(style).endswith(" ASSISTANT:")


@given(st.sets(st.sampled_from(NAMES)), st.randoms())
def test_every_set_of_names_is_read_back_whatever_its_order_case_and_spaces(names: set[str], random):
    assert parse_answer(format_answer(names)) == names
    shuffled = sorted(names) or [NO_ARTIFACTS]
    random.shuffle(shuffled)
    written = ",  ".join(name.upper() if random.random() < 0.5 else name for name in shuffled)
    assert parse_answer(f"  {written}. \n") == names


@pytest.mark.parametrize(
    "answer",
    [
        "",
        ".",
        ",",
        "No artifacts, omitted",
        "omitted, No artifacts",
        "No artifacts, No artifacts",
        "omitted,",
        "omitted,, duplicated",
        "omitted and duplicated",
        "I see no duplicated parts",
        "There are No artifacts",
        "extra leg",
        "no",
        "omitted\nNo artifacts",
        "duplicated: two trunks",
    ],
)
def test_anything_else_is_an_abstention(answer: str):
    assert parse_answer(answer) is None


@given(st.text(max_size=60))
def test_any_text_is_either_an_answer_or_an_abstention(text: str):
    found = parse_answer(text)
    assert found is None or found <= set(NAMES)


def test_an_unknown_name_cannot_be_written():
    with pytest.raises(ValueError, match="'wings' is not an artifact"):
        format_answer(["omitted", "wings"])


@pytest.mark.parametrize("name", ["a, b", "omitted.", " odd  spaces"])
def test_a_taxonomy_whose_names_could_not_be_read_back_is_refused(tmp_path, name: str):
    file = tmp_path / "artifacts.yaml"
    file.write_text(f'no_artifacts: No artifacts\nartifacts:\n  - {{name: "{name}", group: g, explanation: e}}\n')
    with pytest.raises(ValueError, match="answers could not be read"):
        read_taxonomy(file)


def test_a_taxonomy_with_a_name_twice_is_refused(tmp_path):
    file = tmp_path / "artifacts.yaml"
    entry = "  - {name: omitted, group: g, explanation: e}\n"
    file.write_text(f"no_artifacts: No artifacts\nartifacts:\n{entry}{entry}")
    with pytest.raises(ValueError, match="same name"):
        read_taxonomy(file)
