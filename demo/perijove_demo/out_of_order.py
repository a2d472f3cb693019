"""A site of the demo that is out of order on purpose, so that a fail-over can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from perijove_hub.sites import Ending, Handle, SiteError, StartSpec, Status

#: The name of the site in the demo's platform file.
OUT_OF_ORDER = "polar"


class OutOfOrder:
    """Answers like a site that is up, and starts nothing."""

    async def start(self, spec: StartSpec, attempt_id: str) -> Handle:
        """Fail, as a machine does whose cooling has failed.

        Raises:
            SiteError: always.
        """
        raise SiteError("its cooling has failed (this site of the demo is out of order on purpose)")

    async def poll(self, handle: Handle) -> Status:
        """Nothing runs here."""
        return Status.STOPPED

    async def silent_since(self, attempt_id: str) -> datetime | None:
        """Nothing runs here."""
        return None

    async def stop(self, handle: Handle) -> None:
        """There is nothing to end."""

    async def list(self) -> Sequence[str]:
        """Nothing runs here."""
        return []

    async def ending(self, attempt_id: str) -> Ending:
        """Nothing ended here."""
        return Ending()

    async def log_tail(self, attempt_id: str) -> str:
        """Nothing was written here."""
        return ""

    async def home_bytes(self, owner: str) -> int | None:
        """No home is here."""
        return None
