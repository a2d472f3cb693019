"""What the routes have in common: the clients, the caches and the previews of one Jupyter server."""

from __future__ import annotations

import time
from collections import OrderedDict

from perijove.client import AsyncControlClient, datasets_call
from perijove.models import Dataset, Page
from perijove.stores import Readers

from .listing import TreeLister
from .preview.pool import Limits
from .preview.service import Previews
from .session import SessionService

#: Answers of control about datasets are believed for so long.
CATALOGUE_SECONDS = 30.0
PAGES_KEPT = 64


class DataService:
    """Made on the first request, in the server's event loop.

    Args:
        client: carries out calls to control; closed with the service.
        session: this session as control knows it.
        limits: of one preview.
        preview_cache_bytes: how much of finished previews is kept.
    """

    def __init__(
        self, client: AsyncControlClient, session: SessionService, limits: Limits, preview_cache_bytes: int
    ) -> None:
        self.client = client
        self.session = session
        self.readers = Readers(self.client, CATALOGUE_SECONDS)
        self.lister = TreeLister(self.client)
        self.previews = Previews(limits, preview_cache_bytes, self.lister)
        self._pages: OrderedDict[tuple[str, str], tuple[Page[Dataset], float]] = OrderedDict()

    async def datasets(self, q: str, cursor: str) -> Page[Dataset]:
        """One page of the datasets of this user; ``next`` is control's own and of use for its cursor only."""
        kept = self._pages.get((q, cursor))
        if kept is not None and time.monotonic() < kept[1]:
            return kept[0]
        page = await self.client.send(datasets_call(q or None, cursor or None))
        self._pages[q, cursor] = (page, time.monotonic() + CATALOGUE_SECONDS)
        if len(self._pages) > PAGES_KEPT:
            self._pages.popitem(last=False)
        return page

    async def close(self) -> None:
        """End the preview processes and close the connections."""
        await self.previews.close()
        await self.lister.close()
        await self.client.aclose()
