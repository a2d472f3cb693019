"""What a notebook does with a cluster, in the loop of a test."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from dask_gateway import Gateway
from dask_gateway.auth import JupyterHubAuth

from .dask_gateway import GatewayBed


def busy(number: int, seconds: float) -> int:
    """Take a while and give the number back."""
    time.sleep(seconds)
    return number


@contextlib.asynccontextmanager
async def connected(bed: GatewayBed, token: str, name: str) -> AsyncIterator[Any]:
    """A client of a cluster that runs, by Dask Gateway's own means."""
    async with Gateway(
        address=bed.told.address,
        proxy_address=bed.told.proxy_address,
        auth=JupyterHubAuth(api_token=token),
        asynchronous=True,
    ) as gateway:
        cluster = await gateway.connect(name)
        client = await cluster.get_client(set_as_default=False)
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):
                await client.close(timeout=2)
            with contextlib.suppress(Exception):
                await cluster.close(shutdown=False)
