"""Files that are compressed as a whole (gzip, bzip2, xz): unpacked from the beginning, as far as a look needs.

Such a file can be read in no other way: what is in its middle is known only to who has read all before it. Python's own
readers unpack it, in pieces; how much comes of it is counted here, since a kilobyte may stand for a gigabyte.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .rangefile import BLOCK_BYTES, RangeFile
from .source import PreviewProblem, Source

#: Of one file so many times the budget of moved bytes is unpacked: images of whole numbers take a fifth of their size.
UNPACKED_BUDGETS = 8
#: So much is unpacked at a time, and a request grows to this, as more of the file is read.
STEP_BYTES = 256 << 10
REQUEST_MAX_BYTES = 1 << 20
#: Stands for a size that is not known, and is larger than any.
UNKNOWN_BYTES = 2**53

_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)


@dataclass(frozen=True)
class Packing:
    """A way to compress: its name as in ``answers.Compression``, how files begin, its reader."""

    name: str
    magic: bytes
    open: Callable[[Any], Any]


PACKINGS = (
    Packing("gzip", b"\x1f\x8b\x08", lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    Packing("bz2", b"BZh", bz2.BZ2File),
    Packing("xz", b"\xfd7zXZ\0", lzma.LZMAFile),
)
#: How names of such files end.
ENDINGS = (".gz", ".gzip", ".bz2", ".xz")


def packing_of(source: Source) -> Packing | None:
    """How an object is compressed, by its first bytes; None: it is not."""
    if source.is_directory:
        return None
    begins = source.read_at(0, 8, BLOCK_BYTES)
    return next((known for known in PACKINGS if begins.startswith(known.magic)), None)


def inner_path(path: str) -> str:
    """The name of what is in a file of this name."""
    ending = next((each for each in ENDINGS if path.lower().endswith(each)), "")
    return path[: len(path) - len(ending)]


class Unpacked(Source):
    """What is in a file that is compressed as a whole.

    ``size_bytes`` is :data:`UNKNOWN_BYTES` until the end is reached. ``left_bytes`` is what one may ask for at a time,
    as of any other file; what has been unpacked costs nothing more.
    """

    def __init__(self, packed: Source, packing: Packing) -> None:
        self.is_directory = False
        self.size_bytes = UNKNOWN_BYTES
        self.left_bytes = packed.left_bytes
        self.out_of_reach = ""
        #: What is wrong with the file, if it ends otherwise than it should.
        self.broken = ""
        self._packed = packed
        self._most_bytes = UNPACKED_BUDGETS * packed.left_bytes
        self._file = RangeFile(packed)
        self._reader = packing.open(io.BufferedReader(self._file, BLOCK_BYTES))
        self._data = bytearray()

    def read_many(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        """The bytes of each ``(start, stop)``.

        Raises:
            PreviewProblem: one ends behind the file, or behind what a preview unpacks.
        """
        last = max((stop for _, stop in ranges), default=0)
        self._unpack(last)
        if last > len(self._data):
            raise PreviewProblem(self.out_of_reach or self.broken or "The file ends before what its header promises.")
        return [bytes(self._data[start:stop]) for start, stop in ranges]

    def read_at(self, start: int, wanted_bytes: int, ahead_bytes: int) -> bytes:
        """Up to ``wanted_bytes`` at ``start``, fewer at the end of the file or of what a preview unpacks of it."""
        self._unpack(start + wanted_bytes + 1)  # one more tells whether this was all
        return bytes(self._data[start : start + wanted_bytes])

    def reaches(self, at: int) -> bool:
        """Whether there is a byte at ``at`` that a preview can read."""
        self._unpack(at + 1)
        return at < len(self._data)

    @property
    def known_bytes(self) -> int | None:
        """The size, if it is known."""
        return None if self.size_bytes == UNKNOWN_BYTES else self.size_bytes

    def _unpack(self, stop: int) -> None:
        """Go on until ``stop`` bytes are here, the file ends, or it would be too much."""
        if stop > self._most_bytes and self.size_bytes == UNKNOWN_BYTES and not self.out_of_reach:
            self._give_up()  # before anything is moved for it
        while len(self._data) < stop and self.size_bytes == UNKNOWN_BYTES and not self.out_of_reach:
            self._step()

    def _step(self) -> None:
        self._file.block_bytes = min(REQUEST_MAX_BYTES, max(BLOCK_BYTES, len(self._data)), self._packed.left_bytes)
        try:
            piece = self._reader.read1(min(STEP_BYTES, self._most_bytes - len(self._data)))
        except PreviewProblem:
            self._give_up()  # the budget of what is moved is used up
            return
        except _BROKEN:
            self.broken = (
                f"The file is cut off or damaged: what is shown is from the {len(self._data)} bytes that unpack."
                if self._data
                else "The file does not unpack: it is cut off or damaged."
            )
            piece = b""
        self._data += piece
        if not piece:
            self.size_bytes = len(self._data)
        elif len(self._data) >= self._most_bytes:
            self._give_up()

    def _give_up(self) -> None:
        self.out_of_reach = (
            "This file is compressed as a whole: only its beginning can be read without moving all of it, and what "
            "lies deeper is not shown."
        )
