"""When a server is up."""

from __future__ import annotations

import asyncio

import aiohttp
from jupyterhub.httpclient import fetch

from perijove_hub.sites import Handle, SiteInterface, Status
from perijove_hub.spawning.refusals import StartFailed

#: The header by which a single-user server tells itself from whatever else answers at an address.
READY_HEADER = "X-JupyterHub-Version"

#: How often the site is asked whether the server still runs.
LOOK_SECONDS = 1.0
TIMEOUT = aiohttp.ClientTimeout(total=5, sock_connect=2)


async def wait_until_ready(
    site: SiteInterface, handle: Handle, path: str, until: float, patience_seconds: float, poll_seconds: float
) -> None:
    """Wait until the server itself answers; any other answer at its address does not count, nor does an error of it.

    Args:
        site: where it runs.
        handle: of the server.
        path: of the server at its address, with a slash at the end.
        until: when to give up, on the clock of the loop.
        patience_seconds: how long that is from the start, to be told.
        poll_seconds: how often the server is asked.

    Raises:
        StartFailed: it ended, or did not answer in time.
    """
    loop = asyncio.get_running_loop()
    next_look = loop.time() + LOOK_SECONDS
    while loop.time() < until:
        if await _answers(f"{handle.url}{path}api"):
            return
        if loop.time() >= next_look:
            if await site.poll(handle) is Status.STOPPED:
                raise StartFailed("the server ended while starting.", sites_fault=True)
            next_look = loop.time() + LOOK_SECONDS
        await asyncio.sleep(poll_seconds)
    raise StartFailed(f"the server did not answer within {patience_seconds:g} s.", sites_fault=True)


async def _answers(url: str) -> bool:
    try:
        answer = await fetch(url, raise_for_status=False, allow_redirects=False, timeout=TIMEOUT)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
    async with answer:
        # the hub looks too, and takes a server that answers with an error for one that is not there
        return READY_HEADER in answer.headers and answer.status < 500
