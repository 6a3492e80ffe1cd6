"""HPSv2: a CLIP tuned on rankings of pictures of the same prompt."""

from __future__ import annotations

from typing import ClassVar

from rewards.judge import SubScores
from rewards.judges.clip import ClipJudge


class HpsJudge(ClipJudge):
    """Value: the model's learnt scale times the cosine of picture and prompt (about 100 × cosine: 20 to 32 is usual).

    Source: Wu et al., Human Preference Score v2 (arXiv 2306.09341). **Comparable only within a prompt**: it learnt from
    rankings of pictures of one prompt, and a prompt's own level says nothing, so never set a mean over one list of
    prompts against the mean over another. `learner.algorithm.advantage.kind: group` compares within the
    prompt; `per_prompt` only from its `min_count` rewards of a prompt on, and with those of other prompts until then.
    `scores`: `cosine`. `features` and `truncated` are ClipJudge's.

    The folder is a transformers `CLIPModel`; the authors' open_clip checkpoint must be converted first. They pad a
    picture that is not square where CLIP's image processor crops it; square pictures are seen alike.
    """

    sub_scores: ClassVar[SubScores] = {}
    kind: ClassVar[str] = "hps"
    scaled: ClassVar[bool] = True
