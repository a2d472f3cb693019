"""Short reads of an object store by a signed address: the plain case, without obstore.

See :mod:`connections` for why. What is given here is complete and of the version that was asked for; anything else is
None, and is read by obstore, which tells what is wrong.

Source: RFC 9110, sections 13 (conditions) and 14 (ranges).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from .connections import Connections, Reply
from .objects import ObjectInfo
from .web import parsed_date

#: Longer ones are read by obstore, which goes on in the middle of a body that broke off.
PART_MAX_BYTES = 1 << 20

_PARTIAL = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")
#: Answers that tell something of the object for now, and nothing of how the server answers ...
_SAID_OF_THE_OBJECT = frozenset({304, 404, 412, 416})
#: ... and those that will be the same next time. Stores refuse keys that are not there to who may not list them.
_OF_THE_OBJECT = frozenset({206, 401, 403})


@dataclass(frozen=True, slots=True)
class Look:
    """What a store says of an object, with the bytes that were asked for; no ``data``: it has the ETag that is known.

    ``is_missing``: it says that there is none.
    """

    size_bytes: int = 0
    etag: str | None = None
    modified: datetime | None = None
    data: bytes | None = None
    is_missing: bool = False


def is_short(info: ObjectInfo, start: int, stop: int) -> bool:
    """Whether :func:`part` is of use: the part is short, and the answer can tell that it is of this version."""
    return info.version is not None and stop - start <= PART_MAX_BYTES


async def part(connections: Connections, url: str, info: ObjectInfo, start: int, stop: int) -> bytes | None:
    """The bytes ``start`` up to ``stop`` of exactly the object ``info``, or None: read them otherwise.

    Only where :func:`is_short`.
    """
    if info.version is None:
        return None
    asked = {"Range": f"bytes={start}-{stop - 1}", "If-Match": info.version, "Accept-Encoding": "identity"}
    reply = await connections.get(url, asked, stop - start)
    if reply is None or not _is_part(connections, url, reply):
        return None
    fits = (
        reply.headers.get("content-range") == f"bytes {start}-{stop - 1}/{info.size_bytes}"
        and reply.headers.get("etag") == info.version
        and len(reply.body) == stop - start
    )
    if not fits:
        connections.rest_object(url)
        return None
    return reply.body


async def look(connections: Connections, url: str, start: int, stop: int, unless_etag: str | None) -> Look | None:
    """An object of which nothing is known, with its bytes ``start`` up to ``stop``, cut at its end.

    Args:
        connections: of this event loop.
        url: that reads it.
        start: of the range; must lie within the object.
        stop: of the range.
        unless_etag: if the object still has this ETag, nothing is sent.

    Returns:
        None: look otherwise.
    """
    asked = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
    if unless_etag is not None:
        asked["If-None-Match"] = unless_etag
    reply = await connections.get(url, asked, stop - start)
    if reply is None:
        return None
    if reply.status == 304 and unless_etag is not None:
        return Look()
    if reply.status == 404:
        return Look(is_missing=True)
    if not _is_part(connections, url, reply):
        return None
    seen = _seen(reply, start, stop)
    if seen is None:
        connections.rest_object(url)
    return seen


def _seen(reply: Reply, start: int, stop: int) -> Look | None:
    found = _PARTIAL.fullmatch(reply.headers.get("content-range", ""))
    etag = reply.headers.get("etag")
    if found is None or not etag:
        return None
    size_bytes = int(found[3])
    length = min(stop, size_bytes) - start
    if (int(found[1]), int(found[2]), len(reply.body)) != (start, start + length - 1, length) or length <= 0:
        return None
    return Look(size_bytes, etag, parsed_date(reply.headers.get("last-modified")), reply.body)


def _is_part(connections: Connections, url: str, reply: Reply) -> bool:
    """Whether an answer is a part of an object as it is stored; if not, the next is not asked for from here at once."""
    if reply.status == 206 and reply.headers.get("content-encoding", "identity") == "identity":
        return True
    if reply.status in _OF_THE_OBJECT:
        connections.rest_object(url)
    elif reply.status not in _SAID_OF_THE_OBJECT:
        connections.rest(url)
    return False
