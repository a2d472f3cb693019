"""An object as a file that libraries can seek in, over the ranges of a ``Source``."""

from __future__ import annotations

import bisect
import io
from typing import Any

from .source import Source

#: What is fetched at a touch: a request costs as much time as these bytes.
BLOCK_BYTES = 64 << 10
#: What is prefetched so near to each other is one request.
NEAR_BYTES = 8 << 10
#: The parent takes twice as many in one message.
RANGES_MAX = 1000


class RangeFile(io.RawIOBase):
    """A read-only file over ``source``; all that was fetched is kept, which the budget of bytes bounds.

    Reads raise ``PreviewProblem`` where the budget does not allow them.
    """

    def __init__(self, source: Source, block_bytes: int = BLOCK_BYTES) -> None:
        super().__init__()
        self._source = source
        #: What is fetched at a touch.
        self.block_bytes = block_bytes
        self._at = 0
        #: Spans that are here, in order and apart from each other.
        self._starts: list[int] = []
        self._spans: list[bytes] = []

    def prefetch(self, ranges: list[tuple[int, int]]) -> None:
        """Fetch these ``(start, stop)`` in parallel, cut to the object and without what is here."""
        size_bytes = self._source.size_bytes
        cut = [(max(0, start), min(stop, size_bytes)) for start, stop in ranges]
        missing = sorted({gap for start, stop in cut if start < stop for gap in self._gaps(start, stop)})
        apart: list[tuple[int, int]] = []
        left_bytes = self._source.left_bytes
        # for what lies between, which must not be what breaks the budget
        spare_bytes = min(left_bytes // 2, max(0, left_bytes - sum(stop - start for start, stop in missing)))
        for start, stop in missing:
            between = (apart[-1][1], start) if apart else (0, 0)
            is_near = bool(apart) and start - between[0] <= min(NEAR_BYTES, spare_bytes)
            if is_near and (start <= between[0] or self._gaps(*between) == [between]):
                spare_bytes -= max(0, start - between[0])
                apart[-1] = (apart[-1][0], max(stop, between[0]))
            else:
                apart.append((start, stop))
        for at in range(0, len(apart), RANGES_MAX):
            some = apart[at : at + RANGES_MAX]
            for (start, _), data in zip(some, self._source.read_many(some), strict=True):
                self._keep(start, data)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to ``offset``."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size_bytes}[whence]
        if base + offset < 0:
            raise OSError("a place before the beginning of the file")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Up to ``size`` bytes, fewer only at the end of the object."""
        rest = max(0, self._source.size_bytes - self._at)
        wanted = rest if size is None or size < 0 else min(size, rest)
        data = self._bytes(self._at, self._at + wanted)
        self._at += len(data)
        return data

    def readall(self) -> bytes:
        """All that follows."""
        return self.read()

    def readinto(self, buffer: Any) -> int:
        """As ``read``, into a buffer."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _bytes(self, start: int, stop: int) -> bytes:
        if start >= stop:
            return b""
        ahead = max(stop, min(start + self.block_bytes, self._source.size_bytes))
        if self._gaps(start, stop):
            # what is read ahead must not be what breaks the budget
            spare = ahead - start <= self._source.left_bytes
            self.prefetch([(start, ahead if spare else stop)])
        parts = []
        while start < stop:
            index = bisect.bisect_right(self._starts, start) - 1
            offset = start - self._starts[index]
            part = self._spans[index][offset : offset + stop - start]
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def _gaps(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The parts of a range that are not here."""
        gaps = []
        index = max(0, bisect.bisect_right(self._starts, start) - 1)
        while start < stop:
            if index >= len(self._starts) or self._starts[index] >= stop:
                gaps.append((start, stop))
                break
            span_start = self._starts[index]
            span_stop = span_start + len(self._spans[index])
            if start < span_start:
                gaps.append((start, span_start))
            start = max(start, span_stop)
            index += 1
        return gaps

    def _keep(self, start: int, data: bytes) -> None:
        index = bisect.bisect_left(self._starts, start)
        self._starts.insert(index, start)
        self._spans.insert(index, data)
