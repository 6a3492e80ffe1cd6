# pyright: strict
"""The pictures that an evaluation asks for: fixed prompts, fixed seeds, and the parts that actors draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from actors.prompts import PromptList
from cluster.config.experiment import ExperimentConfig
from cluster.crew.picture_shares import cut
from cluster.ledger.ticket_factory import sample_seeds

# Not the run's seed: runs that differ in their seed are evaluated alike.
EVALUATION_SEED = 20240218


@dataclass(frozen=True, slots=True)
class EvaluationPictures:
    """`samples` pictures of each prompt, one after another: picture i is of prompt i // samples.

    plain    whether plain diffusers draws them, with the pipeline's own settings
    asked    the prompts with their metadata
    seeds    one for each picture
    parts    which pictures an actor draws at a time
    """

    plain: bool
    asked: Sequence[tuple[str, Mapping[str, Any]]]
    samples: int
    seeds: Sequence[int]
    parts: Sequence[slice]

    @classmethod
    def of(cls, config: ExperimentConfig, *, plain: bool) -> Self:
        """The first `evaluation.prompts` held-out prompts, with as many pictures each as the config says."""
        settings = config.evaluation
        prompts = PromptList(config.evaluation_prompts)
        count, k = min(settings.prompts, len(prompts)), settings.plain_samples if plain else settings.samples
        return cls(
            plain=plain,
            asked=[prompts[i] for i in range(count)],
            samples=k,
            seeds=[seed for i in range(count) for seed in sample_seeds(EVALUATION_SEED, i, 0, k)],
            parts=cut(count * k, config.actors.count, config.sampler.max_batch),
        )

    @property
    def texts(self) -> list[str]:
        """The prompt of each picture."""
        return [prompt for prompt, _ in self.asked for _ in range(self.samples)]

    def questions(self, part: slice) -> tuple[list[str], list[int], list[Mapping[str, Any]]]:
        """The prompts, seeds and metadata of the pictures in one of the parts."""
        its = [self.asked[i // self.samples] for i in range(part.start, part.stop)]
        return [prompt for prompt, _ in its], list(self.seeds[part]), [metadata for _, metadata in its]

    def rows(self, prompts: int, samples: int) -> list[range]:
        """The first pictures of the first prompts, a range for each."""
        k = self.samples
        return [range(i * k, i * k + min(k, samples)) for i in range(min(len(self.asked), prompts))]
