"""The batch arithmetic of a run, in words: what a user reads before it starts."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from pathlib import Path

import numpy as np

from actors.prompts import PromptList
from cluster.config.balance import Balance
from cluster.config.experiment import ExperimentConfig
from learners.sources.data_set_config import DataSetConfig
from rewards.arrays import BoolArray
from rewards.text import many

ONLINE = ("groups_per_update", "samples_per_prompt", "max_lag")
"""Keys that say how pictures are drawn for training."""


def describe(config: ExperimentConfig) -> list[str]:
    """One sentence or two per line: rollouts, updates, their balance, lag, prompts, evaluation, checkpoints; of an
    offline run its data in the place of the rollouts."""
    if (data := config.learner.algorithm.data_set) is not None:
        sampler = _sampler(config) if config.evaluates else ()
        return [*_data(config, data), *_update(config), *sampler, *_rest(config)]
    return [
        *_rollouts(config),
        *_sampler(config),
        *_update(config),
        balance(config).in_words(config.groups_per_update, synchronous=config.max_lag == 0),
        *_lag(config),
        *_prompts(config),
        *_rest(config),
    ]


def balance(config: ExperimentConfig) -> Balance:
    """The network passes of a picture on both sides, and the processes that share them."""
    learner, algorithm = config.learner, config.learner.algorithm
    draw = config.sampler.steps * _passes(config, config.sampler.guidance)
    train = algorithm.passes(config.training, stochastic_steps(config))
    train *= _passes(config, algorithm.trained_guidance(config.training))
    return Balance(draw, train, config.actors.count, learner.workers)


def stochastic_steps(config: ExperimentConfig) -> BoolArray:
    """Which of the sampler's steps add noise, and so can be trained; all of them if the model is not on disk."""
    sampler = config.sampler
    if not _on_disk(config):
        return np.ones(sampler.steps, bool)
    from actors.diffusion.pipelines.registry import stored_transition

    return stored_transition(config.policy, sampler).stochastic.numpy()


def _sampler(c: ExperimentConfig) -> Iterator[str]:
    """Where rollouts are drawn by another sampler than the pipeline's own."""
    from actors.diffusion.pipelines.registry import stored_scheduler, stored_transition

    if _on_disk(c):
        drawn, own = stored_transition(c.policy, c.sampler), stored_scheduler(c.policy.model)
        if own != drawn.scheduler:
            why = "" if c.learner.algorithm.on_clean_latents else ": training needs the log-prob of every step"
            yield (
                f"Rollouts draw with {drawn.in_words} on the noise schedule of the pipeline's {own}, not with that "
                f"itself{why}."
            )


def _rollouts(c: ExperimentConfig) -> Iterator[str]:
    pictures = c.updates * c.groups_per_update * c.samples_per_prompt
    passes = _passes(c, c.sampler.guidance)
    forwards = pictures * c.sampler.steps * passes
    rollouts = [(c.updates, "update"), (c.groups_per_update, "prompt"), (c.samples_per_prompt, "sample")]
    yield (
        f"{' × '.join(many(*factor) for factor in rollouts)} = {many(pictures, 'picture')}, each of "
        f"{many(c.sampler.steps, 'denoising step')}: {many(forwards, 'network pass', 'network passes')} to draw"
        f"{', two a step for guidance' if passes == 2 else ''}."
    )


def _data(c: ExperimentConfig, data: DataSetConfig) -> Iterator[str]:
    rows = data.open()
    total = c.updates * data.batch
    yield (
        f"An offline run on {rows.in_words}: nothing is drawn or judged for training."
        + "".join(f" {key} has no meaning here." for key in ONLINE if key in c.model_fields_set)
    )
    yield (
        f"{many(c.updates, 'update')} × {many(data.batch, rows.noun)} = {many(total, rows.noun)}: each is seen "
        f"{total / len(rows):.3g} times on average."
    )


def _update(c: ExperimentConfig) -> Iterator[str]:
    learner, stochastic = c.learner, stochastic_steps(c)
    a = learner.algorithm.arithmetic(c.training, stochastic)
    loops = f"{many(learner.inner_epochs, 'epoch')} × {many(learner.minibatches, 'minibatch', 'minibatches')}"
    yield (
        f"One update trains {learner.algorithm.trained_in_words(c.training, stochastic)}: "
        f"{many(a.optimizer_steps, 'optimizer step')} ({loops}) of {a.pairs * learner.workers:,} (picture, step) "
        f"pairs; {many(c.updates * a.optimizer_steps, 'optimizer step')} in the run."
    )
    share = many(c.training.groups // learner.workers, "row" if c.offline else "group")
    yield (
        f"{many(learner.workers, 'learner worker')} with {share} "
        f"each: {many(a.pairs, 'pair')} per optimizer step and worker, in {many(a.accumulation, 'forward')} of at "
        f"most {learner.micro_batch}."
    )


def _lag(c: ExperimentConfig) -> Iterator[str]:
    window = min(c.max_lag + 1, c.updates) * c.groups_per_update
    if c.max_lag == 0:
        yield "max_lag 0, synchronous: a policy trains on its own pictures only; drawing and training take turns."
    else:
        yield (
            f"max_lag {c.max_lag}: at most {many(window, 'group')} on their way at once; nothing is trained that was "
            f"drawn by a policy more than {many(c.max_lag, 'update')} older."
        )


def _prompts(c: ExperimentConfig) -> Iterator[str]:
    file = c.prompt_files["prompts.file"]
    count = len(PromptList(file))
    visits = c.updates * c.groups_per_update / count
    line = f"{many(count, 'prompt')} in {file}, each drawn {visits:.3g} times on average."
    advantage = c.learner.algorithm.compared_by
    if advantage is not None and advantage.kind == "per_prompt":
        needed = ceil(advantage.min_count / c.samples_per_prompt)
        line += (
            f" From its {_ordinal(needed)} time on a prompt's rewards are compared with its own "
            f"(min_count {advantage.min_count}), before that with the whole batch's."
        )
        if visits < needed:
            line += " Most prompts never come that far: their number is large for this run."
    yield line


def _rest(c: ExperimentConfig) -> Iterator[str]:
    e = c.evaluation
    if not c.evaluates:
        why = "" if e.drawn else " (evaluation.samples and evaluation.plain_samples are 0)"
        yield f"No evaluations{why or ', as there are no prompts and rewards'}. {_checkpoints(c)}"
        return
    prompts = min(e.prompts, len(PromptList(c.evaluation_prompts)))
    settings = "the settings of evaluation.plain" if e.plain.model_fields_set else "the pipeline's own settings"
    plain = f", and {prompts * e.plain_samples:,} with {settings}" if e.plain_samples else ""
    between = f", every {many(e.every, 'update')}" if e.every else ""
    yield (
        f"Evaluation before{between} and after: {many(prompts, 'prompt')} × {many(e.samples, 'sample')} = "
        f"{many(prompts * e.samples, 'picture')} each time{plain}. {_checkpoints(c)}"
    )


def _checkpoints(c: ExperimentConfig) -> str:
    return f"A checkpoint every {many(c.checkpoint_every, 'update')}."


def _passes(c: ExperimentConfig, guidance: float) -> int:
    """Forward passes of a prediction, as for classifier-free guidance if the model is not on disk."""
    from actors.diffusion.pipelines.pipeline import Pipeline
    from actors.diffusion.pipelines.registry import kind_of

    return (kind_of(c.policy.model) if _on_disk(c) else Pipeline).passes(guidance)


def _on_disk(c: ExperimentConfig) -> bool:
    return Path(c.policy.model, "scheduler", "scheduler_config.json").is_file()


def _ordinal(n: int) -> str:
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
