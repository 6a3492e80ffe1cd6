"""PickScore: a CLIP tuned to say which of two pictures of a prompt people pick."""

from __future__ import annotations

from typing import ClassVar

from rewards.judge import SubScores
from rewards.judges.clip import ClipJudge


class PickScoreJudge(ClipJudge):
    """Value: the model's learnt scale times the cosine of picture and prompt (about 100 × cosine: 17 to 24 is usual).

    Source: Kirstain et al., Pick-a-Pic (arXiv 2305.01569), Eq. 1. It is trained on choices between pictures of one
    prompt, so a difference within a prompt means something (1 is odds of e : 1), one between prompts little. `scores`:
    `cosine`. `features` and `truncated` are ClipJudge's.
    """

    sub_scores: ClassVar[SubScores] = {}
    kind: ClassVar[str] = "pickscore"
    scaled: ClassVar[bool] = True
