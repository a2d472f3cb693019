"""A named server that never came up is no server: it goes from the hub's list with the start that failed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from jupyterhub.handlers.pages import SpawnHandler
from sqlalchemy.orm import object_session

#: How long the page that waits for a start may still ask why it failed.
TOLD_SECONDS = 10.0


class Ghost:
    """Removes the row of a named server in the hub's database when the start fails that the row was made for.

    A row that has been up before stays, and so does one that somebody made ahead of its start by the hub's API.

    Args:
        spawner: the hub's object for the server, as it is being made.
    """

    def __init__(self, spawner: Any) -> None:
        self._spawner = spawner
        row = spawner.orm_spawner
        self._made_at = time.monotonic()
        # the hub writes the state of every server that came up, and of every start that failed
        never_up = row is not None and bool(row.name) and row.state is None
        self._is_fresh = never_up and row.server is None and not row.user_options
        #: a hub died in the first start of this one: it has been given an address and never a state
        self._was_starting = never_up and row.server is not None
        self._is_ghost = False

    def starts_for(self, handler: Any) -> None:
        """Note what asks for the start: the request that made the row, or the form whose page has made it."""
        if self._is_fresh and handler is not None:
            age_seconds = time.monotonic() - self._made_at
            self._is_ghost = age_seconds <= handler.request.request_time() or isinstance(handler, SpawnHandler)

    def lay(self) -> None:
        """Remove the row if a start has just failed. The hub commits it with what it writes itself next."""
        spawner, failing = self._spawner, self._spawner._spawn_future
        if failing is not None and (failing.done() or not self._is_ghost):
            return
        if failing is None and not self._was_starting:
            return
        row = spawner.orm_spawner
        session = object_session(row)
        if session is None:
            return
        session.delete(row)
        if failing is not None:
            # who waits for the answer is told by it; the others ask for it with another request
            waits = spawner.handler is not None and not spawner.handler._finished
            loop = asyncio.get_running_loop()
            failing.add_done_callback(lambda _: loop.call_later(0 if waits else TOLD_SECONDS, self._forget))

    def _forget(self) -> None:
        spawners = self._spawner.user.spawners
        if spawners.get(self._spawner.name) is self._spawner:
            spawners.pop(self._spawner.name)
