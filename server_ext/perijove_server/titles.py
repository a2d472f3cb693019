"""What people call sites and profiles, for whoever only has their names."""

from __future__ import annotations

import asyncio
import logging
import time

from perijove.client import AsyncControlClient, profiles_call, sites_call
from perijove.errors import PerijoveError

#: Titles change with the platform file, which is seldom; after a failure they are asked for again sooner.
BELIEVED_SECONDS = 3600.0
AGAIN_SECONDS = 60.0
#: Nobody waits longer for a title: there is the name.
PATIENCE_SECONDS = 1.0

Titles = dict[str, dict[str, str]]


class TitleBook:
    """Asks control for titles once an hour at most, and only when somebody wants them.

    Args:
        client: carries out the calls.
        log: of the server.
    """

    def __init__(self, client: AsyncControlClient, log: logging.Logger) -> None:
        self._client = client
        self._log = log
        self._titles: Titles = {"sites": {}, "profiles": {}}
        self._until = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def titles(self) -> Titles:
        """The titles of ``sites`` and ``profiles`` by their names, as far as they are known."""
        if time.monotonic() >= self._until and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask(), name="titles of sites and profiles")
        if self._asking is not None:
            # one that takes longer goes on, and its answer is there for the next
            await asyncio.wait([self._asking], timeout=PATIENCE_SECONDS)
        return self._titles

    async def close(self) -> None:
        """End what is being asked."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        self._until = time.monotonic() + AGAIN_SECONDS
        try:
            sites, profiles = await asyncio.gather(self._client.send(sites_call()), self._client.send(profiles_call()))
        except PerijoveError as error:
            self._log.debug("cannot ask for the titles of sites and profiles: %s", error.detail)
            return
        self._titles = {
            "sites": {site.name: site.title for site in sites.items},
            "profiles": {profile.name: profile.title for profile in profiles.items},
        }
        self._until = time.monotonic() + BELIEVED_SECONDS
