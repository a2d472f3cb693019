"""What admission says when it does not say yes."""

from __future__ import annotations

from perijove.models import Problem


class Refused(Exception):
    """A request that admission does not grant; :attr:`problem` goes to the caller as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def refuse(status: int, title: str, detail: str) -> Refused:
    """A refusal without quota figures."""
    return Refused(Problem(status=status, title=title, detail=detail))
