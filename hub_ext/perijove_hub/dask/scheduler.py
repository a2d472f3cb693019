"""What a scheduler says of itself, by the page that ``perijove.scheduler_routes`` adds to its dashboard.

It runs in its owner's hands: what it says decides about nothing but its own idleness and what its owner is shown.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
from pydantic import Field, ValidationError

from perijove.models import Said, Versions

#: Where it says so.
PATH = "/perijove/state.json"
#: Less than who asks the gateway waits for it: one scheduler that hangs must not make all of its list late.
SECONDS = 1.0
#: No such page is longer.
MOST_BYTES = 64 * 1024


class SaidRange(Said):
    """Between how many workers it chooses; ``maximum`` None: as many as there is room for."""

    minimum: int = Field(default=0, ge=0)
    maximum: int | None = Field(default=None, ge=0)


class SchedulerState(Said):
    """How busy a scheduler is; ``idle_seconds`` is None while something runs, ``adaptive`` while it does not choose."""

    workers: int = Field(ge=0)
    processing: int = Field(ge=0)
    idle_seconds: float | None = Field(default=None, ge=0)
    adaptive: SaidRange | None = None
    python: str = Field(max_length=40)
    packages: dict[str, str] = Field(default_factory=dict, max_length=50)

    def versions(self) -> Versions:
        """What it runs on."""
        return Versions(python=self.python, packages=self.packages)


async def look_at_scheduler(
    session: aiohttp.ClientSession, dashboard_address: str, *, on_this_machine: bool
) -> SchedulerState | None:
    """What a scheduler says of itself now; None: it does not answer, or not in these words.

    Args:
        session: without credentials.
        dashboard_address: as the scheduler has told it, which may be anything.
        on_this_machine: schedulers of this gateway run here, and no other address is asked.
    """
    if not _is_an_address(dashboard_address, on_this_machine=on_this_machine):
        return None
    try:
        async with (
            asyncio.timeout(SECONDS),
            session.get(dashboard_address.rstrip("/") + PATH, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                return None
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > MOST_BYTES:
                    return None
            return SchedulerState.model_validate_json(bytes(body))
    except (aiohttp.ClientError, OSError, TimeoutError, ValidationError, ValueError):
        return None


def _is_an_address(text: str, *, on_this_machine: bool) -> bool:
    try:
        parts = urlsplit(text)
        if parts.scheme != "http" or not parts.hostname or parts.username or parts.port is None:
            return False
        if parts.path.strip("/") or "?" in text or "#" in text:
            return False  # of another service perhaps, with all that a GET may do there
        return not on_this_machine or ip_address(parts.hostname).is_loopback
    except ValueError:
        return False
