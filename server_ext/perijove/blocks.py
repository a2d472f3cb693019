"""The blocks of one opened object that are at hand or on their way: between a library's reads and a store."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from .access import Access, Pattern

#: Blocks are kept up to this, or up to what is read ahead and as much again.
KEPT_BYTES = 16 << 20
#: What is read ahead is fetched as so many ranges at once.
PIECES_IN_FLIGHT = 8


class Blocks:
    """Reads of one object by whole blocks. Those read ahead are fetched in parallel while the reader works.

    Args:
        fetch: gives the bytes from one place up to another; runs in ``loop``, which is another thread's.
        size_bytes: of the object.
        access: how it is read.
    """

    def __init__(
        self,
        fetch: Callable[[int, int], Awaitable[bytes]],
        loop: asyncio.AbstractEventLoop,
        size_bytes: int,
        access: Access,
    ) -> None:
        self._fetch = fetch
        self._loop = loop
        self._size_bytes = size_bytes
        self._block_bytes = access.block_bytes
        self._pattern = Pattern(access, size_bytes)
        self._kept_max = max(4, max(KEPT_BYTES, 2 * access.ahead_bytes) // access.block_bytes)
        #: By number; neighbours that were asked for at once are one range and share a future.
        self._kept: OrderedDict[int, tuple[Future[bytes], int]] = OrderedDict()

    def read(self, start: int, stop: int) -> bytes:
        """The bytes ``start`` up to ``stop``, cut at the end of the object.

        Raises:
            PerijoveError: they could not be read; a later read tries again.
        """
        stop = min(stop, self._size_bytes)
        if stop <= start:
            return b""
        if asyncio._get_running_loop() is self._loop:
            raise RuntimeError("A file of perijove:// cannot be read from within the event loop that fetches for it.")
        for future in {future for future, _ in self._kept.values() if _has_failed(future)}:
            self._forget(future)  # read ahead in vain; now it is asked for, and may well work
        asked, ahead = self._pattern.next_read(start, stop)
        self._order(asked)
        self._order_ahead(ahead)
        pieces: list[bytes] = []
        for number in asked:
            future, first = self._kept[number]
            try:
                data = future.result()
            except BaseException:
                future.cancel()
                self._forget(future)
                raise
            at = number * self._block_bytes
            pieces.append(data[max(start, at) - first : min(stop, at + self._block_bytes) - first])
            self._kept.move_to_end(number)
        self._drop(keep=len(asked) + len(ahead))
        return b"".join(pieces)

    def close(self) -> None:
        """Give up what is on its way."""
        for future, _ in self._kept.values():
            future.cancel()
        self._kept.clear()

    def _order(self, numbers: range) -> None:
        """Fetch those of ``numbers`` that are not at hand; each run of neighbours as one range."""
        run: list[int] = []
        for number in [*numbers, None]:
            if number is not None and number not in self._kept:
                run.append(number)
                continue
            if run:
                start = run[0] * self._block_bytes
                stop = min((run[-1] + 1) * self._block_bytes, self._size_bytes)
                future = asyncio.run_coroutine_threadsafe(self._awaited(start, stop), self._loop)
                self._kept.update(dict.fromkeys(run, (future, start)))
                run = []

    def _order_ahead(self, numbers: range) -> None:
        """Fetch ``numbers`` in parallel: one stream of a store is slow. Not before half of them are missing, lest
        there be a request for every block."""
        missing = [number for number in numbers if number not in self._kept]
        if 2 * len(missing) < len(numbers):
            return
        step = max(1, len(numbers) // PIECES_IN_FLIGHT)
        for first in range(0, len(missing), step):
            part = missing[first : first + step]
            self._order(range(part[0], part[-1] + 1))

    async def _awaited(self, start: int, stop: int) -> bytes:
        return await self._fetch(start, stop)

    def _forget(self, failed: Future[bytes]) -> None:
        for number in [number for number, (future, _) in self._kept.items() if future is failed]:
            del self._kept[number]

    def _drop(self, keep: int) -> None:
        while len(self._kept) > max(self._kept_max, keep):
            _, (future, _) = self._kept.popitem(last=False)
            if not any(other is future for other, _ in self._kept.values()):
                future.cancel()


def _has_failed(future: Future[bytes]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
