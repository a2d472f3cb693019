"""Listings of ``proxied`` datasets: control signs an address for one page of one prefix, the store answers to it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from . import signed
from .client import AsyncControlClient, presign_list_call
from .errors import BadRequest, NotFound, Refused, StoreUnavailable
from .listed import Listed, parse_listing
from .models import Dataset, PresignListRequest, Replica

#: Tries of one page, and the pause before the second, which doubles.
TRIES = 3
FIRST_PAUSE_SECONDS = 0.2
#: A thousand keys of the greatest length, percent-encoded, with what XML puts around them.
PAGE_MAX_BYTES = 8 << 20
#: How many addresses of pages are kept.
PAGES_KEPT = 256


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


class PageAddresses:
    """The addresses of pages, kept as long as those of objects: who looks at a directory often does so again soon.

    Belongs to one event loop.

    Args:
        client: asks control for them.
    """

    def __init__(self, client: AsyncControlClient) -> None:
        self._client = client
        self._kept: OrderedDict[tuple[str, PresignListRequest], tuple[str, datetime]] = OrderedDict()

    async def get(self, dataset_id: str, wish: PresignListRequest) -> tuple[str, bool]:
        """An address that gives this page now, and whether it is one that was kept.

        Raises:
            PerijoveError: control refuses or does not answer.
        """
        kept, now = self._kept.get((dataset_id, wish)), signed.clock()
        if kept is not None and now < kept[1]:
            return kept[0], True
        page = await self._client.send(presign_list_call(dataset_id, wish))
        self._kept[dataset_id, wish] = page.url, min(page.expires - signed.URL_RENEW_BEFORE, now + signed.URL_KEPT)
        self._kept.move_to_end((dataset_id, wish))
        if len(self._kept) > PAGES_KEPT:
            self._kept.popitem(last=False)
        return page.url, False

    def forget(self, dataset_id: str, wish: PresignListRequest) -> None:
        """It did not work: the next is asked for."""
        self._kept.pop((dataset_id, wish), None)


def root_of(replica: Replica) -> str:
    """The key prefix of a replica, empty or ending with a slash."""
    prefix = urlsplit(replica.url, allow_fragments=False).path.strip("/")
    return f"{prefix}/" if prefix else ""


async def list_page(client: AsyncControlClient, dataset: Dataset, replica: Replica, wish: PresignListRequest) -> Listed:
    """One page of the keys that ``wish`` asks for.

    Raises:
        PerijoveError: control or the store refuses or does not answer; the cursor is not the store's.
    """
    asked = wish.model_copy(update={"replica": replica.id})
    store = replica.endpoint or replica.region
    addresses, is_kept = client.page_addresses(), True
    while is_kept:  # one that was kept may have ended early
        url, is_kept = await addresses.get(dataset.id, asked)
        status, body = await _page(client, url, store)
        if status == 200:
            return parse_listing(body, root_of(replica), store)
        addresses.forget(dataset.id, asked)
    raise refusal(status, dataset, replica, wish.path, has_cursor=wish.cursor is not None)


async def _page(client: AsyncControlClient, url: str, store: str) -> tuple[int, bytes]:
    """Status and body of a page by the plain way, or with tries; raises as :func:`fetch`."""
    reply = await client.connections().get(url, {"Accept-Encoding": "identity"}, PAGE_MAX_BYTES)
    if reply is not None and reply.status < 500 and "content-encoding" not in reply.headers:
        return reply.status, reply.body
    return await fetch(client.pages(), httpx.Request("GET", url), store)


async def fetch(http: httpx.AsyncClient, request: httpx.Request, store: str) -> tuple[int, bytes]:
    """Status and body of a page, tried again where the trouble may pass.

    Raises:
        StoreUnavailable: no answer, or a fault of the store, each time; or more than a listing can be.
    """
    pause_seconds, what = FIRST_PAUSE_SECONDS, "did not answer"
    for attempt in range(1, TRIES + 1):
        try:
            response = await http.send(request, stream=True)
            try:
                body = await _bounded(response, store)
            finally:
                await response.aclose()
        except httpx.TransportError:
            what = "did not answer"
        else:
            if response.status_code < 500:
                return response.status_code, body
            what = f"answered {response.status_code}"
        if attempt < TRIES:
            await asyncio.sleep(pause_seconds)
            pause_seconds *= 2
    raise StoreUnavailable(f"The store at {store} {what} when listing (tried {TRIES} times).")


async def _bounded(response: httpx.Response, store: str) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > PAGE_MAX_BYTES:
            raise StoreUnavailable(f"What answers at {store} is not an object store: its listing does not end.")
    return bytes(body)


def refusal(status: int, dataset: Dataset, replica: Replica, path: str, *, has_cursor: bool) -> Exception:
    """The error that stands for a status of a listing."""
    store = replica.endpoint or replica.region
    if status == 400 and has_cursor:
        return BadRequest("The store does not know this cursor (any more): start the listing again.")
    if status == 404:
        return NotFound(f"The store at {store} does not hold the dataset {dataset.id}.")
    if status in {401, 403}:
        return Refused(f"The store at {store} refuses to list {dataset.id}/{path}.")
    return StoreUnavailable(f"The store at {store} answered {status} when listing {dataset.id}/{path}.")
