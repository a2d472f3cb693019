"""The first look at an object by a URL: one GET of its first bytes, whatever web server it is.

Objects of archives are looked at so, and those of stores that did not answer plainly (:mod:`short`). Not by obstore, as
further reads of them, because a store of it is made for one URL and takes 10 ms of the processor to make, and because
it cannot use an answer that is not the range asked for: here a server that sends the whole object instead is listened
to.

Source: RFC 9110, sections 13 (conditions) and 14 (ranges).
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from . import answers
from .errors import NotFound, NotSupported, PerijoveError, Refused, StoreUnavailable
from .whole import Whole, collect, too_long

#: A service of an archive may compute before it answers; an object store is as patient as in :mod:`answers`.
ARCHIVE_PATIENCE_SECONDS = 60.0
CONNECT_SECONDS = 3.0
#: Tries of one look, and the pause before the second, which doubles.
TRIES = 4
FIRST_PAUSE_SECONDS = 0.1
REDIRECTS_MAX = 5
CONNECTIONS_MAX = 128
_UNPACKED_BYTES = 1 << 20

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
    """

    url: str
    what: str
    where: str
    start: int
    stop: int
    unless_etag: str | None
    whole_max_bytes: int
    is_store: bool

    @property
    def patience_seconds(self) -> float:
        """How long an answer may take, or each further MiB of it."""
        return answers.PATIENCE_SECONDS if self.is_store else ARCHIVE_PATIENCE_SECONDS


class _Again(Exception):
    """It may be better next time; else ``why``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def new_session() -> aiohttp.ClientSession:
    """Carries out looks. It has no token and no cookies: it goes to servers of others. Belongs to the running loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),  # else by the patience of each look
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def look(http: aiohttp.ClientSession, asked: Asked) -> Seen | None:
    """Ask once, and again when the trouble may pass; None if the object has the ETag that is known.

    Raises:
        NotSupported: the server gives no parts, and the object is too long, or a web page where a file was expected.
        PerijoveError: no such object, refused, or the server does not answer.
    """
    pause_seconds, why = FIRST_PAUSE_SECONDS, ""
    for attempt in range(1, TRIES + 1):
        try:
            async with asyncio.timeout(asked.patience_seconds) as patience:
                return await _ask(http, asked, patience)
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


async def _ask(http: aiohttp.ClientSession, asked: Asked, patience: asyncio.Timeout) -> Seen | None:
    headers = {"Range": f"bytes={asked.start}-{asked.stop - 1}", "Accept-Encoding": "identity"}
    headers |= {"If-None-Match": asked.unless_etag} if asked.unless_etag else {}
    try:
        # as it was signed: not to be encoded anew
        url = URL(asked.url, encoded=True)
        proxy = proxy_for(url.scheme, url.host or "")
        async with http.get(url, headers=headers, max_redirects=REDIRECTS_MAX, proxy=proxy) as response:
            return await _read(response, asked, patience)
    except PerijoveError:
        raise  # some are OSErrors too
    except (aiohttp.ClientError, ValueError, OSError):
        raise _Again(f"did not give a whole answer when reading {asked.what}") from None


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
