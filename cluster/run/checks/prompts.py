# pyright: strict
"""What is wrong with data sets and prompt files, and with what judges would read of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from actors.prompts import PromptList
from cluster.config.experiment import ExperimentConfig
from rewards.errors import shortened
from rewards.settings.judge import JudgeConfig

DATA = "learner.algorithm.data"


def data_problems(config: ExperimentConfig) -> Iterator[str]:
    """A line for each problem: a file that is missing, torn or lacks a column, and the first broken rows."""
    if (data := config.learner.algorithm.data_set) is not None:
        try:
            data.open()
        except ValueError as error:
            yield from (f"{DATA}: {line}" for line in str(error).splitlines())


def prompt_problems(config: ExperimentConfig) -> Iterator[str]:
    """One line per problem: of a file, of metadata that a judge could not read, of prompts that nobody could judge."""
    for key, file in config.prompt_files.items():
        try:
            prompts = PromptList(file)
        except ValueError as error:
            yield f"{key}: {str(error).removeprefix('prompts: ')}"
        else:
            yield from _unreadable(config, prompts, key)
            if key == "prompts.file" and not config.offline:
                yield from _unjudged(config, prompts)


def _unreadable(config: ExperimentConfig, prompts: PromptList, key: str) -> Iterator[str]:
    """The first metadata that each judge could not read."""
    for name, judge in config.rewards.judges.items():
        for index in range(len(prompts)):
            prompt, metadata = prompts[index]
            if judge.applies_to(metadata):
                try:
                    judge.cannot_judge(prompt, metadata)
                except ValueError as error:
                    what = str(error).removeprefix("prompt metadata: ")
                    yield f"{key}: {prompts.place(index)}: {what} (judge {name})"
                    break


def _unjudged(config: ExperimentConfig, prompts: PromptList) -> Iterator[str]:
    """Prompts that would be drawn for nothing, again and again: no train judge applies, or one that must cannot."""
    train = {name: judge for name, judge in config.rewards.judges.items() if judge.role == "train"}
    for index in range(len(prompts)):
        prompt, metadata = prompts[index]
        if not any(judge.applies_to(metadata) for judge in train.values()):
            yield (
                f"rewards.judges: no train judge applies to the prompt {shortened(prompt)!r} ({prompts.place(index)}); "
                "widen an applies_if, or give the prompt the metadata that one asks for"
            )
            break
    for name, judge in config.rewards.judges.items():
        asked = [index for index in range(len(prompts)) if judge.applies_to(prompts[index][1])]
        lacking = {index: lack for index in asked if (lack := _lack(judge, *prompts[index]))}
        must = judge.role != "audit" and config.rewards.on_error_of(name) != "renormalise"
        if lacking and (must or len(lacking) == len(asked)):
            index, lack = next(iter(lacking.items()))
            yield (
                f"rewards.judges.{name}: has no verdict on {len(lacking):,} of {len(asked):,} prompts, such as "
                f"{shortened(prompts[index][0])!r} ({prompts.place(index)}): {lack} (docs/prompts.md); or ask it "
                "about fewer by applies_if"
            )


def _lack(judge: JudgeConfig, prompt: str, metadata: Mapping[str, Any]) -> str:
    try:
        return judge.cannot_judge(prompt, metadata)
    except ValueError:  # said already, see _unreadable
        return ""
