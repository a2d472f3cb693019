"""Leases as rows, for tests of what is decided over them without a ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from perijove.models import Explanation, Kind, LeaseOffer, LeaseState, Resources, SpawnSpec
from perijove_hub.ledger.models import LeaseRow

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def active_lease(number: int = 1, *, since: datetime = NOON, **values: Any) -> LeaseRow:
    """A session of ``ana`` that is active at ``esac`` since a moment; ``values`` take the place of what they name."""
    resources, ident = Resources(cpu=1, memory_gib=2), f"{number:032x}"
    offer = LeaseOffer(
        id=ident,
        attempt_id=ident,
        candidates=[],
        spawn=SpawnSpec(resources=resources, policy_version="1"),
        explanation=Explanation(summary=""),
    )
    row: dict[str, Any] = {
        "id": ident, "attempt_id": ident, "owner": "ana", "kind": Kind.SESSION, "name": "", "profile": "standard",
        "state": LeaseState.ACTIVE, "site": "esac", "resources": resources, "without_home": False, "offer": offer,
        "price": None, "created": since, "expires": since, "changed": since, "started": since, "last_seen": None,
        "ended": None, "reason": None,
    }  # fmt: skip
    return LeaseRow(**(row | values))
