"""CLIPs tuned on people's choices between pictures of one prompt: PickScore and HPSv2."""

from __future__ import annotations

from typing import ClassVar

from rewards.judge import SubScores
from rewards.judges.clip import ClipJudge, PreferenceConfig


class PickScoreConfig(PreferenceConfig):
    """PickScore: which of two pictures of a prompt people pick."""

    kind: str = "pickscore"


class PickScoreJudge(ClipJudge):
    """Value: the model's learnt scale times the cosine of picture and prompt (about 100 × cosine: 17 to 24 is usual).

    Source: Kirstain et al., Pick-a-Pic (arXiv 2305.01569), Eq. 1. It is trained on choices between pictures of one
    prompt, so a difference within a prompt means something (1 is odds of e : 1), one between prompts little. `scores`:
    `cosine`. `features` and `truncated` are ClipJudge's.
    """

    Config = PickScoreConfig
    sub_scores: ClassVar[SubScores] = {}
    kind: ClassVar[str] = "pickscore"
    scaled: ClassVar[bool] = True


class HpsConfig(PreferenceConfig):
    """HPSv2: how people rank pictures of one prompt. Values of different prompts can't be compared."""

    kind: str = "hps"


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

    Config = HpsConfig
    sub_scores: ClassVar[SubScores] = {}
    kind: ClassVar[str] = "hps"
    scaled: ClassVar[bool] = True
