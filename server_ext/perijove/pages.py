"""One page of a listing of a store: asked for by a signed address, with tries, in bounded time, read with care."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from . import answers
from .answers import address_of
from .client import AsyncControlClient
from .errors import BadRequest, NotFound, PerijoveError, Refused, StoreUnavailable
from .listed import Listed, NoListing, parse_listing
from .models import Dataset, PresignListRequest, Replica

#: Tries of one page, and the pause before the second, which doubles.
TRIES = 3
FIRST_PAUSE_SECONDS = 0.2
#: A thousand keys of the greatest length, percent-encoded, with what XML puts around them.
PAGE_MAX_BYTES = 8 << 20
#: Bodies are not to be packed: a short one could become a long one.
_HEADERS = {"Accept-Encoding": "identity"}


class _WithoutQueries(logging.Filter):
    """httpx logs every address whole, and the query of a signed one is a key as long as it lasts."""

    def filter(self, record: logging.LogRecord) -> bool:
        """All are logged; signed addresses without their queries."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                each.copy_with(query=None) if isinstance(each, httpx.URL) and b"X-Amz-" in each.query else each
                for each in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_WithoutQueries())


class _Again(Exception):
    """It may be better next time; else ``why``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Page:
    """A page that is asked for of one replica."""

    dataset: Dataset
    replica: Replica
    wish: PresignListRequest

    async def fetch(self, client: AsyncControlClient, url: str) -> Listed | int:
        """What the store lists, or the status by which it refuses. It is tried again where the trouble may pass.

        Args:
            client: whose connections are used.
            url: that sends this page; it may be secret.

        Raises:
            StoreUnavailable: no answer in time, or none that is a listing, each time.
        """
        tried = 0
        try:
            async with asyncio.timeout(answers.PATIENCE_SECONDS):
                for tried in range(1, TRIES + 1):
                    try:
                        return await self._try(client, url, is_first=tried == 1)
                    except _Again as again:
                        why = again.why
                    if tried < TRIES:
                        await asyncio.sleep(FIRST_PAUSE_SECONDS * 2 ** (tried - 1))
        except TimeoutError:
            why = f"took longer than {answers.PATIENCE_SECONDS:g} s"
        raise StoreUnavailable(f"The {self._where} {why} when listing {self._what} ({_times(tried)}).")

    def refusal(self, status: int) -> PerijoveError:
        """The error that stands for a status."""
        if status == 400 and self.wish.cursor is not None:
            return BadRequest("The store does not know this cursor (any more): start the listing again.")
        if status == 404:
            return NotFound(f"The {self._where} does not hold {self._what}.")
        if status in {401, 403}:
            return Refused(f"The {self._where} refuses to list {self._what}.")
        return StoreUnavailable(f"The {self._where} answered {status} when listing {self._what} (tried once).")

    @property
    def _what(self) -> str:
        return f"{self.dataset.id}/{self.wish.path}"

    @property
    def _where(self) -> str:
        return f"copy {self.replica.id} at {address_of(self.replica)}"

    async def _try(self, client: AsyncControlClient, url: str, *, is_first: bool) -> Listed | int:
        plain = await client.connections().get(url, _HEADERS, PAGE_MAX_BYTES) if is_first else None
        if plain is not None and plain.status < 500 and "content-encoding" not in plain.headers:
            status, body = plain.status, plain.body
        else:
            status, body = await self._asked(client.pages(), url)
        if status >= 500:
            raise _Again(f"answered {status}")
        if status != 200:
            return status
        try:
            return parse_listing(body, root_of(self.replica))
        except NoListing as error:
            raise _Again(str(error)) from None

    async def _asked(self, http: httpx.AsyncClient, url: str) -> tuple[int, bytes]:
        body = bytearray()
        try:
            async with http.stream("GET", url, headers=_HEADERS) as response:
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > PAGE_MAX_BYTES:
                        raise _Again("sent something without an end")
        except httpx.TransportError:
            raise _Again("did not give a whole answer") from None
        return response.status_code, bytes(body)


def root_of(replica: Replica) -> str:
    """The key prefix of a replica, empty or ending with a slash."""
    prefix = urlsplit(replica.url, allow_fragments=False).path.strip("/")
    return f"{prefix}/" if prefix else ""


def _times(tries: int) -> str:
    return "tried once" if tries == 1 else f"tried {tries} times"
