"""One connection to a server of HTTP/1.1: a request at a time, and the answer as it comes, or nothing.

It understands answers that name their length or come in chunks, and no more of HTTP: see :mod:`connections`.

Source: RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import select
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

#: What a connection has room for by itself: the head of an answer and a range of 64 KiB. Longer bodies get their own.
ROOM_BYTES = 80 << 10
HEAD_MAX_BYTES = 16 << 10
#: An error is read up to this, to keep the connection.
OTHER_MAX_BYTES = 16 << 10
#: In each time of this length so much must come, or all that is left. It is the pace of ``answers.PATIENCE_BYTES``.
PACE_SECONDS = 5.0
PACE_BYTES = 256 << 10

#: What may stand in a request line and in a value of a header, so that what others wrote begins no line of its own.
VISIBLE = re.compile(r"[!-~]+")
_STATUS = re.compile(r"HTTP/1\.1 (\d{3})(?: [^\r\n]*)?")
_LENGTH = re.compile(r"\d{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?")
_CHUNK_LINE_BYTES = 256
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_WITHOUT_BODY = (204, 304)
_TOLD_ONCE = frozenset({"content-length", "content-range", "content-encoding", "transfer-encoding", "etag"})


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NotPlain(Exception):
    """An answer that is not for here."""


class ChunkedBody:
    """A body that comes in chunks, as stores send errors and listings, whose length they do not know before. Pure.

    Args:
        most_bytes: of it.
    """

    def __init__(self, most_bytes: int) -> None:
        self.body = bytearray()
        self._most_bytes = most_bytes
        self._pending = bytearray()

    def feed(self, data: bytes | memoryview) -> bool:
        """Take what has come; whether this was the last.

        Raises:
            NotPlain: it is not in chunks, too long, or goes on after its end.
        """
        self._pending += data
        at = 0
        while (end := self._pending.find(b"\r\n", at, at + _CHUNK_LINE_BYTES)) >= 0:
            size = _CHUNK.fullmatch(self._pending, at, end)
            if size is None:
                raise NotPlain
            length, begin = int(size[1], 16), end + 2
            if len(self.body) + length > self._most_bytes:
                raise NotPlain
            if len(self._pending) < begin + length + 2:
                break
            if self._pending[begin + length : begin + length + 2] != b"\r\n":
                raise NotPlain  # also: lines after the last chunk
            self.body += self._pending[begin : begin + length]
            at = begin + length + 2
            if length == 0:
                if len(self._pending) > at:
                    raise NotPlain
                return True
        else:
            if len(self._pending) - at >= _CHUNK_LINE_BYTES:
                raise NotPlain
        del self._pending[:at]
        return False


class Connection(asyncio.BufferedProtocol):
    """One connection, with at most one request under way. Belongs to :class:`connections.Connections`."""

    def __init__(self) -> None:
        self.is_lost = False
        self.idle_since = 0.0
        self.received_bytes = 0
        #: By when how much of the answer must have come.
        self.due_at = 0.0
        self._due_bytes = 0
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
        self._chunks: ChunkedBody | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)  # by its methods: that of uvloop is no subclass

    def ask(self, request: bytes, most_bytes: int, now: float) -> asyncio.Future[Reply | None]:
        """Send a request; the answer, with a body of at most so much, or None: it did not come plainly."""
        reply: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._reply, self._most_bytes, self.received_bytes = reply, most_bytes, 0
        self.due_at, self._due_bytes = now + PACE_SECONDS, PACE_BYTES
        if self._transport is None or self.is_lost:
            self._give_up()
        else:
            self._transport.write(request)
        return reply

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has come that nobody asked for: it would be taken for the next answer. Nor its end."""
        found = None if self._transport is None else self._transport.get_extra_info("socket")
        if found is None:
            return False
        poll = select.poll()
        poll.register(found.fileno(), select.POLLIN)
        return not poll.poll(0)

    def is_late(self, now: float) -> bool:
        """Whether less has come by now than should have; if not, when to look next, and how much is due then."""
        if now < self.due_at:
            return False
        is_late = self.received_bytes < self._due_bytes
        self.due_at, self._due_bytes = now + PACE_SECONDS, self.received_bytes + PACE_BYTES
        return is_late

    def get_buffer(self, sizehint: int) -> memoryview:
        """See :class:`asyncio.BufferedProtocol`."""
        if self._own_room is not None:
            return self._own_room[self._filled :]
        return self._view if self._chunks is not None else self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """See :class:`asyncio.BufferedProtocol`."""
        if self._reply is None:  # nothing was asked for
            self.close()
            return
        self.received_bytes += nbytes
        try:
            if self._chunks is not None:
                self._take_chunks(self._view[:nbytes])
                return
            self._filled += nbytes
            if self._head is None and not self._read_head():
                return
            if self._filled >= self._body_at + self._length:
                self._finish(self._body())
        except NotPlain:
            self.close()

    def eof_received(self) -> None:
        """See :class:`asyncio.Protocol`; the connection is closed."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._give_up()

    def close(self) -> None:
        """Let go of it; what was asked for is None."""
        if self._transport is not None:
            with contextlib.suppress(RuntimeError):  # its loop has been closed since
                self._transport.abort()
        self._give_up()

    def _give_up(self) -> None:
        self.is_lost = True
        self._give(None)

    def _give(self, reply: Reply | None) -> None:
        future, self._reply = self._reply, None
        if future is not None and not future.done():
            future.set_result(reply)

    def _read_head(self) -> bool:
        """Take the head from what has come; whether a body of a known length follows it."""
        end = self._room.find(b"\r\n\r\n", 0, self._filled)
        if end < 0 or end > HEAD_MAX_BYTES:
            if self._filled > HEAD_MAX_BYTES:
                raise NotPlain
            return False
        status, headers = parsed_head(bytes(self._view[:end]))
        self._head, self._body_at = (status, headers), end + 4
        most_bytes = self._most_bytes if status < 300 else OTHER_MAX_BYTES
        if "transfer-encoding" in headers and status >= 200 and status not in _WITHOUT_BODY:
            if headers["transfer-encoding"].lower() != "chunked" or "content-length" in headers:
                raise NotPlain
            self._chunks = ChunkedBody(most_bytes)
            self._take_chunks(self._view[self._body_at : self._filled])
            return False
        self._length = _body_length(status, headers)
        if self._length > most_bytes:
            raise NotPlain
        if self._body_at + self._length > ROOM_BYTES:
            come = self._view[self._body_at : self._filled]
            own = memoryview(bytearray(self._length))
            own[: len(come)] = come
            self._own_room, self._filled, self._body_at = own, len(come), 0
        return True

    def _take_chunks(self, data: memoryview) -> None:
        if self._chunks is not None and self._chunks.feed(data):
            self._finish(bytes(self._chunks.body))

    def _body(self) -> bytes:
        if self._filled > self._body_at + self._length:  # more than was announced
            raise NotPlain
        room = self._view if self._own_room is None else self._own_room
        return bytes(room[self._body_at : self._filled])

    def _finish(self, body: bytes) -> None:
        """All has come."""
        if self._head is None:
            raise NotPlain
        status, headers = self._head
        # a server may send a body where there must be none, which would be taken for the next answer
        is_doubtful = status in _WITHOUT_BODY and headers.get("content-length", "0") != "0"
        self._reset()
        reply, self._reply = self._reply, None
        if is_doubtful or "close" in headers.get("connection", "").lower():
            self.close()
        if reply is not None and not reply.done():
            reply.set_result(Reply(status, headers, body))


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
        if not colon or not VISIBLE.fullmatch(name) or _CONTROL.search(value):
            raise NotPlain
        if name in headers and name in _TOLD_ONCE:
            raise NotPlain
        headers.setdefault(name, value.strip(" \t"))
    return int(found[1]), headers


def _body_length(status: int, headers: Mapping[str, str]) -> int:
    if status in _WITHOUT_BODY:
        return 0
    said = headers.get("content-length", "")
    if status < 200 or not _LENGTH.fullmatch(said):
        raise NotPlain
    return int(said)
