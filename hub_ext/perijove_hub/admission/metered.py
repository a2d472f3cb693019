"""Admission that Prometheus may ask about: what came of each ask, and how long decisions take."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from perijove.models import (
    Inventory,
    InventoryAnswer,
    LeaseOffer,
    LeasePatch,
    LeaseRequest,
    Placement,
    Problem,
    SessionWish,
)
from perijove_hub import metrics
from perijove_hub.admission.service import AdmissionService, Refused
from perijove_hub.ledger.models import LeaseRow

Answer = TypeVar("Answer")

#: What a refusal is counted as, by its status.
OUTCOMES = {403: "not possible", 409: "conflict", 422: "invalid"}


class MeteredAdmission(AdmissionService):
    """The same, counted and timed."""

    async def ask(self, request: LeaseRequest) -> LeaseOffer:
        """Ask for a lease."""
        try:
            offer = await _timed("ask", super().ask(request))
        except Refused as refused:
            metrics.ASKS.labels(_outcome(refused.problem)).inc()
            raise
        except Exception:
            metrics.ASKS.labels("error").inc()
            raise
        metrics.ASKS.labels("offered").inc()
        if offer.starting:
            metrics.MOVES.labels("starting").inc()
        return offer

    async def place(self, owner: str, groups: frozenset[str], wish: SessionWish) -> Placement:
        """A dry run."""
        return await _timed("place", super().place(owner, groups, wish))

    async def move(self, lease_id: str, patch: LeasePatch) -> LeaseRow:
        """Move a lease."""
        moved = await _timed("move", super().move(lease_id, patch))
        metrics.MOVES.labels(patch.state).inc()
        return moved

    async def report(self, site: str, inventory: Inventory) -> InventoryAnswer:
        """Keep an inventory."""
        return await _timed("report", super().report(site, inventory))


async def _timed(call: str, answer: Awaitable[Answer]) -> Answer:
    with metrics.DECISION_SECONDS.labels(call).time():
        return await answer


def _outcome(problem: Problem) -> str:
    if problem.type == "urn:perijove:over-limit":
        return "over limit"
    return OUTCOMES.get(problem.status, "error")
