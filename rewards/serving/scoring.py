# pyright: strict
"""A hearing: any pictures, of any sizes, before any jury."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rewards.arrays import ImageArray
from rewards.config import RewardsConfig
from rewards.panel.panel import Panel
from rewards.prompt_metadata import metadata_of
from rewards.verdict import Verdict


class Jury(Protocol):
    """All judges together: replicas behind a JuryHandle, or a LocalJury.

    A judge that fails gives verdicts with status `error`; `verdicts` does not raise because of it.
    """

    @property
    def config(self) -> RewardsConfig: ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Judge name → version."""
        ...

    async def verdicts(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> dict[str, list[Verdict]]:
        """Judge name → one verdict for each of the `n` pictures `[n, h, w, 3]` uint8 and their `n` prompts."""
        ...

    def stats(self) -> Mapping[str, Mapping[str, float]]:
        """Judge name → what this process has seen of it (see `JudgeStats.stats`); empty if it keeps no count."""
        ...


@dataclass(frozen=True, slots=True)
class Judged:
    """One picture `[h, w, 3]`, every judge's verdict, and the reward: None if it is unscored."""

    image: ImageArray
    prompt: str
    verdicts: dict[str, Verdict]
    reward: float | None


async def score(
    jury: Jury,
    images: Sequence[ImageArray],
    prompts: Sequence[str],
    metadata: Sequence[Mapping[str, Any]] | None = None,
) -> list[Judged]:
    """Verdicts and rewards of `images` (each `[h, w, 3]` uint8, of any sizes) with one prompt each, in order.

    Pictures of one size go to the judges together. Rewards are those that a run's curves show, except that a judge's
    error only leaves its picture unscored where `on_error: stop` would end a run.
    """
    known = metadata_of(len(images), metadata)
    panel = Panel(jury.config.never_stopping())
    judged: dict[int, Judged] = {}
    by_size: dict[tuple[int, ...], list[int]] = {}
    for i, image in enumerate(images):
        by_size.setdefault(image.shape, []).append(i)
    for indices in by_size.values():
        verdicts = await jury.verdicts(
            np.stack([images[i] for i in indices]), [prompts[i] for i in indices], [known[i] for i in indices]
        )
        for k, i in enumerate(indices):
            own = {name: of_all[k] for name, of_all in verdicts.items()}
            # Each by itself: a panel scores pictures of one prompt, and these may each have their own.
            result = panel.score({name: [verdict] for name, verdict in own.items()}, 1, known[i])
            judged[i] = Judged(images[i], prompts[i], own, float(result.rewards[0]) if result.scored[0] else None)
    return [judged[i] for i in range(len(images))]
