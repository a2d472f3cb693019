"""The blocks of one opened object that are at hand or on their way: between a library's reads and a store."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from itertools import groupby
from typing import Protocol

from .access import Access, Pattern

#: So much is kept beside what is read ahead.
KEPT_BYTES = 16 << 20
#: What is read ahead is fetched as so many ranges at once.
PIECES_IN_FLIGHT = 8
#: Ahead in one stream: no latency is to be covered, and the less memory is used, the more often it is in a cache.
STRAIGHT_BYTES = 16 << 20


class Onward(Protocol):
    """Fetches what follows on, piece by piece in order."""

    def goes_straight(self) -> bool:
        """Whether it comes in one stream, which has no need of much ahead. Called by any thread."""

    async def fetch_on(self, start: int, stop: int) -> bytes:
        """The bytes from one place up to another."""


class Blocks:
    """Reads of one object by whole blocks. Those read ahead are fetched in parallel while the reader works.

    Args:
        fetch: gives the bytes from one place up to another; runs in ``loop``, which is another thread's.
        size_bytes: of the object.
        access: how it is read.
        beginning: the first bytes of the object, if they are at hand.
        onward: how to fetch for a reader that plainly reads on, if not as all else.
    """

    def __init__(
        self,
        fetch: Callable[[int, int], Awaitable[bytes]],
        loop: asyncio.AbstractEventLoop,
        size_bytes: int,
        access: Access,
        beginning: bytes = b"",
        onward: Onward | None = None,
    ) -> None:
        self._fetch = fetch
        self._onward = onward
        self._loop = loop
        self._size_bytes = size_bytes
        self._block_bytes = access.block_bytes
        self._pattern = Pattern(access, size_bytes)
        self._piece_blocks = max(1, access.ahead_bytes // access.block_bytes // PIECES_IN_FLIGHT)
        self._kept_max = max(4, (KEPT_BYTES + access.ahead_bytes) // access.block_bytes)
        #: By number; neighbours that were asked for at once are one range and share a future.
        self._kept: OrderedDict[int, tuple[Future[bytes], int]] = OrderedDict()
        #: Set when one has, by the loop's thread: a look at all of them at each read takes longer than a read.
        self._one_has_failed = False
        self._beginning = beginning if len(beginning) < min(access.block_bytes, size_bytes) else b""
        if beginning and not self._beginning:
            self._keep_beginning(beginning)

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
        if self._one_has_failed:
            self._one_has_failed = False
            for future in {future for future, _ in self._kept.values() if _has_failed(future)}:
                self._forget(future)  # read ahead in vain; now it is asked for, and may well work
        if stop <= len(self._beginning):
            return self._beginning[start:stop]
        asked, useful = self._pattern.next_read(start, stop)
        onward = self._onward if self._pattern.is_long_run else None
        fetch = self._fetch if onward is None else onward.fetch_on
        self._order(asked, fetch)
        ahead, kept_max = useful, self._kept_max
        if onward is not None and onward.goes_straight():
            ahead = ahead[: max(len(asked), STRAIGHT_BYTES // self._block_bytes)]
            kept_max = min(kept_max, (KEPT_BYTES + STRAIGHT_BYTES) // self._block_bytes)
        if self._pattern.is_long_run:
            self._order_long(ahead, fetch)
        else:
            self._order_ahead(ahead, len(asked), fetch)
        pieces: list[bytes | memoryview] = []
        for (future, first), run in groupby(asked, self._kept.__getitem__):
            numbers = list(run)
            try:
                data = future.result()
            except BaseException:
                future.cancel()
                self._forget(future)
                raise
            for number in numbers:
                self._kept.move_to_end(number)
            begin = max(start, numbers[0] * self._block_bytes) - first
            end = min(stop, (numbers[-1] + 1) * self._block_bytes) - first
            pieces.append(data if end - begin == len(data) else memoryview(data)[begin:end])
        # what is to be read next is not what is dropped, though it was asked for when more was read ahead than now
        coming = [number for number in useful if number in self._kept]
        for number in coming:
            self._kept.move_to_end(number)
        self._drop(max(kept_max, len(asked) + len(coming)))
        if len(pieces) == 1 and isinstance(pieces[0], bytes):
            return pieces[0]  # nothing is copied
        return b"".join(pieces)

    def close(self) -> None:
        """Give up what is on its way."""
        for future, _ in self._kept.values():
            future.cancel()
        self._kept.clear()

    def _order(self, numbers: range, fetch: Callable[[int, int], Awaitable[bytes]]) -> None:
        """Fetch those of ``numbers`` that are not at hand; each run of neighbours as one range."""
        run: list[int] = []
        for number in [*numbers, None]:
            if number is not None and number not in self._kept:
                run.append(number)
                continue
            if run:
                start = run[0] * self._block_bytes
                stop = min((run[-1] + 1) * self._block_bytes, self._size_bytes)
                future = asyncio.run_coroutine_threadsafe(_awaited(fetch, start, stop), self._loop)
                future.add_done_callback(self._note_failure)
                self._kept.update(dict.fromkeys(run, (future, start)))
                run = []

    def _keep_beginning(self, data: bytes) -> None:
        """As a run of blocks that has been fetched; what is not a whole block is left out."""
        count = len(data) // self._block_bytes
        count += len(data) == self._size_bytes and len(data) % self._block_bytes > 0
        future: Future[bytes] = Future()
        future.set_result(data[: count * self._block_bytes])
        self._kept.update(dict.fromkeys(range(count), (future, 0)))

    def _order_ahead(self, numbers: range, read: int, fetch: Callable[[int, int], Awaitable[bytes]]) -> None:
        """Fetch ``numbers`` in parallel: one stream of a store is slow. Not before half of them are missing, lest
        there be a request for every block. Pieces are at least as long as a read, ``read`` blocks, and so are not cut
        and put together again."""
        missing = [number for number in numbers if number not in self._kept]
        if 2 * len(missing) < len(numbers):
            return
        step = max(read, len(numbers) // PIECES_IN_FLIGHT)
        for first in range(0, len(missing), step):
            part = missing[first : first + step]
            self._order(range(part[0], part[-1] + 1), fetch)

    def _note_failure(self, future: Future[bytes]) -> None:
        self._one_has_failed = self._one_has_failed or _has_failed(future)

    def _order_long(self, numbers: range, fetch: Callable[[int, int], Awaitable[bytes]]) -> None:
        """The same of a long run, in pieces that begin and end at the same places whatever they are fetched by: so
        they are found on disk the next time."""
        length, end = self._piece_blocks, -(-self._size_bytes // self._block_bytes)
        stop = numbers.stop if numbers.stop == end else max(numbers.stop // length * length, numbers.start)
        missing = [number for number in range(numbers.start, stop) if number not in self._kept]
        if 2 * len(missing) < stop - numbers.start:
            return
        for _, piece in groupby(missing, lambda number: number // length):
            part = list(piece)
            self._order(range(part[0], part[-1] + 1), fetch)

    def _forget(self, failed: Future[bytes]) -> None:
        for number in [number for number, (future, _) in self._kept.items() if future is failed]:
            del self._kept[number]

    def _drop(self, keep: int) -> None:
        while len(self._kept) > keep:
            _, (future, _) = self._kept.popitem(last=False)
            if not any(other is future for other, _ in self._kept.values()):
                future.cancel()


async def _awaited(fetch: Callable[[int, int], Awaitable[bytes]], start: int, stop: int) -> bytes:
    return await fetch(start, stop)


def _has_failed(future: Future[bytes]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
