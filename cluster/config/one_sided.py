# pyright: strict
"""Settings of the policy that would reach its rollout actors and not its learner."""

from __future__ import annotations

from collections.abc import Iterator

from actors.config import PolicyConfig
from learners.config import LearnerConfig


def one_sided(policy: PolicyConfig, learner: LearnerConfig) -> Iterator[str]:
    """What in the settings would make actors and learner compute differently, in a line each.

    What changes the network's numbers stands in `policy`, which both read. ZeRO-3 takes the learner's network to
    pieces: its layers are not what was compiled, and its weights lie in memory as one row.
    """
    if learner.zero_stage < 3:
        return
    if policy.compile != "none":
        yield f"policy.compile: {policy.compile} cannot be had in the learner with learner.zero_stage 3; use 2 at most"
    if policy.channels_last and not learner.algorithm.on_clean_latents:
        yield (
            "policy.channels_last: the learner cannot have it with learner.zero_stage 3, and algorithm "
            f"{learner.algorithm.kind} compares its log-probs with the actors'; use zero_stage 2 at most"
        )
