# pyright: strict
"""The judges of a run as alarms, evaluations and reports see them: their roles, and what they declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewards.config import RewardsConfig
from rewards.judge import SubScore, SubScores
from rewards.sub_scores import declared_sub_scores, default_role

GENERAL_LABELS = {"value": "mean verdict", "diversity": "diversity within a prompt"}
"""Of what is measured for every judge, see `cluster.tracking.evaluation.measure`."""


@dataclass(frozen=True)
class RunJudges:
    """Each judge's role (train, audit or gate), and the sub-scores that it declares, by the judge's name.

    A metric about a judge has the key `JUDGE/SCORE`, where SCORE is a sub-score, `value` or `diversity`.
    """

    roles: Mapping[str, str] = field(default_factory=dict[str, str])
    declared: Mapping[str, SubScores] = field(default_factory=dict[str, SubScores])

    @classmethod
    def from_yaml(cls, config: Mapping[str, Any]) -> RunJudges:
        """The judges of a run's config as read from YAML."""
        rewards: dict[str, Any] = config.get("rewards") or {}
        judges: dict[str, dict[str, Any]] = rewards.get("judges") or {}
        return cls(
            {name: str(judge.get("role") or default_role(judge.get("kind"))) for name, judge in judges.items()},
            {name: declared_sub_scores(judge.get("kind")) for name, judge in judges.items()},
        )

    @classmethod
    def from_settings(cls, rewards: RewardsConfig) -> RunJudges:
        """The judges of a run's `rewards`."""
        return cls(
            {name: judge.role for name, judge in rewards.judges.items()},
            {name: declared_sub_scores(judge.kind) for name, judge in rewards.judges.items()},
        )

    def with_role(self, role: str) -> list[str]:
        """The names of the judges with this role."""
        return [name for name, its in self.roles.items() if its == role]

    @property
    def audit(self) -> list[str]:
        """The names of the judges that are watched and never in the reward."""
        return self.with_role("audit")

    def sub_score(self, key: str) -> SubScore:
        """What is declared of the metric `JUDGE/SCORE`; of one that is not declared, nothing in particular."""
        judge, _, score = key.partition("/")
        return self.declared.get(judge, {}).get(score, SubScore())

    def label(self, key: str) -> str:
        """The words for the metric `JUDGE/SCORE`, without its judge."""
        score = key.partition("/")[2]
        return self.sub_score(key).label or GENERAL_LABELS.get(score, score.replace("_", " "))

    def audit_shares(self) -> list[str]:
        """The keys of the shares of pictures that the audit judges declare."""
        return [f"{judge}/{score}" for judge in self.audit for score, its in self._scores(judge).items() if its.share]

    def audit_flawless(self) -> list[str]:
        """The keys of the audit judges' shares of pictures without a flaw."""
        return [
            f"{judge}/{score}" for judge in self.audit for score, its in self._scores(judge).items() if its.flawless
        ]

    def _scores(self, judge: str) -> SubScores:
        return self.declared.get(judge, {})
