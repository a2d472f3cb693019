"""Listings of ``proxied`` datasets: control signs an address for one page of one prefix, the store answers to it."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from . import signed
from .client import AsyncControlClient, presign_list_call
from .listed import Listed
from .models import Dataset, PresignListRequest, Replica
from .pages import Page

#: How many addresses of pages are kept.
PAGES_KEPT = 256


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


async def list_page(client: AsyncControlClient, dataset: Dataset, replica: Replica, wish: PresignListRequest) -> Listed:
    """One page of the keys that ``wish`` asks for.

    Raises:
        PerijoveError: control or the store refuses or does not answer; the cursor is not the store's.
    """
    asked = wish.model_copy(update={"replica": replica.id})
    page, addresses = Page(dataset, replica, wish), client.page_addresses()
    while True:
        url, is_kept = await addresses.get(dataset.id, asked)
        found = await page.fetch(client, url)
        if isinstance(found, Listed):
            return found
        addresses.forget(dataset.id, asked)
        if not is_kept:  # one that was kept may have ended early
            raise page.refusal(found)
