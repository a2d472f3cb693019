"""What a cluster is marked with: it travels in the environment of its processes, which every backend keeps with it.

So a gateway that was started again, on whatever backend, knows the lease of each of its clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perijove.dask_settings import HTTP_ROUTES, HTTP_ROUTES_VARIABLE
from perijove.models import LeaseOffer

LEASE = "PERIJOVE_LEASE_ID"
TOKEN = "PERIJOVE_LEASE_TOKEN"  # noqa: S105 - the name of a variable
SITE = "PERIJOVE_SITE"
CONTROL = "PERIJOVE_CONTROL_URL"
ATTEMPT = "PERIJOVE_ATTEMPT_ID"
IDLE = "PERIJOVE_IDLE_STOP_SECONDS"


@dataclass(frozen=True)
class Marks:
    """Whose lease a cluster runs on; ``idle_stop_seconds`` is None when it is not stopped for being idle."""

    lease_id: str
    attempt_id: str
    token: str
    idle_stop_seconds: float | None


def marked(
    given: Mapping[str, str], offer: LeaseOffer, site: str, control_url: str, idle_stop_seconds: float
) -> dict[str, str]:
    """The environment of a cluster's processes: what was given, and over it what only the gateway may say."""
    ours = {
        LEASE: offer.id,
        ATTEMPT: offer.attempt_id,
        TOKEN: offer.token or "",
        SITE: site,
        CONTROL: control_url,
        IDLE: f"{idle_stop_seconds:g}",
        HTTP_ROUTES_VARIABLE: HTTP_ROUTES,
    }
    # a name of the user's own that only looks like one of ours would be taken for it
    return {name: text for name, text in given.items() if not name.startswith("PERIJOVE_")} | ours


def marks_of(config: Mapping[str, Any]) -> Marks | None:
    """The marks in the configuration of a cluster; None: it was started without a lease."""
    environment = config.get("environment") or {}
    if LEASE not in environment or ATTEMPT not in environment:
        return None
    idle_stop_seconds = float(environment.get(IDLE, "0"))
    return Marks(environment[LEASE], environment[ATTEMPT], environment.get(TOKEN, ""), idle_stop_seconds or None)
