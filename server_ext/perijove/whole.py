"""Objects of servers that give no parts, such as the answers of TAP services: fetched once, read from a file.

The file is unnamed and goes with the object that was opened. It is a copy of one answer, so it needs no version.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import IO

from .errors import NotSupported, StoreUnavailable

#: The longest of such an object that is opened, and how much of all that are open at once lies on disk.
WHOLE_MAX_BYTES = 512 << 20
ALL_MAX_BYTES = 2 << 30
#: Who only looks at an object, for its size or a preview, takes no more than this.
LOOK_MAX_BYTES = 8 << 20

_open_bytes = [0]
#: Threads count at the same time; and what is let go by the collector of garbage may be so in the midst of counting.
_counting = threading.RLock()


class Whole:
    """The bytes of one object on disk. Threads may read it at the same time.

    Args:
        what: its name, for sentences.
        max_bytes: the most that it may have.
    """

    def __init__(self, what: str, max_bytes: int) -> None:
        self._what = what
        self._max_bytes = max_bytes
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as this
        self._held = [0]
        self._let_go = weakref.finalize(self, _let_go, self._file, self._held)

    @property
    def size_bytes(self) -> int:
        """How many there are so far."""
        return self._held[0]

    def append(self, chunk: bytes) -> None:
        """Add bytes at the end.

        Raises:
            NotSupported: there are too many.
            StoreUnavailable: they cannot be written, or it was closed.
        """
        more = len(chunk)
        if self.size_bytes + more > self._max_bytes:
            raise too_long(self._what, self._max_bytes)
        with _counting:
            if self._file.closed:  # who wanted it has gone: it must not be counted for good
                raise StoreUnavailable(f"{self._what} has been closed: open it again.")
            if _open_bytes[0] + more > ALL_MAX_BYTES:
                raise NotSupported(f"{self._what} does not fit beside the other whole files that are open: close some.")
            self._held[0] += more
            _open_bytes[0] += more
        left = memoryview(chunk)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            raise StoreUnavailable(f"There is no room on this machine's disk for {self._what}.") from None

    def read(self, start: int, stop: int) -> bytes:
        """The bytes ``start`` up to ``stop``.

        Raises:
            StoreUnavailable: it was closed.
        """
        if self._file.closed:
            raise StoreUnavailable(f"{self._what} has been closed: open it again.")
        return os.pread(self._file.fileno(), stop - start, start)

    def close(self) -> None:
        """Give the room on the disk back."""
        self._let_go()


def too_long(what: str, max_bytes: int) -> NotSupported:
    """The error for an object that is not fetched as a whole."""
    return NotSupported(
        f"The server of {what} gives no parts of it, and all of it is more than {max_bytes >> 20} MiB: "
        "download it from its own pages, or ask the service for less."
    )


async def collect(chunks: AsyncGenerator[bytes, None], what: str, max_bytes: int) -> Whole:
    """All of ``chunks`` on disk; raises as :meth:`Whole.append`, and what ``chunks`` raise. They are closed."""
    whole = await asyncio.to_thread(Whole, what, max_bytes)
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                await asyncio.to_thread(whole.append, chunk)
    except BaseException:
        whole.close()
        raise
    return whole


def _let_go(file: IO[bytes], held: list[int]) -> None:
    with _counting:
        file.close()
        _open_bytes[0] -= held[0]
