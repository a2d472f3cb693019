"""Connections to stores that are kept for the next request, with no more between Python and the socket than it takes.

obstore carries out a request in threads of its own, which wake the event loop twice and copy the body three times. For
a range of 64 KiB that takes four times the processor time of what is done here, and where the store is near, reading
many small things is nothing but processor time. So the plain case is done here: a GET whose answer names its length.

Nothing depends on it. What is not plain, slow, or broken off is None, and is asked for again by obstore, with all its
tries. A server that has answered so is left to obstore for a while.

Source: RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from urllib.parse import urlsplit

from .straight import is_straight_way, tls_context

#: What a connection has room for by itself: the head of an answer and a range of 64 KiB. Longer bodies get their own.
ROOM_BYTES = 80 << 10
HEAD_MAX_BYTES = 16 << 10
#: An error is read up to this, to keep the connection.
OTHER_MAX_BYTES = 16 << 10
CONNECT_SECONDS = 3.0
#: In each time of this length so much must come, or all that is left. It is the pace of ``answers.PATIENCE_BYTES``.
PACE_SECONDS = 5.0
PACE_BYTES = 256 << 10
#: Connections are looked after so often, and those that have had nothing to do for so long are closed.
LOOK_SECONDS = 1.0
IDLE_SECONDS = 15.0
#: Requests under way at once to all servers; more are left to obstore.
BUSY_MAX = 128
#: A server that did not answer plainly is left to obstore for so long.
REST_SECONDS = 60.0

_STATUS = re.compile(r"HTTP/1\.1 (\d{3})(?: [^\r\n]*)?")
_LENGTH = re.compile(r"\d{1,18}")
#: What may stand in a line of a request, so that nothing that others wrote begins a line of its own.
_VISIBLE = re.compile(r"[!-~]+")
_WITHOUT_BODY = (204, 304)
_TOLD_ONCE = frozenset({"content-length", "content-range", "content-encoding", "transfer-encoding", "etag"})


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    """A server, and whom to tell it that it is asked."""

    host: str
    port: int
    is_tls: bool
    netloc: str


class NotPlain(Exception):
    """An answer that is not for here."""


class Connection(asyncio.BufferedProtocol):
    """One connection, with at most one request under way. Belongs to :class:`Connections`."""

    def __init__(self) -> None:
        self.is_lost = False
        self.idle_since = 0.0
        #: By when how much of the answer must have come.
        self.due_at = 0.0
        self.due_bytes = 0
        self.received_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._room = bytearray(ROOM_BYTES)
        self._view = memoryview(self._room)
        self._most_bytes = 0
        self._reply: asyncio.Future[Reply | None] | None = None
        self._reset()

    def _reset(self) -> None:
        self._filled = 0
        self._head: tuple[int, dict[str, str]] | None = None
        self._body_at = 0
        self._length = 0
        #: A body that has no room beside its head.
        self._own_room: memoryview | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)  # by its methods: that of uvloop is no subclass

    def ask(self, request: bytes, most_bytes: int, now: float) -> asyncio.Future[Reply | None]:
        """Send a request; the answer, with a body of at most so much, or None: it did not come plainly."""
        self._reply = asyncio.get_running_loop().create_future()
        self._most_bytes, self.received_bytes = most_bytes, 0
        self.due_at, self.due_bytes = now + PACE_SECONDS, PACE_BYTES
        if self._transport is None:
            raise AssertionError("not connected")
        self._transport.write(request)
        return self._reply

    def get_buffer(self, sizehint: int) -> memoryview:
        """See :class:`asyncio.BufferedProtocol`."""
        if self._own_room is not None:
            return self._own_room[self._filled :]
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """See :class:`asyncio.BufferedProtocol`."""
        if self._reply is None:  # nothing was asked for
            self.close()
            return
        self._filled += nbytes
        self.received_bytes += nbytes
        try:
            if self._head is None and not self._read_head():
                return
            if self._filled >= self._body_at + self._length:
                self._finish()
        except NotPlain:
            self.close()

    def eof_received(self) -> None:
        """See :class:`asyncio.Protocol`; the connection is closed."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self.is_lost = True
        self._give(None)

    def close(self) -> None:
        """Let go of it; what was asked for is None."""
        self.is_lost = True
        if self._transport is not None:
            self._transport.abort()
        self._give(None)

    def _give(self, reply: Reply | None) -> None:
        future, self._reply = self._reply, None
        if future is not None and not future.done():
            future.set_result(reply)

    def _read_head(self) -> bool:
        """Take the head from what has come; False: it is not whole yet."""
        end = self._room.find(b"\r\n\r\n", 0, self._filled)
        if end < 0 or end > HEAD_MAX_BYTES:
            if self._filled > HEAD_MAX_BYTES:
                raise NotPlain
            return False
        status, headers = parsed_head(bytes(self._view[:end]))
        self._length = _body_length(status, headers)
        if self._length > (self._most_bytes if status < 300 else OTHER_MAX_BYTES):
            raise NotPlain
        self._head, self._body_at = (status, headers), end + 4
        if self._body_at + self._length > ROOM_BYTES:
            come = self._view[self._body_at : self._filled]
            own = memoryview(bytearray(self._length))
            own[: len(come)] = come
            self._own_room, self._filled, self._body_at = own, len(come), 0
        return True

    def _finish(self) -> None:
        """All has come."""
        if self._head is None or self._filled > self._body_at + self._length:  # more than was announced
            raise NotPlain
        room = self._view if self._own_room is None else self._own_room
        status, headers = self._head
        reply = Reply(status, headers, bytes(room[self._body_at : self._filled]))
        self._reset()
        if "close" in headers.get("connection", "").lower():
            self.is_lost = True
            if self._transport is not None:
                self._transport.abort()
        self._give(reply)


class Connections:
    """The connections of one event loop, by server.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._idle: dict[_Place, list[Connection]] = {}
        self._busy: set[Connection] = set()
        self._resting: dict[_Place, float] = {}
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
        if found is None or self._is_closed or len(self._busy) >= BUSY_MAX:
            return None
        place, target = found
        if self._resting and self._is_resting(place):
            return None
        lines = [f"GET {target} HTTP/1.1", f"Host: {place.netloc}", *map(": ".join, headers.items()), "", ""]
        if not all(map(_VISIBLE.fullmatch, headers.values())):
            return None
        request = "\r\n".join(lines).encode("ascii")
        connection = self._kept(place)
        reply = None if connection is None else await self._ask(connection, place, request, most_bytes)
        if connection is None or (reply is None and self._was_closed_before(connection)):
            connection = await self._connected(place)
            reply = None if connection is None else await self._ask(connection, place, request, most_bytes)
        if reply is None:
            self._resting[place] = self._clock() + REST_SECONDS
        return reply

    def rest(self, url: str) -> None:
        """Leave the server of ``url`` to obstore for a while."""
        found = _place_and_target(url)
        if found is not None:
            self._resting[found[0]] = self._clock() + REST_SECONDS

    def close(self) -> None:
        """Let go of all; nothing is asked from here any more."""
        self._is_closed = True
        if self._looking is not None:
            self._looking.cancel()
        for connection in [*self._busy, *(each for kept in self._idle.values() for each in kept)]:
            connection.close()
        self._idle.clear()

    def _kept(self, place: _Place) -> Connection | None:
        kept = self._idle.get(place)
        while kept:
            connection = kept.pop()
            if not connection.is_lost:
                return connection
        return None

    async def _connected(self, place: _Place) -> Connection | None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                tls = await asyncio.to_thread(tls_context) if place.is_tls else None
                _, connection = await loop.create_connection(Connection, place.host, place.port, ssl=tls)
        except (OSError, UnicodeError):  # a time-out is one of the first, a name that cannot be one of the second
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
        if reply is not None and not connection.is_lost and not self._is_closed:
            connection.idle_since = self._clock()
            self._idle.setdefault(place, []).append(connection)
        return reply

    def _was_closed_before(self, kept: Connection) -> bool:
        """Whether a server had closed a kept connection just before it was used, which says nothing."""
        return not kept.received_bytes and self._clock() < kept.due_at

    def _is_resting(self, place: _Place) -> bool:
        until = self._resting.get(place)
        if until is None:
            return False
        if self._clock() < until:
            return True
        del self._resting[place]
        return False

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Give up what is late, and close what has nothing to do."""
        now, self._looking = self._clock(), None
        for connection in list(self._busy):
            if now < connection.due_at:
                continue
            if connection.received_bytes < connection.due_bytes:
                connection.close()
            else:
                connection.due_at = now + PACE_SECONDS
                connection.due_bytes = connection.received_bytes + PACE_BYTES
        for place, kept in list(self._idle.items()):
            for connection in kept:
                if now >= connection.idle_since + IDLE_SECONDS:
                    connection.close()
            self._idle[place] = [each for each in kept if not each.is_lost]
            if not self._idle[place]:
                del self._idle[place]
        if self._busy or self._idle:
            self._look_later()


def parsed_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers, with names in lower case, of the head of an answer without its last empty line. Pure.

    Raises:
        NotPlain: it is not one of HTTP/1.1, or says one of the things twice that decide how much is read.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    found = _STATUS.fullmatch(first)
    if found is None:
        raise NotPlain
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not _VISIBLE.fullmatch(name) or (name in headers and name in _TOLD_ONCE):
            raise NotPlain
        headers.setdefault(name, value.strip(" \t"))
    return int(found[1]), headers


def _body_length(status: int, headers: Mapping[str, str]) -> int:
    if status in _WITHOUT_BODY:
        return 0
    said = headers.get("content-length", "")
    if status < 200 or "transfer-encoding" in headers or not _LENGTH.fullmatch(said):
        raise NotPlain
    return int(said)


@lru_cache(maxsize=128)
def _place_and_target(url: str) -> tuple[_Place, str] | None:
    """Whom to ask, and for what; None: it is not to be asked from here."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    place = _place(parts.scheme, parts.netloc)
    return None if place is None or not _VISIBLE.fullmatch(target) else (place, target)


@lru_cache(maxsize=256)
def _place(scheme: str, netloc: str) -> _Place | None:
    parts = urlsplit(f"{scheme}://{netloc}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or scheme not in {"http", "https"} or parts.username is not None or not _VISIBLE.fullmatch(netloc):
        return None
    if not is_straight_way(f"{scheme}://{netloc}"):
        return None
    is_tls = scheme == "https"
    return _Place(host, port or (443 if is_tls else 80), is_tls, netloc)
