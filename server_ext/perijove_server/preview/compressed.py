"""Tile-compressed FITS images: whole by astropy, or some of their tiles where all would be too much to move.

Source: "Definition of the Flexible Image Transport System", version 4.0, section 10: an image is a binary table with a
row for each tile, whose compressed bytes lie in the heap.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from astropy.io import fits as astropy_fits
from numpy.typing import NDArray

from .fits import Hdu, whole
from .rangefile import RangeFile
from .source import PreviewProblem, Source
from .windows import Mosaic, Window, evenly, spread

Pixels = NDArray[np.floating]

#: An uncompressed image of more pixels than this does not fit the child's memory.
PIXELS_MAX = 48 << 20
#: A tile of more pixels neither, beside all else.
TILE_PIXELS_MAX = 16 << 20
#: More tiles are as many requests and take too long, fewer show too little.
TILES_MAX = 512
TILES_MIN = 16
#: Of a window all tiles are wanted, which often lie side by side.
WINDOW_TILES_MAX = 1024
#: Tiles are counted by their mean size, so there must be room for larger ones.
PART_OF_BUDGET = 0.7
_COLUMNS = ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA")
_ITEM_BYTES = {"B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8}
_BAD_TILES = (
    OSError, TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError, RuntimeError,
)  # fmt: skip


def whole_plane(source: Source, hdu: Hdu) -> Pixels:
    """The first plane: a FITS file of an empty primary unit and this one is given to astropy.

    Raises:
        PreviewProblem: it unfolds to too much, or does not decompress.
    """
    if math.prod(hdu.axes) > PIXELS_MAX:
        raise PreviewProblem(f"The compressed image in HDU {hdu.index} unfolds to too many pixels for a preview.")
    raw = source.read_many([(hdu.start, hdu.data_start), (hdu.data_start, hdu.data_start + hdu.data_bytes)])
    empty = io.BytesIO()
    astropy_fits.PrimaryHDU().writeto(empty)
    file = io.BytesIO(empty.getvalue() + b"".join(raw) + b"\0" * (-hdu.data_bytes % 2880))
    with astropy_fits.open(file, memmap=False) as opened:
        try:
            plane = np.asarray(opened[1].section[(0,) * (len(hdu.axes) - 2)] if len(hdu.axes) > 2 else opened[1].data)
        except _BAD_TILES:
            raise _does_not_decompress(hdu) from None
    return _floats(plane)


def tiles_unfold(hdu: Hdu) -> bool:
    """Whether single tiles of the first plane can be unfolded: they have no depth, and not too many pixels."""
    sides = _tile_sides(hdu)
    return all(side == 1 for side in sides[:-2]) and math.prod(sides[-2:]) <= TILE_PIXELS_MAX


def _tile_sides(hdu: Hdu) -> list[int]:
    """ZTILEn in the order of the axes of an array, no tile larger than the image; without them tiles are its lines."""
    sides = []
    for axis, size in zip(range(len(hdu.axes), 0, -1), hdu.axes, strict=True):
        said = whole(hdu.header, f"ZTILE{axis}", hdu.index, 1) if f"ZTILE{axis}" in hdu.header else None
        sides.append(min(size, said) if said is not None else size if axis == 1 else 1)
    return sides


class _Tiles:
    """The tiles of the first plane of ``hdu``. Raises as :class:`SomeTiles`."""

    def __init__(self, source: Source, hdu: Hdu) -> None:
        self._source = source
        self._hdu = hdu
        self._file = RangeFile(source, 32 << 10)
        rows, columns = hdu.plane
        self.tile_rows, self.tile_columns = _tile_sides(hdu)[-2:]
        if not tiles_unfold(hdu):
            raise PreviewProblem(
                f"The compressed image in HDU {hdu.index} has tiles of {self.tile_rows} × {self.tile_columns} pixels, "
                "too large to unfold for a preview: open it in a notebook."
            )
        self.across = math.ceil(columns / self.tile_columns)
        self.total = math.ceil(rows / self.tile_rows) * self.across
        self._rows_of_table = whole(hdu.header, "NAXIS2", hdu.index, 1)
        self._table_bytes = whole(hdu.header, "NAXIS1", hdu.index, 1) * self._rows_of_table

    def _place(self, number: int) -> tuple[slice, slice]:
        """The rows and columns of a tile."""
        rows, columns = self._hdu.plane
        row, column = divmod(number, self.across)
        top, left = row * self.tile_rows, column * self.tile_columns
        return slice(top, min(top + self.tile_rows, rows)), slice(left, min(left + self.tile_columns, columns))

    def _sections(self, places: list[tuple[slice, slice]]) -> Iterator[Pixels]:
        """Parts of the image, one after the other."""
        plane = (0,) * (len(self._hdu.axes) - 2)
        try:
            self._file.seek(0)
            # not closed: that would close the file too
            section = astropy_fits.open(cast("Any", self._file), memmap=False)[self._hdu.index].section
            for place in places:
                yield _floats(np.asarray(section[(*plane, *place)]))
        except _BAD_TILES:
            raise _does_not_decompress(self._hdu) from None

    def _prefetch(self, numbers: list[int]) -> int:
        """The compressed bytes of tiles, in parallel; of how many, in their order, the budget allows them."""
        try:
            spans = self._spans(numbers)
            left_bytes = self._source.left_bytes
            count = 0
            for some in spans:
                left_bytes -= sum(max(0, stop - start) for start, stop in some)
                if left_bytes < 0:
                    break
                count += 1
            self._file.prefetch([span for some in spans[:count] for span in some])
        except _BAD_TILES:
            raise _does_not_decompress(self._hdu) from None
        return count

    def _spans(self, numbers: list[int]) -> list[list[tuple[int, int]]]:
        """Where the bytes of each tile are."""
        self._file.seek(0)
        table = astropy_fits.open(cast("Any", self._file), memmap=False, disable_image_compression=True)
        table = table[self._hdu.index]
        heap = self._hdu.data_start + int(table.header.get("THEAP", self._table_bytes))
        self._file.seek(self._hdu.data_start)
        # not table.data, which would read the heap too
        stored = np.frombuffer(self._file.read(self._table_bytes), table.columns.dtype.newbyteorder(">"))
        spans: list[list[tuple[int, int]]] = [[] for _ in numbers]
        for name in set(_COLUMNS).intersection(table.columns.names):
            item_bytes = _ITEM_BYTES[table.columns[name].format.lstrip("01PQ")[0]]
            for some, (items, at) in zip(spans, stored[name][numbers], strict=True):
                some.append((heap + int(at), heap + int(at) + int(items) * item_bytes))
        return spans


class SomeTiles(_Tiles):
    """Some tiles of the first plane of ``hdu``, as many as the budget allows, spread evenly.

    Raises:
        PreviewProblem: too few of them fit the budget, or they do not decompress.
    """

    def __init__(self, source: Source, hdu: Hdu) -> None:
        super().__init__(source, hdu)
        spare_bytes = int(PART_OF_BUDGET * (source.left_bytes - self._table_bytes))
        self.count = min(self.total, TILES_MAX, spare_bytes // max(1, hdu.data_bytes // self._rows_of_table))
        if self.count < min(TILES_MIN, self.total):
            raise PreviewProblem(
                f"The compressed image in HDU {hdu.index} takes {hdu.data_bytes} bytes, of which too few fit what a "
                f"preview may move ({source.left_bytes}), and the file has no overview."
            )

    def lines(self) -> Pixels:
        """Of tiles that are as wide as the image: the middle line of each chosen one."""
        chosen = self._chosen()
        rows, width = self._hdu.plane
        middles = [int(min((row + 0.5) * self.tile_rows, rows - 1)) for row in chosen]
        return np.concatenate(list(self._sections([(slice(at, at + 1), slice(0, width)) for at in middles])))

    def sparse(self, step: int) -> Pixels:
        """Every ``step``-th pixel along both axes of the chosen tiles; NaN where there is none."""
        rows, columns = self._hdu.plane
        places = [self._place(number) for number in self._chosen()]
        picture = Mosaic(Window(0, 0, columns, rows), step, step, np.dtype(np.float32))
        for (down, across), tile in zip(places, self._sections(places), strict=True):
            picture.put(down.start, across.start, tile)
        return _with_gaps(picture)

    def _chosen(self) -> list[int]:
        chosen = evenly(self.count, self.total)
        self._prefetch(chosen)
        return chosen


class WindowTiles(_Tiles):
    """The tiles that a window of the first plane of ``hdu`` needs: ``count`` of their ``total`` fit the budget.

    Raises:
        PreviewProblem: tiles are too large to unfold, none of them fits, or they do not decompress.
    """

    def __init__(self, source: Source, hdu: Hdu, window: Window) -> None:
        super().__init__(source, hdu)
        self._picture = Mosaic(window, window.step, window.step, np.dtype(np.float64))
        needed = self._picture.blocks(self.tile_rows, self.tile_columns)
        self.total = len(needed)
        self._numbers = [row * self.across + column for row, column in spread(needed, WINDOW_TILES_MAX)]
        self.count = self._prefetch(self._numbers)
        if self.count == 0:
            raise PreviewProblem(
                f"Not even one tile of the compressed image in HDU {hdu.index} fits what a preview may move "
                f"({source.left_bytes} bytes)."
            )

    def read(self) -> tuple[Pixels, tuple[float, float, float, float]]:
        """Every n-th pixel of the window, NaN where none was read, and the part of the plane that these show."""
        places = [self._place(number) for number in self._numbers[: self.count]]
        for (down, across), tile in zip(places, self._sections(places), strict=True):
            self._picture.put(down.start, across.start, tile)
        return _with_gaps(self._picture), self._picture.box


def _with_gaps(picture: Mosaic) -> Pixels:
    """The values of a mosaic of real numbers, NaN where none was put."""
    picture.values[~picture.seen] = np.nan
    values: Pixels = picture.values
    return values


def _floats(plane: NDArray[Any]) -> Pixels:
    return plane.astype(np.float32 if plane.dtype.itemsize <= 4 else np.float64)


def _does_not_decompress(hdu: Hdu) -> PreviewProblem:
    return PreviewProblem(f"The compressed image in HDU {hdu.index} does not decompress.")
