"""The arithmetic of concurrent quotas: which limit applies to whom, and whether one more workload fits.

Pure: what is held is passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from perijove.models import QuotaView, Resources
from perijove_hub.policy.models import EVERYBODY, Quota

UNITS = {"sessions": "sessions", "cpu": "cores", "memory_gib": "GiB", "gpu": "GPUs"}

#: Sums of floats that were admitted one by one must not refuse the last that fits.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Held:
    """What the open leases of one subject hold together."""

    sessions: int = 0
    cpu: float = 0.0
    memory_gib: float = 0.0
    gpu: int = 0

    def of(self, resource: str) -> float:
        """The held amount of a quota's resource."""
        return float(getattr(self, resource))


@dataclass(frozen=True)
class OverLimit:
    """A limit that one more workload would pass."""

    quota: Quota
    used: float
    needed: float

    @property
    def detail(self) -> str:
        """The refusal in one sentence: which limit, how much is used, and what to do."""
        unit = UNITS[self.quota.resource]
        used = f"{self.used:g} of {self.quota.limit:g} {unit} used"
        if self.quota.resource == "sessions":
            return f"Limit {self.quota.name} reached: {used}. Stop a running server, then start this one."
        return (
            f"Limit {self.quota.name} would be passed: {used}, and {self.needed:g} more are needed. "
            "Stop a running server or choose a smaller profile."
        )


def applicable_quotas(quotas: Iterable[Quota], groups: frozenset[str]) -> list[Quota]:
    """The quota per resource that binds a member of ``groups``: the most generous of those that match."""
    best: dict[str, Quota] = {}
    for quota in quotas:
        matches = EVERYBODY in quota.applies_to.groups or groups.intersection(quota.applies_to.groups)
        if matches and (quota.resource not in best or quota.limit > best[quota.resource].limit):
            best[quota.resource] = quota
    return list(best.values())


def first_over_limit(quotas: Sequence[Quota], held: Held, resources: Resources) -> OverLimit | None:
    """The first limit that one more session of these resources would pass, or None."""
    needs = {"sessions": 1.0, "cpu": resources.cpu, "memory_gib": resources.memory_gib, "gpu": float(resources.gpu)}
    for quota in quotas:
        used, needed = held.of(quota.resource), needs[quota.resource]
        # a limit that is passed already (it was lowered) refuses only what asks for more of it
        if needed > 0 and used + needed > quota.limit + TOLERANCE:
            return OverLimit(quota, used, needed)
    return None


def view_quota(quota: Quota, held: Held) -> QuotaView:
    """A limit as its holder sees it."""
    used = held.of(quota.resource)
    state: Literal["ok", "warning", "exhausted"] = "ok"
    if used >= quota.limit - TOLERANCE:
        state = "exhausted"
    elif quota.warn_at and used >= min(quota.warn_at) * quota.limit:
        state = "warning"
    return QuotaView(
        name=quota.name,
        resource=quota.resource,
        unit=UNITS[quota.resource],
        limit=quota.limit,
        used=used,
        per=quota.per,
        state=state,
    )
