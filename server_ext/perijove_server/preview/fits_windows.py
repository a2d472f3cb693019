"""A part of a FITS image, as sharp as a picture can be: only the rows or tiles that it needs are read."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .compressed import WindowTiles, tiles_unfold, whole_plane
from .contents import PICTURE_SIDE_MAX
from .fits import Hdu, number
from .pixels import (
    ROWS_MIN,
    Pixels,
    Plane,
    block_means,
    check_is_whole,
    dtype_of,
    fits_whole,
    interpolated,
    overviews_of,
    physical,
    pixel_bytes,
    shrunk,
)
from .source import PreviewProblem, Source
from .windows import Window, evenly

#: Rows are read as one where no more than this lies between the parts of them that are wanted.
NEAR_BYTES = 8 << 10
#: What lies together is fetched in so large pieces, in parallel.
PIECE_BYTES = 1 << 20


def read_window(source: Source, hdu: Hdu, hdus: list[Hdu], window: Window) -> Plane:
    """A part of the first plane of ``hdu``, from its own pixels or from an overview as fine as the picture.

    ``window`` counts rows from the first one of the file.

    Raises:
        PreviewProblem: the file is cut off, too little of the window fits the budget, or tiles do not decompress.
    """
    check_is_whole(source, hdu)
    coarse = [
        (factor, other)
        for other in overviews_of(source, hdu, hdus)
        if 1 < (factor := number(other.header, "OVRFACT", 1)) <= window.step
    ]
    if not coarse:
        return _read(source, hdu, window)
    factor, overview = max(coarse, key=lambda found: found[0])
    plane = _read(source, overview, _reduced(window, factor, overview))
    top, left, height, width = (side * factor for side in plane.box)
    note = f"Drawn from the file's own overview, HDU {overview.index}, reduced {factor:g} times."
    return Plane(plane.values, (top, left, height, width), note, plane.partial)


def _reduced(window: Window, factor: float, overview: Hdu) -> Window:
    """The same part of an overview that is reduced so many times."""
    rows, columns = overview.plane
    x, y = min(int(window.x / factor), columns - 1), min(int(window.y / factor), rows - 1)
    right = min(math.ceil((window.x + window.width) / factor), columns)
    upper = min(math.ceil((window.y + window.height) / factor), rows)
    return Window(x, y, max(1, right - x), max(1, upper - y))


def _read(source: Source, hdu: Hdu, window: Window) -> Plane:
    if hdu.is_compressed and not tiles_unfold(hdu) and fits_whole(source, hdu):
        # one tile of many pixels, which the first picture was drawn from whole as well
        plane = whole_plane(source, hdu)[window.y : window.y + window.height, window.x : window.x + window.width]
        shown = shrunk(plane)
        return replace(shown, box=(window.y, window.x, *shown.box[2:]))
    if hdu.is_compressed:
        tiles = WindowTiles(source, hdu, window)
        values, box = tiles.read()
        told = (
            f"Drawn from {tiles.count} of the {tiles.total} compressed tiles of this part, to stay within the budget."
        )
        partial = tiles.count < tiles.total
        return Plane(values, box, told if partial else None, partial)
    stored, rows = _stored(source, hdu, window)
    down, across = min(window.step, window.height), min(window.step, window.width)
    partial = rows < window.height
    if partial:
        values = block_means(physical(stored, hdu), 1, across)
        values = interpolated(values, min(PICTURE_SIDE_MAX, math.ceil(window.height / down)))
        height: float = window.height
    else:
        values = block_means(physical(stored, hdu), down, across)
        height = values.shape[0] * down
    note = f"Drawn from {rows} of the {window.height} rows of this part, to stay within the budget."
    box = (window.y, window.x, height, values.shape[1] * across)
    # rows that fill the picture show all that it can
    return Plane(values, box, note if partial else None, partial and rows < values.shape[0])


def _stored(source: Source, hdu: Hdu, window: Window) -> tuple[Pixels, int]:
    """The pixels as they are stored of all rows of the window, or of some that are spread over it; and how many."""
    item_bytes = pixel_bytes(hdu)
    row_bytes, part_bytes = hdu.plane[1] * item_bytes, window.width * item_bytes
    start = hdu.data_start + window.y * row_bytes + window.x * item_bytes
    span_bytes = (window.height - 1) * row_bytes + part_bytes
    if row_bytes - part_bytes <= NEAR_BYTES and span_bytes <= source.left_bytes:
        stop = start + span_bytes
        pieces = source.read_many([(at, min(at + PIECE_BYTES, stop)) for at in range(start, stop, PIECE_BYTES)])
        raw = b"".join(pieces).ljust(window.height * row_bytes, b"\0")
        rows = np.frombuffer(raw, dtype_of(hdu)).reshape(window.height, -1)
        return rows[:, : window.width], window.height
    count = min(window.height, PICTURE_SIDE_MAX, source.left_bytes // part_bytes)
    if count < min(ROWS_MIN, window.height):
        raise PreviewProblem(
            f"Of this part of the image in HDU {hdu.index} not even {ROWS_MIN} rows fit what a preview may move "
            f"({source.left_bytes} bytes): ask for a smaller one."
        )
    starts = [start + row * row_bytes for row in evenly(count, window.height)]
    raw = b"".join(source.read_many([(at, at + part_bytes) for at in starts]))
    return np.frombuffer(raw, dtype_of(hdu)).reshape(count, window.width), count
