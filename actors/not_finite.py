# pyright: strict
"""NaN and infinity where pictures and weights are made: an error of its own, so that none of it becomes data."""

from __future__ import annotations


class NotFinite(FloatingPointError):  # noqa: N818 - it names what happened
    """`what` has NaN or infinity in it; `why` goes on from there: where that began, and what may help.

    A picture of NaN would be black, a judge would judge it, and the learner would train on it. So the group is dropped,
    and an actor that makes nothing else ends (`actors.same_error_limit`). A learner that meets it publishes nothing,
    and the run can go on from its last checkpoint.
    """

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what, why)  # both, or the error could not travel between processes
        self.what, self.why = what, why

    def __str__(self) -> str:
        return f"{self.what} are not finite {self.why}"

    @property
    def reason(self) -> str:
        """The same for all groups that are dropped for it, since the ledger counts by it."""
        return f"not finite: {self.what}"
