"""Where this server stands: what the environment says of the session and of the addresses that a browser may open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from jupyter_server.utils import url_path_join

from .rescue import RESCUE_VARIABLE


@dataclass(frozen=True)
class Places:
    """What does not change while the server runs.

    Attributes:
        lease_id: the lease that the session was started with; None outside of one.
        attempt_id: the attempt that started it.
        site: where it runs; None outside of one.
        currency: in which costs are told.
        rescue: whether this is a session with a full home.
        pages: address of the platform's pages for a browser, with a slash at its end; None where there is no hub.
        hub_home: address of the hub's page of sessions; None where there is no hub.
    """

    lease_id: str | None
    attempt_id: str | None
    site: str | None
    currency: str | None
    rescue: bool
    pages: str | None
    hub_home: str | None


def places(environment: Mapping[str, str], control_url: str, pages_url: str) -> Places:
    """Read the environment. ``pages_url`` comes before what is made of the path of ``control_url``."""
    pages, hub_home = pages_url, ""
    # servers speak with control inside; browsers come by the same path, at the hub's public side
    if environment.get("JUPYTERHUB_SERVICE_PREFIX"):
        host = environment.get("JUPYTERHUB_HOST", "")
        hub_home = host + url_path_join(environment.get("JUPYTERHUB_BASE_URL", "/"), "hub/home")
        pages = pages or (host + urlsplit(control_url).path if control_url else "")
    return Places(
        lease_id=environment.get("PERIJOVE_LEASE_ID") or None,
        attempt_id=environment.get("PERIJOVE_ATTEMPT_ID") or None,
        site=environment.get("PERIJOVE_SITE") or None,
        currency=environment.get("PERIJOVE_CURRENCY") or None,
        rescue=environment.get(RESCUE_VARIABLE) == "1",
        pages=f"{pages.rstrip('/')}/" if pages else None,
        hub_home=hub_home or None,
    )
