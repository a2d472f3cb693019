"""GetObject and HeadObject: conditions, ranges, and a body that is sent as shaped and as faulty as ordered."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime

from aiohttp import web

from .errors import S3Error
from .faults import Fault, FaultKind
from .index import StoredObject
from .request import S3Request

CHUNK_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
#: Given before a reset, so that what was written has left the socket.
_SETTLE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Span:
    """Which bytes to send: ``start`` to ``stop`` (exclusive), as 206 when a range was asked for."""

    start: int
    stop: int
    is_partial: bool

    @property
    def size_bytes(self) -> int:
        return self.stop - self.start


def requested_span(byte_range: str, size_bytes: int) -> Span:
    """The span that a Range header asks for. What is not one range is ignored, as S3 does.

    Raises S3Error ``InvalidRange`` when no byte of the object is in it.
    """
    match = _RANGE.fullmatch(byte_range.strip())
    if match is None or match.groups() == ("", ""):
        return Span(0, size_bytes, is_partial=False)
    first, last = match.groups()
    if not first:
        span = Span(max(0, size_bytes - int(last)), size_bytes, is_partial=True)
    elif last and int(last) < int(first):
        return Span(0, size_bytes, is_partial=False)
    else:
        span = Span(int(first), min(int(last) + 1, size_bytes) if last else size_bytes, is_partial=True)
    if span.start >= size_bytes or span.size_bytes <= 0:
        raise S3Error("InvalidRange", "The requested range is not satisfiable")
    return span


def check_conditions(request: S3Request, stored: StoredObject | None) -> bool:
    """Whether the object is to be sent (False: 304). Raises S3Error ``PreconditionFailed``."""
    headers = request.http.headers
    if "If-Match" in headers and (stored is None or not _names(headers["If-Match"], stored.etag)):
        raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    if "If-None-Match" in headers and stored is not None and _names(headers["If-None-Match"], stored.etag):
        if request.http.method in ("GET", "HEAD"):
            return False
        raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    return True


def object_headers(stored: StoredObject) -> dict[str, str]:
    """The headers that GET and HEAD share."""
    return {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": format_datetime(stored.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Type": stored.content_type,
        **{f"x-amz-meta-{name}": value for name, value in stored.metadata.items()},
    }


async def send_object(
    request: S3Request,
    stored: StoredObject,
    *,
    fault: Fault | None,
    stream_bytes_per_second: float | None,
    count: Callable[[int], None],
) -> web.StreamResponse:
    """Answers GET and HEAD. ``count`` is told how many bytes of body went out. Raises S3Error."""
    headers = object_headers(stored)
    if not check_conditions(request, stored):
        return web.Response(status=304, headers=headers)
    kind = fault.kind if fault else None
    byte_range = "" if kind is FaultKind.IGNORE_RANGE else request.byte_range
    span = requested_span(byte_range, stored.size_bytes)
    if kind is FaultKind.WRONG_RANGE:
        span = _shifted(span, stored.size_bytes)
    if span.is_partial:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{stored.size_bytes}"
    status = 206 if span.is_partial else 200
    if request.http.method == "HEAD":
        return web.Response(status=status, headers={**headers, "Content-Length": str(span.size_bytes)})
    response = web.StreamResponse(status=status, headers=headers)
    sent_bytes = _cut(span.size_bytes, fault)
    response.content_length = sent_bytes if kind is FaultKind.SHORT_BODY else span.size_bytes
    await response.prepare(request.http)
    rate = fault.bytes_per_second if fault and kind is FaultKind.SLOW_BODY else stream_bytes_per_second
    to_send = Span(span.start, span.start + sent_bytes, span.is_partial)
    await _send_body(response, stored, to_send, rate, corrupt=kind is FaultKind.CORRUPT, count=count)
    if kind is FaultKind.RESET:
        await reset_connection(request.http)
    elif kind is FaultKind.WRONG_LENGTH and request.http.transport is not None:
        request.http.transport.close()
    return response


async def reset_connection(http: web.Request) -> None:
    """Ends the connection with a TCP reset, as a crashed server or an impatient firewall does."""
    await asyncio.sleep(_SETTLE_SECONDS)
    if http.transport is None:
        return
    connection = http.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    http.transport.abort()


async def _send_body(
    response: web.StreamResponse,
    stored: StoredObject,
    span: Span,
    rate: float | None,
    *,
    corrupt: bool,
    count: Callable[[int], None],
) -> None:
    chunk_bytes = CHUNK_BYTES if rate is None else min(CHUNK_BYTES, max(1, int(rate / 20)))
    began = time.monotonic()
    for start in range(span.start, span.stop, chunk_bytes):
        chunk: bytes | memoryview = stored.body.read(start, min(start + chunk_bytes, span.stop))
        if corrupt and start == span.start:
            chunk = bytes([chunk[0] ^ 0xFF]) + bytes(chunk[1:])
        await response.write(chunk)
        count(len(chunk))
        if rate is not None:
            sent = start + len(chunk) - span.start
            await asyncio.sleep(max(0.0, sent / rate - (time.monotonic() - began)))


def _cut(size_bytes: int, fault: Fault | None) -> int:
    if fault and fault.kind in (FaultKind.RESET, FaultKind.SHORT_BODY, FaultKind.WRONG_LENGTH):
        return min(fault.after_bytes, size_bytes)
    return size_bytes


def _shifted(span: Span, size_bytes: int) -> Span:
    """Another span, of the same length where the object has room for one."""
    if not span.is_partial:
        return span
    if span.stop < size_bytes:
        return Span(span.start + 1, span.stop + 1, is_partial=True)
    if span.start > 0:
        return Span(span.start - 1, span.stop - 1, is_partial=True)
    return Span(min(1, size_bytes - 1), size_bytes, is_partial=True)


def _names(header: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or etag in tags
