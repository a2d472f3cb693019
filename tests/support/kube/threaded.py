"""A loop in a thread of its own, for what has to go on while a test does something else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
CALL_SECONDS = 30.0


class LoopThread:
    """Begins with :meth:`start` and ends with :meth:`stop`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends, whatever is under way."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine there; what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=CALL_SECONDS)

    def call(self, function: Callable[[], T]) -> T:
        """Runs a function there; what it returns. In that thread itself, at once."""
        if threading.current_thread() is self._thread:
            return function()

        async def run() -> T:
            return function()

        return self.wait_for(run())
