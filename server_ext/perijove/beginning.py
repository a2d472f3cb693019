"""An object that was opened with some of its bytes: what is at hand is not asked for again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from .objects import ObjectInfo
from .stores import PIECE_BYTES, DatasetReader


@dataclass(frozen=True, slots=True)
class Beginning:
    """The bytes ``data`` of an opened object, which lie there from ``start`` on."""

    reader: DatasetReader
    info: ObjectInfo
    start: int
    data: bytes

    async def read(self, start: int, stop: int) -> bytes:
        """The bytes ``start`` up to ``stop``, cut at the end; raises as :meth:`DatasetReader.read`."""
        stop = min(stop, self.info.size_bytes)
        if stop <= start:
            return b""
        at_hand = self._at_hand(start, stop)
        if len(at_hand) == stop - start:
            return at_hand
        rest = await self.reader.read(self.info, start + len(at_hand), stop)
        return at_hand + rest if at_hand else rest

    async def stream(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The same bytes piece by piece, with the next pieces already on their way."""
        at_hand = self._at_hand(start, min(stop, self.info.size_bytes))
        if at_hand:
            yield at_hand
        async with aclosing(self.reader.stream(self.info, start + len(at_hand), stop)) as pieces:
            async for piece in pieces:
                yield piece

    def _at_hand(self, start: int, stop: int) -> bytes:
        """As many of them as are at hand from their start on."""
        if not self.start <= start < self.start + len(self.data):
            return b""
        return self.data[start - self.start : stop - self.start]


async def begin(reader: DatasetReader, path: str, start: int, stop: int) -> Beginning:
    """Open ``path`` with its bytes from ``start`` up to ``stop``; raises as :meth:`DatasetReader.open`."""
    info, data = await reader.open(path, start, stop)
    return Beginning(reader, info, start, data)


def first_span(start: int | None, end: int | None) -> tuple[int, int]:
    """With which bytes to open an object, of a size that is not known yet, to read ``[start:end]`` of it.

    At most a piece, so that one request is enough for most; one byte where places are counted from the end.
    """
    if start is not None and start < 0:
        return 0, 1
    begins = start or 0
    if end is None or end < 0:
        return begins, begins + PIECE_BYTES
    return begins, max(min(end, begins + PIECE_BYTES), begins + 1)
