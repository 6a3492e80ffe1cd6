"""An experiment: the one YAML file that says everything about a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self, cast

import numpy as np
import yaml
from pydantic import Field, model_validator

from actors.config import ActorsConfig, AuditConfig, PolicyConfig, PromptsConfig, SamplerConfig
from actors.diffusion.evaluation_settings import PlainSettings, SampledSettings
from cluster.config.loading import load_as
from cluster.config.one_sided import one_sided
from cluster.tracking.alarm import AlarmConfig
from cluster.tracking.tracking import TrackingConfig
from learners.config import LearnerConfig
from learners.settings import TrainingSpec
from rewards.config import RewardsConfig
from rewards.settings.section import AtMost, Section


class EvaluationConfig(Section):
    """Pictures at fixed prompts and seeds, drawn before and after training and on the way; all judges look at them."""

    every: int = Field(default=0, ge=0)
    """updates between evaluations; 0: only before and after"""
    prompts: int = Field(default=32, ge=1)
    """how many of the held-out prompts, from the first; all if there are fewer"""
    samples: int = Field(default=4, ge=0)
    """pictures per prompt, sampled as in training but for what `sampler` says; 0: none"""
    plain_samples: int = Field(default=1, ge=0)
    """pictures per prompt, in addition, that plain diffusers draws with the pipeline's own scheduler, steps and
    guidance, as people will use the policy, but for what `plain` says; 0: none"""
    sampler: SampledSettings = SampledSettings()
    plain: PlainSettings = PlainSettings()

    @property
    def drawn(self) -> int:
        """Pictures per prompt in all; with none there are no evaluations."""
        return self.samples + self.plain_samples

    def due(self, update: int) -> bool:
        """Whether an evaluation belongs after `update`."""
        return self.every > 0 and update % self.every == 0


class ClusterConfig(Section):
    """The machine or cluster that the run is on."""

    address: str | None = None
    """an existing Ray cluster ("auto", or host:port); default: a Ray of the run's own on this machine"""
    num_cpus: int | None = Field(default=None, ge=1)
    """logical CPUs that Ray shares out on this machine; default: those that the machine has"""
    object_store_mb: int = Field(default=400, ge=80)
    """memory for trajectories and pictures on their way, in MB"""
    service_cpus: float = Field(default=0.05, ge=0)
    """logical CPUs of the ledger and of the weight store, each"""
    group_failures: int = Field(default=50, ge=1)
    """a prompt group that comes to nothing this many times ends the run with the last reason"""
    stalled_after_s: float = Field(default=600.0, gt=0)
    """seconds without a living rollout actor before the run ends with an error"""
    stop_grace_s: float = Field(default=20.0, ge=0)
    """seconds that a signal (Ctrl-C, SIGTERM, SIGHUP) leaves the update in training to end and to be saved; a second
    signal takes them back"""


NO_JUDGES = RewardsConfig.model_construct(judges={})
"""What an offline run without evaluations has in the place of a jury; no YAML can say it."""


class ExperimentConfig(Section):
    """A run: what is trained, on what, by whose judgement, and for how long."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)
    """the run's directory is runs/NAME"""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """decides initial adapter, prompt order, all noise, and which timesteps are trained"""
    updates: int = Field(ge=1)
    """policies to publish: the only finite clock of a run"""
    groups_per_update: Annotated[int, Field(ge=1), AtMost(100_000, "no memory holds the groups of more")] = 8
    """P: prompt groups that one update trains"""
    samples_per_prompt: Annotated[int, Field(ge=1), AtMost(10**6, "no memory holds a group of more")] = 8
    """k: pictures of each group"""
    max_lag: int = Field(default=1, ge=0)
    """S: how many updates the policy that drew a picture may be behind the one that is trained; 0: synchronous"""
    policy: PolicyConfig
    sampler: SamplerConfig = SamplerConfig()
    prompts: PromptsConfig | None = None
    """an offline run needs them for its evaluations only"""
    actors: ActorsConfig = ActorsConfig()
    rewards: RewardsConfig = NO_JUDGES
    """an offline run needs them for its evaluations only"""
    learner: LearnerConfig = LearnerConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: TrackingConfig = TrackingConfig()
    audit: AuditConfig = AuditConfig()
    alarm: AlarmConfig = AlarmConfig()
    cluster: ClusterConfig = ClusterConfig()
    checkpoint_every: int = Field(default=5, ge=1)
    """updates between checkpoints"""

    @model_validator(mode="before")
    @classmethod
    def _sections(cls, values: Any) -> Any:
        """What a run draws it draws of prompts, for judges: their sections are checked even where they are not there,
        but for an offline run."""
        if not isinstance(values, Mapping) or _offline(cast("Mapping[str, Any]", values)):
            return cast("object", values)
        return {"prompts": {}, "rewards": {}, **cast("Mapping[str, Any]", values)}

    @model_validator(mode="after")
    def _arithmetic_works_out(self) -> Self:
        if problems := [*self._problems()]:
            raise ValueError("\n".join(problems))
        return self

    @property
    def audit_judges(self) -> list[str]:
        """The judges that watch a run and are never in its reward."""
        return [name for name, judge in self.rewards.judges.items() if judge.role == "audit"]

    @property
    def offline(self) -> bool:
        """Whether it trains on a data set: nothing is drawn or judged but for evaluations."""
        return self.learner.algorithm.data_set is not None

    @property
    def evaluates(self) -> bool:
        """Whether there are evaluations."""
        return self.prompts is not None and bool(self.rewards.judges) and self.evaluation.drawn > 0

    @property
    def draws(self) -> bool:
        """Whether rollout actors and judges are needed at all."""
        return not self.offline or self.evaluates

    @property
    def prompt_files(self) -> dict[str, Path]:
        """The prompt files by their keys."""
        files = () if self.prompts is None else (("file", self.prompts.file), ("holdout", self.prompts.holdout))
        return {f"prompts.{key}": file for key, file in files if file is not None}

    @property
    def evaluation_prompts(self) -> Path:
        """The file of the prompts for evaluations; raises KeyError if there are no prompts."""
        files = self.prompt_files
        return files.get("prompts.holdout") or files["prompts.file"]

    @property
    def training(self) -> TrainingSpec:
        """What a learner needs to know of this run. A row of a data set counts as a group of one sample."""
        data = self.learner.algorithm.data_set
        return TrainingSpec(
            learner=self.learner,
            sampler=self.sampler,
            groups=self.groups_per_update if data is None else data.batch,
            samples=self.samples_per_prompt if data is None else 1,
            seed=self.seed,
            updates=self.updates,
            rewards=self.rewards if self.rewards.judges else None,
        )

    def _problems(self) -> list[str]:
        problems = [*self._missing()]
        groups, samples, learner = self.training.groups, self.training.samples, self.learner
        step = groups * samples // learner.minibatches
        if self.offline and (groups % learner.workers or groups // learner.workers % learner.minibatches):
            problems.append(
                f"learner.algorithm.data.batch: {groups} rows do not split into learner.workers {learner.workers} × "
                f"learner.minibatches {learner.minibatches} equal parts; choose a multiple of "
                f"{learner.workers * learner.minibatches}"
            )
        elif samples > step:
            problems.append(
                f"samples_per_prompt: a group of {samples} samples is larger than the batch of {step} that one "
                f"optimizer step trains ({groups} groups × {samples} samples in {learner.minibatches} minibatches); "
                f"set learner.minibatches to {groups} at most"
            )
        else:
            try:
                learner.algorithm.arithmetic(self.training, np.ones(self.sampler.steps, bool))
            except ValueError as error:
                problems.append(str(error))
        if learner.warmup >= self.updates:
            problems.append(
                f"learner.warmup: after {learner.warmup} updates of warm-up nothing would be left of the "
                f"{self.updates} updates of the run; set it lower"
            )
        problems += learner.algorithm.problems(self.training)
        problems += one_sided(self.policy, learner)
        if self.alarm.on_alarm != "warn" and self.offline:
            problems.append(
                f"alarm.on_alarm: {self.alarm.on_alarm} would wait for an alarm that cannot ring, as an offline run "
                "has no reward that could rise; leave it out"
            )
        elif self.alarm.on_alarm != "warn" and not (self.audit_judges or self.alarm.watch):
            problems.append(
                f"alarm.on_alarm: {self.alarm.on_alarm} would wait for an alarm that cannot ring, as nothing is "
                "watched; give a judge role: audit, or say what to watch in alarm.watch"
            )
        # A group may be lost with an actor that froze when it was nearly done, and is then made again.
        patience = self.actors.lost_after_s + 2 * self.actors.ticket_deadline_s
        if learner.batch_deadline_s < patience and not self.offline:
            problems.append(
                f"learner.batch_deadline_s: {learner.batch_deadline_s:g} would end the run before a lost group is made "
                f"again; set it to {patience:g} at least, or lower actors.ticket_deadline_s "
                f"{self.actors.ticket_deadline_s:g}"
            )
        return [*problems, *self._panel_problems()]

    def _missing(self) -> Iterator[str]:
        """The section that the evaluations of an offline run need and do not have."""
        has = {"prompts": self.prompts is not None, "rewards": bool(self.rewards.judges)}
        if self.evaluation.drawn and len({*has.values()}) == 2:
            lacking, other = sorted(has, key=lambda key: has[key])
            yield (
                f"{lacking}: is missing; the evaluations of an offline run need prompts and rewards. Leave {other} "
                "out, too, for a run without evaluations, or set evaluation.samples and evaluation.plain_samples to 0"
            )

    def _panel_problems(self) -> Iterator[str]:
        rewards, alone = self.rewards, self.samples_per_prompt == 1 and not self.offline
        for name, judge in rewards.judges.items():
            if alone and judge.role == "train" and judge.normalise.kind in ("group", "rank"):
                yield (
                    f"rewards.judges.{name}.normalise: with 1 sample a group (samples_per_prompt) there is nothing to "
                    f"compare with by kind: {judge.normalise.kind}; use at least 2 samples, or kind: running"
                )
        keys = {n: f"judges.{n}.timeout_s" if judge.timeout_s else "deadline_s" for n, judge in rewards.judges.items()}
        # Judges without a timeout of their own share one key, which is named once.
        for key, seconds in {key: rewards.timeout_of(name) for name, key in keys.items()}.items():
            if seconds >= self.actors.ticket_deadline_s:
                yield (
                    f"rewards.{key}: {seconds:g} must be shorter than actors.ticket_deadline_s "
                    f"{self.actors.ticket_deadline_s:g}, after which the group is given up"
                )


def _offline(values: Mapping[str, Any]) -> bool:
    """Whether the values of an experiment, as they are written, name a data set to train on."""
    learner: Any = values.get("learner")
    if isinstance(learner, LearnerConfig):
        return learner.algorithm.data_set is not None
    algorithm: Any = cast("Mapping[str, Any]", learner).get("algorithm") if isinstance(learner, Mapping) else None
    return isinstance(algorithm, Mapping) and cast("Mapping[str, Any]", algorithm).get("data") is not None


def load_config(path: Path, overrides: Sequence[str] = (), *, stored: bool = False) -> ExperimentConfig:
    """The experiment in the YAML file at `path`, with `overrides` ("a.b=c", c read as YAML) on top.

    A key under its former name is read, and a line on stderr says its name of today; not for the keys of a file that
    is `stored` in a run's directory. Raises ConfigError, with one line per problem, for a file or override that cannot
    be read and for every key that is unknown, missing or has a value it cannot have.
    """
    return load_as(ExperimentConfig, path, overrides, stored=stored)


def dump_config(config: ExperimentConfig) -> str:
    """YAML that `load_config` reads back as an equal config; says what was set and leaves defaults out."""
    values = config.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
