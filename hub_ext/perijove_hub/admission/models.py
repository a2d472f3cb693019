"""What admission says when it does not say yes."""

from __future__ import annotations

from perijove.models import Problem
from perijove_hub.ledger.quota import OverLimit


class Refused(Exception):
    """A request that admission does not grant; :attr:`problem` goes to the caller as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def refuse(status: int, title: str, detail: str) -> Refused:
    """A refusal without quota figures."""
    return Refused(Problem(status=status, title=title, detail=detail))


def refused_by(over: OverLimit) -> Refused:
    """A refusal by a limit, with its figures."""
    return Refused(
        Problem(
            type="urn:perijove:over-limit",
            title="Limit reached",
            status=403,
            detail=over.detail,
            limit=over.limit.limit,
            used=round(over.used, 6),
            unit=over.limit.unit,
            frees_at=over.frees_at,
        )
    )
