"""What the routes have in common: the clients, the caches and the previews of one Jupyter server."""

from __future__ import annotations

import time
from collections import OrderedDict

from perijove.client import AsyncControlClient, Search, datasets_call, next_cursor, tree_call
from perijove.models import DatasetPage
from perijove.stores import DatasetReader, Readers

from .dask.service import DaskService
from .listing import TreePage, tree_page
from .preview.overviews import Overviews
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
        session: this session as control knows it; closed with the service.
        dask: the user's clusters; closed with the service.
        limits: of one preview.
        preview_cache_bytes: how much of finished previews is kept.
        preview_recent_bytes: how much of what previews have read is kept.
        overviews: pictures of previews on disk.
    """

    def __init__(
        self,
        client: AsyncControlClient,
        session: SessionService,
        dask: DaskService,
        limits: Limits,
        preview_cache_bytes: int,
        preview_recent_bytes: int,
        overviews: Overviews,
    ) -> None:
        self.client = client
        self.session = session
        self.dask = dask
        self.readers = Readers(self.client, CATALOGUE_SECONDS)
        self.previews = Previews(limits, preview_cache_bytes, preview_recent_bytes, overviews)
        self._pages: OrderedDict[tuple[Search, str, int | None], tuple[DatasetPage, float]] = OrderedDict()

    async def datasets(self, search: Search, cursor: str, limit: int | None) -> DatasetPage:
        """One page of the datasets of this user; ``next`` is control's own and of use for its cursor only."""
        key = (search, cursor, limit)
        kept = self._pages.get(key)
        if kept is not None and time.monotonic() < kept[1]:
            return kept[0]
        page = await self.client.send(datasets_call(search, cursor or None, limit))
        if any(catalogue.state == "pending" for catalogue in page.catalogues):
            return page  # the Lab asks again until all have been heard
        self._pages[key] = (page, time.monotonic() + CATALOGUE_SECONDS)
        if len(self._pages) > PAGES_KEPT:
            self._pages.popitem(last=False)
        return page

    async def tree(self, reader: DatasetReader, path: str, cursor: str | None, limit: int, begins: str) -> TreePage:
        """One page of a directory: listed at the store, or by control where the dataset is of a catalogue of others.

        Raises:
            PerijoveError: see :func:`listing.tree_page`, or the catalogue does not answer.
        """
        if reader.dataset.delivery != "linked":
            return await tree_page(reader, path, cursor, limit, begins)
        page = await self.client.send(tree_call(reader.dataset.id, path, cursor, limit))
        # such an archive knows no beginnings of names: a page may be short, and the next one goes on
        return TreePage([each for each in page.items if each.name.startswith(begins)], next_cursor(page.next))

    async def close(self) -> None:
        """End the preview processes and close the connections."""
        await self.session.close()
        await self.dask.close()
        await self.previews.close()
        await self.client.aclose()
