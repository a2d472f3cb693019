"""Reads by a URL, whatever web server it is: the first look at an object, and all reads of archives.

Objects of archives are looked at so, and those of stores that did not answer plainly (:mod:`short`). Not by obstore, as
further reads of stores, because a store of it is made for one URL and takes 10 ms of the processor to make, and because
it cannot use an answer that is not the range asked for: here a server that sends the whole object instead is listened
to. Archives are not read by obstore at all: it goes wherever an answer or a name leads, and here each redirect and each
address is looked at before anything connects to it (:mod:`places`).

Source: RFC 9110, sections 13 (conditions) and 14 (ranges).
"""

from __future__ import annotations

import asyncio
import re
import socket
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from . import answers
from .errors import NotFound, NotSupported, ObjectChanged, PerijoveError, Refused, StoreUnavailable
from .objects import ObjectInfo
from .places import Allowed, ForbiddenAddressError, check_place, is_outside, resolve
from .whole import Whole, collect, too_long

Result = TypeVar("Result")

#: A service of an archive may compute before it answers; an object store is as patient as in :mod:`answers`.
ARCHIVE_PATIENCE_SECONDS = 60.0
CONNECT_SECONDS = 3.0
#: Tries of one look, and the pause before the second, which doubles.
TRIES = 4
FIRST_PAUSE_SECONDS = 0.1
REDIRECTS_MAX = 5
CONNECTIONS_MAX = 128
_UNPACKED_BYTES = 1 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_PARTIAL = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")
_OUTSIDE = re.compile(r"bytes \*/(\d{1,19})")


@dataclass(frozen=True)
class Seen:
    """What a server said of an object, its first bytes as asked for, and all of it if the server gives no parts."""

    size_bytes: int
    etag: str | None
    modified: datetime | None
    data: bytes
    whole: Whole | None = None


@dataclass(frozen=True)
class Asked:
    """What is looked at.

    Attributes:
        url: where; it may be secret and is in no error.
        what: its name, for sentences.
        where: the copy that is asked, for sentences.
        start: of the range.
        stop: of the range, cut at the end of the object.
        unless_etag: if the object still has this ETag, nothing is sent.
        whole_max_bytes: the most of an object whose server gives no parts.
        is_store: an object store, which names the version of all that it sends; what does not is none.
        allowed: the one private place that an archive may lead to; None: of a store, which the platform file names.
    """

    url: str
    what: str
    where: str
    start: int
    stop: int
    unless_etag: str | None
    whole_max_bytes: int
    is_store: bool
    allowed: Allowed | None = None

    @property
    def patience_seconds(self) -> float:
        """How long an answer may take, or each further MiB of it."""
        return answers.PATIENCE_SECONDS if self.is_store else ARCHIVE_PATIENCE_SECONDS


class _Again(Exception):
    """It may be better next time; else ``why``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Outside(AbstractResolver):
    """Finds hosts at public addresses only, and at those that may be private: one place, and the environment's proxies.

    What a name leads to is looked at when a connection is made, by this very answer.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of ``host``. Raises ForbiddenAddressError, or OSError: it cannot be found."""
        allowed = Allowed(host.casefold(), port) if (host, port) in _proxies() else self._allowed
        infos = await asyncio.to_thread(resolve, host, port, allowed)
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=str(where[0]), port=port, family=kind, proto=protocol, flags=flags)
            for kind, _, protocol, _, where in infos
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Nothing is kept."""


def new_session(allowed: Allowed | None = None) -> aiohttp.ClientSession:
    """Carries out reads. It has no token and no cookies: it goes to servers of others. Belongs to the running loop.

    Args:
        allowed: the one private place that it may connect to; None: wherever it is sent.
    """
    resolver = None if allowed is None else _Outside(allowed)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, resolver=resolver),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),  # else by the patience of each look
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def look(http: aiohttp.ClientSession, asked: Asked) -> Seen | None:
    """Ask once, and again when the trouble may pass; None if the object has the ETag that is known.

    Args:
        http: of :func:`new_session`, with ``asked.allowed``.
        asked: what is looked at.

    Raises:
        NotSupported: the server gives no parts, and the object is too long, or a web page where a file was expected.
        PerijoveError: no such object, refused, or the server does not answer.
    """
    headers = {"If-None-Match": asked.unless_etag} if asked.unless_etag else {}

    async def ask(patience: asyncio.Timeout) -> Seen | None:
        return await _ask(http, asked, headers, lambda response: _read(response, asked, patience))

    return await _tried(asked, ask)


async def part(http: aiohttp.ClientSession, asked: Asked, info: ObjectInfo) -> bytes:
    """All bytes asked for of exactly the object that ``info`` tells of; what broke off goes on where it ended.

    Args:
        http: as for :func:`look`.
        asked: a part that lies within the object.
        info: the object as it was opened.

    Raises:
        ObjectChanged: it is another object by now.
        PerijoveError: it is gone, refused, or the server does not answer with this part.
    """
    body = bytearray()
    headers = {"If-Match": info.version} if info.version is not None else {}

    async def ask(patience: asyncio.Timeout) -> None:
        rest = replace(asked, start=asked.start + len(body))
        await _ask(http, rest, headers, lambda response: _go_on(response, rest, info, body, patience))

    await _tried(asked, ask)
    return bytes(body)


async def _tried(asked: Asked, ask: Callable[[asyncio.Timeout], Awaitable[Result]]) -> Result:
    pause_seconds, why = FIRST_PAUSE_SECONDS, ""
    for attempt in range(1, TRIES + 1):
        try:
            async with asyncio.timeout(asked.patience_seconds) as patience:
                return await ask(patience)
        except TimeoutError:
            raise StoreUnavailable(
                f"The {asked.where} sends {asked.what} too slowly, less than {answers.PATIENCE_BYTES >> 20} MiB in "
                f"{asked.patience_seconds:g} s (tried once)."
            ) from None
        except _Again as again:
            why = again.why
        if attempt < TRIES:
            await asyncio.sleep(pause_seconds)
            pause_seconds *= 2
    raise StoreUnavailable(f"The {asked.where} {why} (tried {TRIES} times).")


async def _ask(
    http: aiohttp.ClientSession,
    asked: Asked,
    conditions: dict[str, str],
    read: Callable[[aiohttp.ClientResponse], Awaitable[Result]],
) -> Result:
    """What ``read`` makes of the answer, to which redirects may lead; each is looked at before it is followed."""
    headers = {"Range": f"bytes={asked.start}-{asked.stop - 1}", "Accept-Encoding": "identity", **conditions}
    try:
        # as it was signed: not to be encoded anew
        url = URL(asked.url, encoded=True)
        for _ in range(REDIRECTS_MAX + 1):
            proxy = proxy_for(url.scheme, url.host or "")
            if asked.allowed is not None:
                _check_hop(url, asked.allowed, is_proxied=proxy is not None)
            async with http.get(url, headers=headers, allow_redirects=False, proxy=proxy) as response:
                target = response.headers.get("Location") if response.status in _REDIRECTS else None
                if target is None:
                    return await read(response)
            url = url.join(URL(target))
        raise StoreUnavailable(f"The {asked.where} redirected reads of {asked.what} more than {REDIRECTS_MAX} times.")
    except PerijoveError:
        raise  # some are OSErrors too
    except (aiohttp.ClientError, ValueError, OSError) as error:
        forbidden = error if isinstance(error, ForbiddenAddressError) else error.__cause__
        if isinstance(forbidden, ForbiddenAddressError):
            raise Refused(
                f"The {asked.where} leads reads of {asked.what} to a place that is not read from here: {forbidden}."
            ) from None
        raise _Again(f"did not give a whole answer when reading {asked.what}") from None


def _check_hop(url: URL, allowed: Allowed, *, is_proxied: bool) -> None:
    """Refuse an address as far as it can be told without looking up its host, which the connection does, or a proxy."""
    place = check_place(url.scheme, url.raw_host, url.port, allowed)
    if is_proxied and not is_outside(str(url), allowed):
        raise ForbiddenAddressError(f"{(url.raw_host or '')[:80]} is a private name")
    # the connection lets the environment's proxies pass, which may be private: nobody is sent to one as to an archive
    if not is_proxied and place in _proxies() and place != (allowed.host, allowed.port):
        raise ForbiddenAddressError(f"{place[0][:80]} is a proxy")


def _proxies() -> set[tuple[str | None, int | None]]:
    """Hosts and ports of the environment's ways out."""
    ways = [urlsplit(address) for address in getproxies().values()]
    return {(way.hostname, way.port or (443 if way.scheme == "https" else 80)) for way in ways}


@lru_cache(maxsize=256)
def proxy_for(scheme: str, host: str) -> str | None:
    """The environment's way out. Not by aiohttp's own look at it, which sends passwords of ``~/.netrc`` along."""
    return None if proxy_bypass(host) else getproxies().get(scheme)


async def _patiently(
    response: aiohttp.ClientResponse, asked: Asked, patience: asyncio.Timeout
) -> AsyncGenerator[bytes, None]:
    """The body; every so many bytes of it are waited for anew."""
    seen, next_at = 0, answers.PATIENCE_BYTES
    async for chunk in response.content.iter_any():
        seen += len(chunk)
        if seen >= next_at:
            patience.reschedule(asyncio.get_running_loop().time() + asked.patience_seconds)
            next_at = seen + answers.PATIENCE_BYTES
        yield chunk


async def _unpacked(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """A body that was packed for its way though this was not asked for; it may be several packed ones in a row."""
    unpacker = None
    async for chunk in chunks:
        left = chunk
        while left:  # in bounded steps: little can become much
            if unpacker is None or unpacker.eof:
                unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
            try:
                piece = unpacker.decompress(left, _UNPACKED_BYTES)
            except zlib.error:
                raise ValueError("the body is not packed as it says") from None
            left = unpacker.unconsumed_tail or unpacker.unused_data
            yield piece
    if unpacker is not None and not unpacker.eof:
        raise ValueError("the body ends before what is packed in it")


async def _read(response: aiohttp.ClientResponse, asked: Asked, patience: asyncio.Timeout) -> Seen | None:
    status = response.status
    if status == 304 and asked.unless_etag:
        return None
    if status == 206:
        return await _read_part(response, asked, patience)
    if status == 200:
        return await _read_whole(response, asked, patience)
    if status == 416 and (found := _OUTSIDE.fullmatch(response.headers.get("Content-Range", ""))):
        return Seen(int(found[1]), _etag(response), _date(response), b"")
    raise _refusal(status, asked)


async def _go_on(
    response: aiohttp.ClientResponse, asked: Asked, info: ObjectInfo, body: bytearray, patience: asyncio.Timeout
) -> None:
    """Add the rest of a part to ``body`` as it comes, if it is of this object."""
    status, found = response.status, _PARTIAL.fullmatch(response.headers.get("Content-Range", ""))
    is_other = status == 206 and found and (int(found[3]), _etag(response)) != (info.size_bytes, info.etag)
    is_newer = info.version is None and info.modified not in {None, _date(response)}
    if status in {412, 416} or is_other or (status == 206 and is_newer):
        raise ObjectChanged(f"{asked.what} has changed in the {asked.where} while it was being read: open it again.")
    if status not in {200, 206}:
        raise _refusal(status, asked)
    if status != 206 or not found or (int(found[1]), int(found[2])) != (asked.start, asked.stop - 1):
        raise _Again(f"gave answers that are not the part of {asked.what} that was asked for")
    left = asked.stop - asked.start
    async for chunk in _patiently(response, asked, patience):
        body += chunk[:left]
        left -= len(chunk[:left])
        if left == 0:
            return
    raise _Again(f"did not give a whole answer when reading {asked.what}")


async def _read_part(response: aiohttp.ClientResponse, asked: Asked, patience: asyncio.Timeout) -> Seen:
    found = _PARTIAL.fullmatch(response.headers.get("Content-Range", ""))
    size_bytes = int(found[3]) if found else 0
    length = min(asked.stop, size_bytes) - asked.start
    body = bytearray()
    if found and (int(found[1]), int(found[2])) == (asked.start, asked.start + length - 1):
        if response.content_length == length <= answers.PATIENCE_BYTES:
            data = await response.read()
            return Seen(size_bytes, _etag(response), _date(response), data)
        async for chunk in _patiently(response, asked, patience):
            body += chunk
            if len(body) > length:
                break
    if len(body) != length or length <= 0:
        raise _Again(f"gave answers that are not the part of {asked.what} that was asked for")
    return Seen(size_bytes, _etag(response), _date(response), bytes(body))


async def _read_whole(response: aiohttp.ClientResponse, asked: Asked, patience: asyncio.Timeout) -> Seen:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_page = kind == "text/html" and not asked.what.lower().endswith((".html", ".htm"))
    if asked.is_store and (is_page or _etag(response) is None):
        raise _Again(f"gave answers that are not the part of {asked.what} that was asked for")
    if is_page:
        raise NotSupported(f"The {asked.where} answers with a web page instead of {asked.what}.")
    said = response.headers.get("Content-Length", "")
    is_plain = "Content-Encoding" not in response.headers  # else the length is that of what was packed
    if is_plain and said.isdecimal() and int(said) > asked.whole_max_bytes:
        raise too_long(asked.what, asked.whole_max_bytes)
    # a file that is packed stays as it is, as when it is read in parts
    is_packed = not is_plain and not asked.what.lower().endswith(".gz")
    chunks = _patiently(response, asked, patience)
    whole = await collect(_unpacked(chunks) if is_packed else chunks, asked.what, asked.whole_max_bytes)
    start, stop = min(asked.start, whole.size_bytes), min(asked.stop, whole.size_bytes)
    data = await asyncio.to_thread(whole.read, start, stop)
    return Seen(whole.size_bytes, _etag(response), _date(response), data, whole)


def _refusal(status: int, asked: Asked) -> PerijoveError | _Again:
    if status in {404, 410}:
        return NotFound(f"There is no file {asked.what} in the {asked.where}.")
    if status in {401, 403}:
        return Refused(f"The {asked.where} refuses to let you read {asked.what}.")
    failure = f"answered {status} to reads of {asked.what}"
    is_passing = status >= 500 or status in {408, 429}
    return _Again(failure) if is_passing else StoreUnavailable(f"The {asked.where} {failure}.")


def _etag(response: aiohttp.ClientResponse) -> str | None:
    return response.headers.get("ETag") or None


def _date(response: aiohttp.ClientResponse) -> datetime | None:
    return parsed_date(response.headers.get("Last-Modified"))


@lru_cache(maxsize=1024)
def parsed_date(text: str | None) -> datetime | None:
    """The time that a header tells; None: it tells none."""
    try:
        found = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError):
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
