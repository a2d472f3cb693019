"""The child's view of the object: ranges, asked of the parent, within a budget of bytes."""

from __future__ import annotations

from typing import BinaryIO

from . import frames

#: An object of this size is fetched whole at the first touch: one request costs more than these bytes.
SMALL_BYTES = 1 << 20
#: Said instead of sizes, of objects that do not exist or do not fit the budget.
NOT_THERE, NOT_AFFORDED = -1, -2

#: The name of an object below the directory, a start (below zero: from the end) and a stop (None: all that follows).
ObjectPart = tuple[str, int, int | None]


class PreviewProblem(Exception):
    """Why there is no preview: a sentence for people, and an HTTP status (415: not a kind to show; 422: broken)."""

    def __init__(self, detail: str, status: int = 422) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


class Source:
    """One object of ``size_bytes``, or a directory. Reads cost bytes of the budget; the parent counts too and has the
    last word.
    """

    #: Why what was asked for cannot be read although it may be there; empty: nothing such was asked for.
    out_of_reach: str = ""

    def __init__(
        self, incoming: BinaryIO, outgoing: BinaryIO, size_bytes: int, budget_bytes: int, is_directory: bool = False
    ) -> None:
        self.is_directory = is_directory
        self.size_bytes = size_bytes
        self.left_bytes = budget_bytes
        self._incoming = incoming
        self._outgoing = outgoing
        self._chunk_start = 0
        self._chunk = b""

    @property
    def known_bytes(self) -> int | None:
        """The size of the object, if it is known."""
        return self.size_bytes

    def reaches(self, at: int) -> bool:
        """Whether there is a byte at ``at`` that can be read."""
        return at < self.size_bytes

    def read_many(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        """The bytes of each ``(start, stop)``, fetched in parallel.

        Raises:
            PreviewProblem: a range is outside the object, the budget does not allow it, or the parent refuses.
        """
        if len(self._chunk) == self.size_bytes:
            return [self._chunk[start:stop] for start, stop in ranges]
        wanted_bytes = sum(stop - start for start, stop in ranges)
        if wanted_bytes > self.left_bytes:
            raise PreviewProblem(
                f"A preview would have to move {wanted_bytes} bytes more, and {self.left_bytes} are left of its budget."
            )
        if any(not 0 <= start <= stop <= self.size_bytes for start, stop in ranges):
            raise PreviewProblem("The file ends before what its header promises.")
        message, payload = self._ask({"op": "read", "ranges": ranges})
        self.left_bytes -= wanted_bytes
        parts, at = [], 0
        for size_bytes in message["sizes"]:
            parts.append(payload[at : at + size_bytes])
            at += size_bytes
        return parts

    def read_objects(self, wanted: list[ObjectPart]) -> list[bytes | None]:
        """Parts of objects below the directory, fetched in parallel; None: there is no such object.

        Raises:
            PreviewProblem: the budget does not allow all of it.
        """
        parts = self.read_affordable(wanted)
        if len(parts) < len(wanted):
            raise PreviewProblem("The objects that this preview needs are larger than what is left of its budget.")
        return parts

    def read_affordable(self, wanted: list[ObjectPart]) -> list[bytes | None]:
        """As :meth:`read_objects`, but ends before the first one that the budget does not allow."""
        message, payload = self._ask({"op": "objects", "wanted": wanted})
        self.left_bytes -= len(payload)
        parts: list[bytes | None] = []
        at = 0
        for size_bytes in message["sizes"]:
            if size_bytes == NOT_AFFORDED:
                break
            parts.append(None if size_bytes == NOT_THERE else payload[at : at + size_bytes])
            at += max(0, size_bytes)
        return parts

    def names(self, directory: str) -> list[str]:
        """The names in a directory below the previewed one (""): itself."""
        message, _ = self._ask({"op": "names", "directory": directory})
        names: list[str] = message["names"]
        return names

    def _ask(self, message: frames.Message) -> tuple[frames.Message, bytes]:
        frames.send(self._outgoing, message)
        answer = frames.receive(self._incoming)
        if answer is None:
            raise SystemExit(0)
        if answer[0]["op"] == "refused":
            raise PreviewProblem(answer[0]["detail"], answer[0]["status"])
        return answer

    def read_at(self, start: int, wanted_bytes: int, ahead_bytes: int) -> bytes:
        """Up to ``wanted_bytes`` at ``start``, fewer at the end of the object; fetches ``ahead_bytes`` at a time."""
        stop = min(start + wanted_bytes, self.size_bytes)
        chunk_stop = self._chunk_start + len(self._chunk)
        if not (self._chunk_start <= start and stop <= chunk_stop):
            if self.size_bytes <= min(SMALL_BYTES, self.left_bytes):
                start_of_fetch, fetch_stop = 0, self.size_bytes
            else:
                start_of_fetch, fetch_stop = start, min(start + max(wanted_bytes, ahead_bytes), self.size_bytes)
            self._chunk = self.read_many([(start_of_fetch, fetch_stop)])[0] if fetch_stop > start else b""
            self._chunk_start = start_of_fetch
        at = start - self._chunk_start
        return self._chunk[at : at + max(stop - start, 0)]
