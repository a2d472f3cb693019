"""What signs addresses is kept: making it takes a call to the store and a client, and signing no call at all."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: So many are kept; the one that was used longest ago makes room.
MOST_SIGNERS = 512


@dataclass(frozen=True)
class Signer:
    """A client of a store that signs and is never connected; no new address comes from it after ``good_until``."""

    client: Any
    good_until: datetime


class Signers:
    """Keeps signers by all that makes them differ; of calls that want the same at once, one makes it.

    Args:
        clock: gives the time, aware.
        most: how many are kept.
    """

    def __init__(self, clock: Callable[[], datetime], most: int = MOST_SIGNERS) -> None:
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[Hashable, asyncio.Future[Signer]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Signer]]) -> Any:
        """The client for ``key``. What ``make`` raises is raised to all who wait for it, and is not kept."""
        kept = self._kept.get(key)
        if kept is None or self._is_over(kept):
            kept = self._kept[key] = asyncio.ensure_future(make())
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        # who goes away does not take it from those who wait for the same
        return (await asyncio.shield(kept)).client

    def _is_over(self, kept: asyncio.Future[Signer]) -> bool:
        if not kept.done():
            return False
        return kept.cancelled() or kept.exception() is not None or self._clock() >= kept.result().good_until
