"""The levels of a TIFF (the picture and its overviews), and the strips or tiles of one, fetched and unpacked.

tifffile reads the structure, which is all that it reads; strips and tiles are fetched in parallel here and unpacked by
tifffile and imagecodecs.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from .rangefile import RangeFile
from .source import PreviewProblem, Source

#: What one strip or tile may take, in bytes.
SEGMENT_MAX_BYTES = 64 << 20
#: What tifffile raises for what it cannot read.
BAD_TIFF = (
    tifffile.TiffFileError, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError,
    RuntimeError, NotImplementedError, ImportError, AssertionError, struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class Level:
    """One size of the picture. ``across`` and ``down`` count its strips or tiles, of one plane."""

    page: tifffile.TiffPage
    dtype: np.dtype[Any]
    height: int
    width: int
    samples: int
    across: int
    down: int
    segment_height: int
    segment_width: int
    is_separate: bool

    def height_of(self, row: int) -> int:
        """The height of a row of segments; the last one may be lower."""
        return min(self.segment_height, self.height - row * self.segment_height)

    def number(self, plane: int, row: int, column: int) -> int:
        """Of a strip or tile, as the file counts them."""
        return (plane * self.down + row) * self.across + column

    def band(self, row: int, plane: int = 0) -> list[int]:
        """The numbers of the segments of a row of them."""
        start = self.number(plane, row, 0)
        return list(range(start, start + self.across))

    def bytes_of(self, rows: range) -> int:
        """What these rows of segments take, packed."""
        return sum(self.page.databytecounts[index] for row in rows for index in self.band(row))


def levels_of(file: tifffile.TiffFile) -> list[Level]:
    """The picture and its overviews, the largest first: pages that say so, and pages below the first one."""
    first = file.pages.first
    pages = [first, *(first.pages or [])]
    for index in range(1, min(len(file.pages), 20)):
        page = file.pages[index]
        if isinstance(page, tifffile.TiffPage) and page.is_reduced and not page.is_mask:
            pages.append(page)
    found = [_level(page) for page in pages if isinstance(page, tifffile.TiffPage)]
    alike = [one for one in found[1:] if one.samples == found[0].samples and one.dtype == found[0].dtype]
    return [found[0], *sorted(alike, key=lambda one: -one.width)]


def _level(page: tifffile.TiffPage) -> Level:
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    if page.dtype is None or page.imagedepth != 1 or min(height, width, samples) < 1:
        raise PreviewProblem("The TIFF holds no picture: its sizes or its kind of numbers are none.")
    segment_height, segment_width = (
        (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, height), width)
    )
    is_separate = page.planarconfig == 2 and samples > 1
    if min(segment_height, segment_width) < 1:
        raise PreviewProblem("The strips or tiles of the TIFF have no size.")
    one = 1 if is_separate else samples
    if segment_height * segment_width * one * page.dtype.itemsize > SEGMENT_MAX_BYTES:
        raise PreviewProblem("The picture is in strips or tiles that are too large to unpack for a preview.")
    down, across = math.ceil(height / segment_height), math.ceil(width / segment_width)
    if len(page.dataoffsets) < down * across * (samples if is_separate else 1):
        raise PreviewProblem("The TIFF is broken: it lists fewer strips or tiles than its size asks for.")
    return Level(page, page.dtype, height, width, samples, across, down, segment_height, segment_width, is_separate)


def segments(
    source: Source, level: Level, wanted: list[tuple[int, int, int]]
) -> Iterator[tuple[tuple[int, int, int], NDArray[Any]]]:
    """Strips or tiles by plane, row and column, fetched in parallel and unpacked; those that are left out are not."""
    page = level.page
    numbers = [level.number(*place) for place in wanted]
    spans = [(page.dataoffsets[number], page.dataoffsets[number] + page.databytecounts[number]) for number in numbers]
    if any(not 0 <= start <= stop <= source.size_bytes for start, stop in spans):
        raise PreviewProblem("The TIFF is cut off or broken: strips or tiles lie outside of the file.")
    file = RangeFile(source, 1)
    file.prefetch(spans)
    for place, number, (start, stop) in zip(wanted, numbers, spans, strict=True):
        if start < stop:  # GDAL leaves out tiles without values
            file.seek(start)
            segment, _, _ = page.decode(file.read(stop - start), number, jpegtables=page.jpegtables)
            if segment is not None:
                yield place, segment[0]
