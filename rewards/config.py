# pyright: strict
"""What a user may say about the jury: `rewards:` in the YAML."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from rewards.http_config import HttpConfig
from rewards.kinds import AnyJudge
from rewards.serving import Section


class RewardsConfig(Section):
    """The jury: judges by name, and what happens when one of them cannot answer."""

    judges: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")], AnyJudge] = Field(min_length=1)
    """judges by a name of your choice: letters, digits, - and _"""
    deadline_s: float = Field(default=60.0, gt=0)
    """seconds for a group's verdicts, retries included; a judge that is later has failed for that group"""
    retries: int = Field(default=2, ge=0)
    """calls repeated after a replica died; a judge that raises is not asked again, as it would raise again"""
    on_error: Literal["drop", "renormalise", "stop"] = "drop"
    """drop: a picture that any train judge could not score is unscored. renormalise: the judges that answered carry the
    whole weight (only for judges on one scale). stop: an error ends the run; an abstention is dropped."""
    audit_grace_s: float = Field(default=30.0, ge=0)
    """seconds that audit judges may take beyond the train judges; later ones are missing from the curves"""
    give_up_s: float = Field(default=600.0, gt=0)
    """a train judge that answers nothing for this long ends the run instead of letting it wait for ever"""
    start_timeout_s: float = Field(default=300.0, gt=0)
    """seconds for all judges to load"""
    http: HttpConfig = HttpConfig()
    """the API of `salon serve`"""

    @model_validator(mode="after")
    def _train(self) -> Self:
        if not any(judge.role == "train" for judge in self.judges.values()):
            raise ValueError("no judge has role: train, so there is no reward")
        return self
