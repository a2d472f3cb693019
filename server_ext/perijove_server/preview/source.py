"""The child's view of the object: ranges, asked of the parent, within a budget of bytes."""

from __future__ import annotations

from typing import BinaryIO

from . import frames

#: An object of this size is fetched whole at the first touch: one request costs more than these bytes.
SMALL_BYTES = 1 << 20


class PreviewProblem(Exception):
    """Why there is no preview: a sentence for people, and an HTTP status (415: not a kind to show; 422: broken)."""

    def __init__(self, detail: str, status: int = 422) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


class Source:
    """One object of ``size_bytes``. Reads cost bytes of the budget; the parent counts too and has the last word."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO, size_bytes: int, budget_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.left_bytes = budget_bytes
        self._incoming = incoming
        self._outgoing = outgoing
        self._chunk_start = 0
        self._chunk = b""

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
        frames.send(self._outgoing, {"op": "read", "ranges": ranges})
        answer = frames.receive(self._incoming)
        if answer is None:
            raise SystemExit(0)
        message, payload = answer
        if message["op"] != "bytes":
            raise PreviewProblem(message["detail"], message["status"])
        self.left_bytes -= wanted_bytes
        parts, at = [], 0
        for size_bytes in message["sizes"]:
            parts.append(payload[at : at + size_bytes])
            at += size_bytes
        return parts

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
