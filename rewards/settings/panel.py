"""Settings of what becomes of one judge's values: `normalise:`, `gate:` and `applies_if:` in the YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, cast

from pydantic import Field, model_validator

from rewards.settings.section import Anything, Section


class NormaliseConfig(Section):
    """How a judge's values are normalised before they are clipped and weighted; a bare kind is enough (`rank`)."""

    kind: Literal["none", "affine", "running", "group", "rank"] = "none"
    """none: unchanged. affine: scale * value + offset. running: z-score by this judge's values of the run so far.
    group: z-score within the prompt's group. rank: rank within the group, from 0 (worst) to 1; ties share the mean"""
    scale: float = 1.0
    """`affine`: factor; negative if less is better"""
    offset: float = 0.0
    """`affine`: added after the factor"""
    memory: int = Field(default=4096, ge=1)
    """`running`: about how many of the latest values count; older ones fade"""

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        for key, kind in (("scale", "affine"), ("offset", "affine"), ("memory", "running")):
            if key in self.model_fields_set and self.kind != kind:
                raise ValueError(f"{key} belongs to kind: {kind}, not to kind: {self.kind}")
        if self.scale == 0:
            raise ValueError("scale: 0 makes every value the same; negative if less is better, else above 0")
        return self

    @property
    def relative(self) -> bool:
        """Whether a value is compared with others; if so, only the learner can normalise it."""
        return self.kind in ("running", "group", "rank")


class GateConfig(Section):
    """A condition on a judge's own number, before normalising, and what becomes of a picture that fails it."""

    op: Literal[">=", ">", "<=", "<", "=="]
    """the number must be this to `threshold`; in quotes, as YAML has a use for > of its own"""
    threshold: float
    """what the number is compared with, on the judge's own scale"""
    score: str | None = None
    """a sub-score of the judge; default: its value"""
    on_fail: Literal["drop", "reward", "penalty"] = "drop"
    """drop: the picture is unscored and its group is drawn anew, so for what seldom fails. reward: its reward is
    `amount`. penalty: `amount` is subtracted from its reward (`aggregate: advantage`: from its sum of advantages)"""
    amount: float | None = None
    """the reward or the penalty"""

    @model_validator(mode="after")
    def _amount(self) -> Self:
        if self.on_fail == "drop" and self.amount is not None:
            raise ValueError("on_fail: drop has no amount; did you mean on_fail: reward or on_fail: penalty?")
        if self.on_fail != "drop" and self.amount is None:
            raise ValueError(f"on_fail: {self.on_fail} needs an amount")
        if self.on_fail == "penalty" and self.amount is not None and self.amount <= 0:
            raise ValueError(f"the amount of a penalty is subtracted, so it must be above 0, not {self.amount:g}")
        return self


class AppliesIf(Section):
    """A condition on the metadata of a prompt."""

    key: str = Field(min_length=1)
    """a key of the prompt's metadata"""
    op: Literal["equals", "in", "exists"] = "exists"
    """exists: the key is there. equals: it has `value`. in: it is one of the list `value`"""
    value: Anything = None
    """`equals`: the value that the key must have. `in`: the list that its value must be in"""

    @model_validator(mode="after")
    def _value(self) -> Self:
        if (self.op == "exists") == ("value" in self.model_fields_set):
            wanted = "takes no value; did you mean op: equals?" if self.op == "exists" else "needs a value"
            raise ValueError(f"op: {self.op} {wanted}")
        if self.op == "in" and not isinstance(self.value, list):
            raise ValueError(f"op: in needs a list as its value, not {self.value!r}")
        return self

    def holds(self, metadata: Mapping[str, Any]) -> bool:
        """Whether a prompt of this metadata fulfils it."""
        if self.key not in metadata:
            return False
        found = metadata[self.key]
        if self.op == "in":
            return found in cast("list[Any]", self.value)
        return self.op == "exists" or found == self.value
