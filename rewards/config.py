# pyright: strict
"""The jury's section of the YAML: `rewards:`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from rewards.registry import AnyJudge
from rewards.settings.http import HttpConfig
from rewards.settings.section import OnError, Section


class RewardsConfig(Section):
    """The jury: judges by name, and what happens when one of them cannot answer."""

    judges: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")], AnyJudge] = Field(min_length=1)
    """judges by a name of your choice: letters, digits, - and _"""
    aggregate: Literal["reward", "advantage"] = "reward"
    """reward: the weighted sum of the judges' normalised values is compared with other rewards. advantage: each judge's
    values are compared with those of their group first, then weighted and summed, then the batch is normalised (GDPO,
    arXiv 2601.05242), so that a judge on a small scale counts too"""
    deadline_s: float = Field(default=60.0, gt=0)
    """seconds for a group's verdicts, retries included; a judge that is later has failed for that group"""
    retries: int = Field(default=2, ge=0)
    """calls repeated after a judge failed for a whole group: its replica died, or it raised or answered nonsense"""
    on_error: OnError = "drop"
    """drop: a picture that any train judge could not score is unscored. renormalise: the weights are renormalised over
    the judges that gave a value (only for judges on one scale). stop: an error ends the run; an abstention is
    dropped. A gate that could not be asked leaves the picture unscored, unless it stops the run."""
    audit_grace_s: float = Field(default=30.0, ge=0)
    """seconds that audit judges may take beyond the train judges; later ones are missing from the curves"""
    give_up_s: float = Field(default=600.0, gt=0)
    """a train judge that is asked for this long, pauses between questions not counted, and answers nothing ends the run
    instead of letting it wait for ever"""
    start_timeout_s: float = Field(default=300.0, gt=0)
    """seconds for all judges to load, which are downloaded first if they are hub names"""
    http: HttpConfig = HttpConfig()
    """the API of `salon serve`"""

    @model_validator(mode="after")
    def _train(self) -> Self:
        if not any(judge.role == "train" for judge in self.judges.values()):
            raise ValueError("no judge has role: train, so there is no reward")
        for name, judge in self.judges.items():
            if self.aggregate == "advantage" and judge.gate is not None and judge.gate.on_fail == "reward":
                raise ValueError(
                    f"judges.{name}.gate.on_fail: under aggregate: advantage there is no sum of rewards that a fixed "
                    "reward could replace; use drop or penalty, or aggregate: reward"
                )
        return self

    def never_stopping(self) -> Self:
        """The same jury, except that a judge's error leaves its picture unscored where it would end a run."""

        def lenient(on_error: OnError | None) -> OnError | None:
            return "drop" if on_error == "stop" else on_error

        judges = {
            name: judge.model_copy(update={"on_error": lenient(judge.on_error)}) for name, judge in self.judges.items()
        }
        return self.model_copy(update={"on_error": lenient(self.on_error), "judges": judges})

    def on_error_of(self, name: str) -> OnError:
        """What becomes of a picture that the judge `name` could not judge."""
        return self.judges[name].on_error or self.on_error

    def timeout_of(self, name: str) -> float:
        """Seconds that the judge `name` has for a group."""
        return self.judges[name].timeout_s or self.deadline_s

    def retries_of(self, name: str) -> int:
        """How often the judge `name` is asked again after it failed."""
        own = self.judges[name].retries
        return self.retries if own is None else own
