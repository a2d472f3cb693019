"""When a server is up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
from jupyterhub.httpclient import fetch

from perijove_hub.sites import READY_HEADER, Handle, SiteInterface, Status
from perijove_hub.spawning.refusals import StartFailed

#: How often the site is asked whether the server still runs.
LOOK_SECONDS = 1.0
TIMEOUT = aiohttp.ClientTimeout(total=5, sock_connect=2)


async def wait_until_ready(
    site: SiteInterface, handle: Handle, path: str, until: float, patience_seconds: float, poll_seconds: float
) -> Mapping[str, str]:
    """Wait until the server itself answers; any other answer at its address does not count, nor does an error of it.

    Returns the headers of its answer.

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
        if (headers := await _answer(f"{handle.url}{path}api")) is not None:
            return headers
        if loop.time() >= next_look:
            if await site.poll(handle) is Status.STOPPED:
                why = (await site.ending(handle.attempt_id)).reason
                raise StartFailed(f"{why or 'the server ended while starting'}.", sites_fault=True)
            next_look = loop.time() + LOOK_SECONDS
        await asyncio.sleep(poll_seconds)
    raise StartFailed(f"the server did not answer within {patience_seconds:g} s.", sites_fault=True)


def answered(server: Any, headers: Mapping[str, str]) -> None:
    """Tell the hub of an answer that its server has just given, in the place of the request that it makes itself.

    The hub asks each server that has started once more. A start is a request cheaper without, and a server that answers
    once and then no more fails no start: the hub ends when a few fail in a row.

    Args:
        server: the hub's object for the server's address.
        headers: of the answer.
    """

    async def wait_up(**_: Any) -> SimpleNamespace:
        # for once: whoever asks later wants to know it anew
        del server.wait_up
        return SimpleNamespace(headers=headers)

    server.wait_up = wait_up


async def _answer(url: str) -> Mapping[str, str] | None:
    try:
        answer = await fetch(url, raise_for_status=False, allow_redirects=False, timeout=TIMEOUT)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    async with answer:
        # the hub, too, takes a server that answers with an error for one that is not there
        return answer.headers if READY_HEADER in answer.headers and answer.status < 500 else None
