# pyright: strict
"""Prompts that are longer than the policy's text encoder reads, as a user is told before a run starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actors.prompts import PromptList
from cluster.config.experiment import ExperimentConfig
from rewards.errors import shortened


def cut_prompts(config: ExperimentConfig) -> Iterator[str]:
    """A line for each prompt file with prompts that are cut: how many, the longest, and what of it is lost. None for a
    policy on the hub, whose tokenizer is not here yet."""
    if not Path(config.policy.model, "model_index.json").is_file():
        return
    from actors.diffusion.pipelines.registry import kind_of

    reader = kind_of(config.policy.model).stored_reader(config.policy.model)
    for file in dict.fromkeys(config.prompt_files.values()):
        if reader is not None:
            yield from _cut(PromptList(file), *reader)


def _cut(prompts: PromptList, tokenizer: Any, limit: int) -> Iterator[str]:
    lengths: dict[int, int] = {}
    for index in range(len(prompts)):
        prompt, _ = prompts[index]
        # A token is a byte at least, so a short prompt need not be looked at.
        if len(prompt.encode()) + 2 > limit and (tokens := len(tokenizer(prompt).input_ids)) > limit:
            lengths[index] = tokens
    if not lengths:
        return
    longest = max(lengths, key=lambda index: lengths[index])
    ids: list[int] = tokenizer(prompts[longest][0], add_special_tokens=False).input_ids
    marks = lengths[longest] - len(ids)
    lost = str(tokenizer.decode(ids[limit - marks :])).strip()
    yield (
        f"{len(lengths):,} of {len(prompts):,} prompts in {prompts.file} are cut: the policy's text encoder reads "
        f"{limit} tokens, and the longest ({prompts.place(longest)}) has {lengths[longest]:,}; of it is lost "
        f"{shortened(lost, 100)!r}"
    )
