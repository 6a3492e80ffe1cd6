# pyright: strict
"""CCSR's ten questions, and the two rules that make points of the answers (arXiv 2405.13473)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Rule = Literal["equation1", "table1"]

QUESTIONS = {
    "light": "Is the light in this picture realistic, with its shadows and reflections?",
    "patterns": "Does this picture have any unexpected patterns, even small ones?",
    "visible": "Is a {class} clearly visible in this picture?",
    "form": "Are the posture and the form of the {class}, its head, body and legs, normal?",
    "behaviour": "Does the {class} behave in a natural way?",
    "mistaken": "Is there anything else in this picture that could be mistaken for a {class}?",
    "anatomy": "Is the anatomy of the {class} right, with the right number of legs, tails and heads?",
    "colours": 'Do the colours of this picture match "{prompt}"?',
    "deviations": "Does this picture have any deviations or abnormalities, even hidden ones?",
    "prompt": 'Does this picture fully respect "{prompt}"?',
}
"""The ten questions by name, in the paper's order and in words of our own."""

GATE = "visible"
GATED = ("form", "behaviour", "mistaken", "anatomy")
"""Questions 4 to 7 count only where question 3 is answered by yes: there is nothing to ask about otherwise."""

NEGATIVE = ("patterns", "mistaken", "deviations")

_POSITIVE = (1, 0)
RULES: dict[Rule, dict[str, tuple[int, int]]] = {
    "equation1": {name: (-1, 1) if name in NEGATIVE else _POSITIVE for name in QUESTIONS},
    "table1": dict.fromkeys(QUESTIONS, _POSITIVE) | {"patterns": (-1, 0), "deviations": (0, 1)},
}
"""Points for yes and for no.

`equation1` is the paper's Eq. 1: 1 for a good yes or a good no, -1 for a bad yes, 0 otherwise, so at most 10. The
paper's Table 1 does not follow it. `table1` is the rule of the authors' released script, which reads questions 6 and
9 as the table does: 6 counts as a good thing, 9 is never negative, and 2 never positive, so at most 9. (The script
also gives question 1 its point whatever the answer is; that looks like a slip and is not repeated here.)
"""


def points(answers: Sequence[bool], rule: Rule) -> dict[str, int]:
    """The points of each question, given the ten answers (True is yes) in order; gated questions may be 0."""
    yes = dict(zip(QUESTIONS, answers, strict=True))
    counts = {name: yes[GATE] or name not in GATED for name in QUESTIONS}
    return {name: RULES[rule][name][0 if yes[name] else 1] if counts[name] else 0 for name in QUESTIONS}
