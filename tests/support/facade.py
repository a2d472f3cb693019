"""The data façade as a Jupyter server keeps it, without the server."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from perijove_server.facade.keeper import FacadeKeeper

from .control import TOKEN, FakeControl


@dataclass(frozen=True)
class RunningFacade:
    """A façade; ``keeper`` lives in a thread of its own."""

    keeper: FacadeKeeper
    url: str
    key: str

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


@contextmanager
def running_facade(control: FakeControl) -> Iterator[RunningFacade]:
    """A façade for the datasets of ``control``."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="facade", daemon=True)
    thread.start()
    keeper = FacadeKeeper(control.url, TOKEN, logging.getLogger("facade"))

    async def start() -> None:
        keeper.start()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(timeout=10)
        told = keeper.environment()
        yield RunningFacade(keeper, told["PERIJOVE_DATA_URL"], told["PERIJOVE_DATA_KEY"])
    finally:
        asyncio.run_coroutine_threadsafe(keeper.close(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
