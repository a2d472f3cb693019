"""Connections to stores that are kept for the next request, with no more between Python and the socket than it takes.

obstore carries out a request in threads of its own, which wake the event loop twice and copy the body three times. For
a range of 64 KiB that takes four times the processor time of what is done here, and where the store is near, reading
many small things is nothing but processor time. So the plain case is done here: a GET whose answer comes as it should.

Nothing depends on it. What is not plain, slow, or broken off is None, and is asked for again by obstore, with all its
tries. A server that has answered so is left to obstore for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from .connection import VISIBLE, Connection
from .connection import Reply as Reply
from .straight import is_straight_way, tls_context

CONNECT_SECONDS = 3.0
#: Connections are looked after so often, and those that have had nothing to do for so long are closed.
LOOK_SECONDS = 1.0
IDLE_SECONDS = 60.0
#: Requests under way at once to all servers; more are left to obstore.
BUSY_MAX = 128
#: A server, or an object, that was not answered plainly is left to obstore for so long.
REST_SECONDS = 60.0
#: After that, one request tries it so long before others do.
TRY_SECONDS = 5.0
#: So many objects are remembered for that.
OBJECTS_RESTING = 1024


@dataclass(frozen=True, slots=True)
class _Place:
    """A server, and whom to tell it that it is asked."""

    host: str
    port: int
    is_tls: bool
    netloc: str


class Connections:
    """The connections of one event loop, by server.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: dict[_Place, list[Connection]] = {}
        self._busy: set[Connection] = set()
        self._under_way = 0
        self._resting: dict[_Place, float] = {}
        self._objects_resting: OrderedDict[tuple[_Place, str], float] = OrderedDict()
        self._looking: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def get(self, url: str, headers: Mapping[str, str], most_bytes: int) -> Reply | None:
        """The answer to a GET, if it comes plainly.

        Args:
            url: as it was signed. It may be secret.
            headers: of the request.
            most_bytes: of a body that is not that of an error.

        Returns:
            Any answer that came whole; None: it did not, or this server is not asked from here at present.
        """
        found = _place_and_target(url)
        if found is None or self._is_closed or self._under_way >= BUSY_MAX or not self._is_of_this_loop():
            return None
        place, target = found
        if self._is_resting(place, target) or not all(map(VISIBLE.fullmatch, headers.values())):
            return None
        lines = [f"GET {target} HTTP/1.1", f"Host: {place.netloc}", *map(": ".join, headers.items()), "", ""]
        self._under_way += 1
        try:
            reply = await self._reply(place, "\r\n".join(lines).encode("ascii"), most_bytes)
        finally:
            self._under_way -= 1
        if reply is not None:
            self._resting.pop(place, None)
        elif not self._is_closed:
            self._resting[place] = self._clock() + REST_SECONDS
        return reply

    def rest(self, url: str) -> None:
        """Leave the server of ``url`` to obstore for a while."""
        found = _place_and_target(url)
        if found is not None:
            self._resting[found[0]] = self._clock() + REST_SECONDS

    def rest_object(self, url: str) -> None:
        """Leave one object of it to obstore for a while."""
        found = _place_and_target(url)
        if found is not None:
            self._objects_resting[found[0], _path(found[1])] = self._clock() + REST_SECONDS
            if len(self._objects_resting) > OBJECTS_RESTING:
                self._objects_resting.popitem(last=False)

    def close(self) -> None:
        """Let go of all; nothing is asked from here any more."""
        self._is_closed = True
        if self._looking is not None:
            self._looking.cancel()
        for connection in [*self._busy, *(each for kept in self._idle.values() for each in kept)]:
            connection.close()
        self._idle.clear()

    def _is_of_this_loop(self) -> bool:
        """Whether this belongs to the loop that runs; it goes over to the next when its own has ended."""
        loop = asyncio.get_running_loop()
        if self._loop is None or self._loop.is_closed():  # with it went what was under way, and the timer
            self._loop, self._looking, self._under_way = loop, None, 0
            self._idle.clear()
            self._busy.clear()
        return self._loop is loop

    async def _reply(self, place: _Place, request: bytes, most_bytes: int) -> Reply | None:
        kept = self._kept(place)
        if kept is not None:
            reply = await self._ask(kept, place, request, most_bytes)
            # the server may have closed it just before, which says nothing
            if reply is not None or kept.received_bytes or self._clock() >= kept.due_at:
                return reply
        connection = None if self._is_closed else await self._connected(place)
        if connection is None:
            return None
        if self._is_closed:  # meanwhile
            connection.close()
            return None
        return await self._ask(connection, place, request, most_bytes)

    def _kept(self, place: _Place) -> Connection | None:
        kept = self._idle.get(place)
        while kept:
            connection = kept.pop()
            if not connection.is_lost and connection.is_quiet:
                return connection
            connection.close()
        return None

    async def _connected(self, place: _Place) -> Connection | None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                tls = await asyncio.to_thread(tls_context) if place.is_tls else None
                _, connection = await loop.create_connection(Connection, place.host, place.port, ssl=tls)
        except (OSError, ValueError, RuntimeError):  # also: it took too long, no name of a host, no more threads
            return None
        return connection

    async def _ask(self, connection: Connection, place: _Place, request: bytes, most_bytes: int) -> Reply | None:
        self._busy.add(connection)
        self._look_later()
        try:
            reply = await connection.ask(request, most_bytes, self._clock())
        except BaseException:
            connection.close()  # who asked has gone
            raise
        finally:
            self._busy.discard(connection)
        if self._is_closed:
            connection.close()
        elif reply is not None and not connection.is_lost:
            connection.idle_since = self._clock()
            self._idle.setdefault(place, []).append(connection)
        return reply

    def _is_resting(self, place: _Place, target: str) -> bool:
        now = self._clock()
        if self._objects_resting and now < self._objects_resting.get((place, _path(target)), now):
            return True
        until = self._resting.get(place)
        if until is None:
            return False
        if now >= until:  # one tries; the others wait for what it finds
            self._resting[place] = now + TRY_SECONDS
            return False
        return True

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Give up what is late, and close what has nothing to do."""
        now, self._looking = self._clock(), None
        for connection in list(self._busy):
            if connection.is_late(now):
                connection.close()
        for place, kept in list(self._idle.items()):
            for connection in kept:
                if now >= connection.idle_since + IDLE_SECONDS:
                    connection.close()
            self._idle[place] = [each for each in kept if not each.is_lost]
            if not self._idle[place]:
                del self._idle[place]
        if self._busy or self._idle:
            self._look_later()


@lru_cache(maxsize=128)
def _place_and_target(url: str) -> tuple[_Place, str] | None:
    """Whom to ask, and for what; None: it is not to be asked from here."""
    try:
        parts = urlsplit(url)
    except ValueError:  # whose text may hold what is secret
        return None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    place = _place(parts.scheme, parts.netloc)
    return None if place is None or not VISIBLE.fullmatch(target) else (place, target)


@lru_cache(maxsize=256)
def _place(scheme: str, netloc: str) -> _Place | None:
    parts = urlsplit(f"{scheme}://{netloc}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or scheme not in {"http", "https"} or parts.username is not None or not VISIBLE.fullmatch(netloc):
        return None
    if not is_straight_way(f"{scheme}://{netloc}"):
        return None
    is_tls = scheme == "https"
    return _Place(host, port or (443 if is_tls else 80), is_tls, netloc)


def _path(target: str) -> str:
    return target.partition("?")[0]
