"""Admission that Prometheus may ask about: what came of each ask, and how long decisions take."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar

from perijove.models import (
    ClusterRequest,
    Inventory,
    InventoryAnswer,
    LeaseOffer,
    LeasePatch,
    LeaseRequest,
    Placement,
    Problem,
    Resources,
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

    async def ask_cluster(self, site: str, request: ClusterRequest) -> LeaseOffer:
        """Ask for the lease of a cluster."""
        try:
            offer = await _timed("ask", super().ask_cluster(site, request))
        except Refused as refused:
            metrics.ASKS.labels(_outcome(refused.problem)).inc()
            raise
        metrics.ASKS.labels("offered").inc()
        metrics.MOVES.labels("starting").inc()
        return offer

    async def resize(
        self, site: str, lease_id: str, wanted: Resources, step: Resources | None
    ) -> tuple[LeaseRow, str | None]:
        """Let a cluster hold other resources."""
        return await _timed("resize", super().resize(site, lease_id, wanted, step))

    async def place(self, owner: str, groups: frozenset[str], wish: SessionWish) -> Placement:
        """A dry run."""
        return await _timed("place", super().place(owner, groups, wish))

    async def move(self, lease_id: str, patch: LeasePatch, ended_at: datetime | None = None) -> LeaseRow:
        """Move a lease."""
        moved = await _timed("move", super().move(lease_id, patch, ended_at))
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
