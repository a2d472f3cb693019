"""Tile-compressed FITS images: whole by astropy, or some of their tiles where all would be too much to move.

Source: "Definition of the Flexible Image Transport System", version 4.0, section 10: an image is a binary table with a
row for each tile, whose compressed bytes lie in the heap.
"""

from __future__ import annotations

import io
import math
from typing import Any, cast

import numpy as np
from astropy.io import fits as astropy_fits
from numpy.typing import NDArray

from .fits import Hdu, whole
from .rangefile import RangeFile
from .source import PreviewProblem, Source

Pixels = NDArray[np.floating]

#: An uncompressed image of more pixels than this does not fit the child's memory.
PIXELS_MAX = 48 << 20
#: A tile of more pixels neither, beside all else.
TILE_PIXELS_MAX = 16 << 20
#: More tiles are as many requests and take too long, fewer show too little.
TILES_MAX = 512
TILES_MIN = 16
#: Tiles are chosen by their mean size, so there must be room for larger ones.
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


class SomeTiles:
    """Some tiles of the first plane of ``hdu``, as many as the budget allows, spread evenly.

    Raises:
        PreviewProblem: too few of them fit the budget, or they do not decompress.
    """

    def __init__(self, source: Source, hdu: Hdu) -> None:
        self._source = source
        self._hdu = hdu
        self._file = RangeFile(source, 32 << 10)
        rows, columns = hdu.plane
        sizes = [self._tile_side(axis) for axis in range(len(hdu.axes), 0, -1)]
        self.tile_rows, self.tile_columns = min(sizes[-2], rows), min(sizes[-1], columns)
        if any(size != 1 for size in sizes[:-2]) or self.tile_rows * self.tile_columns > TILE_PIXELS_MAX:
            raise PreviewProblem(
                f"The compressed image in HDU {hdu.index} has tiles too large to unfold for a preview."
            )
        self.down, self.across = math.ceil(rows / self.tile_rows), math.ceil(columns / self.tile_columns)
        self.total = self.down * self.across
        row_bytes, rows_of_table = (whole(hdu.header, keyword, hdu.index, 1) for keyword in ("NAXIS1", "NAXIS2"))
        spare_bytes = int(PART_OF_BUDGET * (source.left_bytes - row_bytes * rows_of_table))
        self.count = min(self.total, TILES_MAX, spare_bytes // max(1, hdu.data_bytes // rows_of_table))
        if self.count < min(TILES_MIN, self.total):
            raise PreviewProblem(
                f"The compressed image in HDU {hdu.index} takes {hdu.data_bytes} bytes, of which too few fit what a "
                f"preview may move ({source.left_bytes}), and the file has no overview."
            )

    def lines(self) -> Pixels:
        """Of tiles that are as wide as the image: the middle line of each chosen one."""
        chosen = self._chosen()
        _, width = self._hdu.plane
        middles = [min((row + 0.5) * self.tile_rows, self._hdu.plane[0] - 1) for row in chosen]
        return np.concatenate(
            self._sections(chosen, [(slice(int(at), int(at) + 1), slice(0, width)) for at in middles])
        )

    def sparse(self, step: int) -> Pixels:
        """Every ``step``-th pixel along both axes of the chosen tiles; NaN where there is none."""
        rows, columns = self._hdu.plane
        chosen = self._chosen()
        places = []
        for number in chosen:
            row, column = divmod(number, self.across)
            top, left = row * self.tile_rows, column * self.tile_columns
            bottom, right = min(top + self.tile_rows, rows), min(left + self.tile_columns, columns)
            places.append((slice(top, bottom), slice(left, right)))
        picture = np.full((math.ceil(rows / step), math.ceil(columns / step)), np.nan, np.float32)
        for (down, across), tile in zip(places, self._sections(chosen, places), strict=True):
            part = tile[-down.start % step :: step, -across.start % step :: step]
            top, left = -(-down.start // step), -(-across.start // step)
            picture[top : top + part.shape[0], left : left + part.shape[1]] = part
        return picture

    def _chosen(self) -> list[int]:
        return [int((number + 0.5) * self.total / self.count) for number in range(self.count)]

    def _tile_side(self, axis: int) -> int:
        """ZTILEn; without it tiles are the lines of an image."""
        keyword = f"ZTILE{axis}"
        if keyword not in self._hdu.header:
            return self._hdu.axes[-1] if axis == 1 else 1
        return whole(self._hdu.header, keyword, self._hdu.index, 1)

    def _sections(self, chosen: list[int], places: list[tuple[slice, slice]]) -> list[Pixels]:
        index, plane = self._hdu.index, (0,) * (len(self._hdu.axes) - 2)
        file = cast("Any", self._file)
        try:
            # not closed: that would close the file too
            self._prefetch(astropy_fits.open(file, memmap=False, disable_image_compression=True)[index], chosen)
            file.seek(0)
            section = astropy_fits.open(file, memmap=False)[index].section
            return [_floats(np.asarray(section[(*plane, *place)])) for place in places]
        except _BAD_TILES:
            raise _does_not_decompress(self._hdu) from None

    def _prefetch(self, table: Any, chosen: list[int]) -> None:
        """The compressed bytes of the chosen tiles, in parallel."""
        row_bytes, rows = table.header["NAXIS1"], table.header["NAXIS2"]
        heap = self._hdu.data_start + int(table.header.get("THEAP", row_bytes * rows))
        self._file.seek(self._hdu.data_start)
        # not table.data, which would read the heap too
        stored = np.frombuffer(self._file.read(row_bytes * rows), table.columns.dtype.newbyteorder(">"))
        spans = []
        for name in set(_COLUMNS).intersection(table.columns.names):
            item_bytes = _ITEM_BYTES[table.columns[name].format.lstrip("01PQ")[0]]
            spans += [(heap + int(at), heap + int(at) + int(items) * item_bytes) for items, at in stored[name][chosen]]
        self._file.prefetch(spans)


def _floats(plane: NDArray[Any]) -> Pixels:
    return plane.astype(np.float32 if plane.dtype.itemsize <= 4 else np.float64)


def _does_not_decompress(hdu: Hdu) -> PreviewProblem:
    return PreviewProblem(f"The compressed image in HDU {hdu.index} does not decompress.")
