"""Bytes that looks have read of late, so that the next look at the same object does not move them again.

Another stretch, a part of the same field, another unit of the same file: each needs bytes that were just read. They are
found by the dataset, the path, and the object's strong ETag and size, and so are never of two versions; of an object
without a strong ETag nothing is kept. Rights are not kept here: at every look, whoever reads has just been allowed by
the store to open the object.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict, deque

from perijove.counting import Counts
from perijove.replicas import ObjectInfo
from perijove.stores import DatasetReader

#: What a span takes beside its bytes, about.
SPAN_BYTES = 512

#: The dataset, the path, the strong ETag and the size in bytes.
_Version = tuple[str, str, str, int]


class RecentBytes:
    """At most ``limit_bytes`` in memory; what was used least lately goes first. Belongs to one event loop."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        #: By object and first byte, apart from each other; the one used least lately is first.
        self._spans: OrderedDict[tuple[_Version, int], bytes] = OrderedDict()
        #: The first bytes of the spans of each object, in order.
        self._starts: dict[_Version, list[int]] = {}

    @property
    def size_bytes(self) -> int:
        """What is taken now."""
        return self._size_bytes

    async def read(self, reader: DatasetReader, info: ObjectInfo, start: int, stop: int) -> bytes:
        """The bytes ``start`` up to ``stop`` of an object that was opened for this look, the missing ones by one read.

        Raises:
            PerijoveError: see ``DatasetReader.read``.
        """
        if info.version is None or info.opened.whole is not None:
            return await reader.read(info, start, stop)
        version = (reader.dataset.id, info.path, info.version, info.size_bytes)
        head, tail = self._ends(version, start, stop)
        begin, end = start + len(head), stop - len(tail)
        if begin >= end:
            return head
        data = await reader.read(info, begin, end)
        self._keep(version, begin, data)
        return head + data + tail

    def _ends(self, version: _Version, start: int, stop: int) -> tuple[bytes, bytes]:
        """What is here from ``start`` on, and what is here up to ``stop``, both without a gap."""
        here = deque(self._overlapping(version, start, stop))
        for at, _ in here:
            self._spans.move_to_end((version, at))
        head, tail = [], []
        while here and here[0][0] <= start:
            at, span = here.popleft()
            head.append(span[start - at : stop - at])
            start = at + len(span)
        while here and here[-1][0] + len(here[-1][1]) >= stop:
            at, span = here.pop()
            tail.append(span[: stop - at])
            stop = at
        return b"".join(head), b"".join(reversed(tail))

    def _keep(self, version: _Version, start: int, data: bytes) -> None:
        at = start
        for other, span in self._overlapping(version, start, start + len(data)):
            self._insert(version, at, data[at - start : max(at, other) - start])
            at = max(at, other + len(span))
        self._insert(version, at, data[at - start :])
        while self._size_bytes > self._limit_bytes:
            self._drop_oldest()

    def _overlapping(self, version: _Version, start: int, stop: int) -> list[tuple[int, bytes]]:
        """The spans that hold some of a range, in order."""
        starts = self._starts.get(version, [])
        first = max(0, bisect.bisect_right(starts, start) - 1)
        found = [(at, self._spans[version, at]) for at in starts[first : bisect.bisect_left(starts, stop)]]
        return [(at, span) for at, span in found if at + len(span) > start]

    def _insert(self, version: _Version, start: int, data: bytes) -> None:
        if data and len(data) + SPAN_BYTES <= self._limit_bytes:
            bisect.insort(self._starts.setdefault(version, []), start)
            self._spans[version, start] = data
            self._size_bytes += len(data) + SPAN_BYTES

    def _drop_oldest(self) -> None:
        (version, start), data = self._spans.popitem(last=False)
        self._size_bytes -= len(data) + SPAN_BYTES
        starts = self._starts[version]
        del starts[bisect.bisect_left(starts, start)]
        if not starts:
            del self._starts[version]


def moved_of(info: ObjectInfo) -> Counts:
    """What opening and reading an object has moved."""
    whole = info.opened.whole  # fetched when it was opened, by a server that gives no parts
    return info.opened.counts + Counts(bytes=whole.size_bytes if whole is not None else 0)
