"""What the routes have in common: the clients, the caches and the previews of one Jupyter server."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from typing import Any

from perijove.client import (
    AsyncControlClient,
    datasets_call,
    lease_call,
    quotas_call,
)
from perijove.errors import NotFound
from perijove.models import Dataset, Lease, Page
from perijove.stores import Readers

from .listing import TreeLister
from .preview.pool import Limits
from .preview.service import Previews

#: Answers of control about datasets are believed for so long.
CATALOGUE_SECONDS = 30.0
PAGES_KEPT = 64


class DataService:
    """Made on the first request, in the server's event loop.

    Raises:
        NotConfigured: this server was not told where control is.
    """

    def __init__(self, control_url: str, limits: Limits, preview_cache_bytes: int) -> None:
        # The address is this server's own setting, so this server's token may go there.
        self.client = AsyncControlClient(control_url, os.environ.get("JUPYTERHUB_API_TOKEN"))
        self.readers = Readers(self.client, CATALOGUE_SECONDS)
        self.lister = TreeLister()
        self.previews = Previews(limits, preview_cache_bytes)
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

    async def usage(self) -> dict[str, Any]:
        """Quotas, the lease of this session (None outside of one) and the currency of its cost, if known."""
        quotas = await self.client.send(quotas_call())
        lease = await self._lease()
        return {
            "quotas": [quota.model_dump(mode="json") for quota in quotas.items],
            "lease": lease.model_dump(mode="json") if lease else None,
            "currency": os.environ.get("PERIJOVE_CURRENCY") or None,
        }

    async def close(self) -> None:
        """End the preview processes and close the connections."""
        await self.previews.close()
        await self.lister.close()
        await self.client.aclose()

    async def _lease(self) -> Lease | None:
        lease_id = os.environ.get("PERIJOVE_LEASE_ID")
        if not lease_id:
            return None
        try:
            return await self.client.send(lease_call(lease_id))
        except NotFound:
            return None
