"""The pixels of one plane of a FITS image, as few as the budget asks for."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .compressed import PIXELS_MAX, SomeTiles, whole_plane
from .contents import PICTURE_SIDE_MAX
from .fits import Hdu, number
from .source import PreviewProblem, Source
from .windows import evenly

#: With fewer rows than this a picture would mislead.
ROWS_MIN = 16
#: More rows than this are as many requests, for little more to see.
ROWS_MAX = 512
OVERVIEW = "OVERVIEW"

Pixels = NDArray[np.floating]


@dataclass(frozen=True)
class Plane:
    """Physical values, first row at the bottom of the sky; invalid ones are NaN. ``note`` says what was left out.

    ``box`` is the part of the unit's own plane that they span: its first row and column, rows and columns. ``partial``:
    not all of it was read.
    """

    values: Pixels
    box: tuple[float, float, float, float]
    note: str | None = None
    partial: bool = False


def read_plane(source: Source, hdu: Hdu, hdus: list[Hdu]) -> Plane:
    """The first plane of ``hdu``: whole, from its overview, or from a part of its rows.

    Raises:
        PreviewProblem: truncated, too large for the budget in every way, or compressed in a way that fails.
    """
    shape = hdu.axes
    check_is_whole(source, hdu)
    first = None if len(shape) == 2 else f"The first plane of {' × '.join(map(str, shape))}."
    if fits_whole(source, hdu):
        return shrunk(_whole_plane(source, hdu), first)
    overview = overview_of(source, hdu, hdus)
    if overview is not None:
        factor = number(overview.header, "OVRFACT", 1)
        note = f"Drawn from the file's own overview, HDU {overview.index}, reduced {factor:g} times."
        return shrunk(_whole_plane(source, overview), note, factor)
    if hdu.is_compressed:
        return _some_tiles(source, hdu)
    return _some_rows(source, hdu)


def fits_whole(source: Source, hdu: Hdu) -> bool:
    """Whether all of the first plane may be moved and unfolded."""
    return _needed_bytes(hdu) <= source.left_bytes and not (hdu.is_compressed and math.prod(hdu.axes) > PIXELS_MAX)


def check_is_whole(source: Source, hdu: Hdu) -> None:
    """Whether the file has the first plane to its end.

    Raises:
        PreviewProblem: it has not.
    """
    if hdu.data_start + _needed_bytes(hdu) > source.size_bytes:
        raise PreviewProblem(
            f"The file is cut off: the data of HDU {hdu.index} need {_needed_bytes(hdu)} bytes from byte "
            f"{hdu.data_start} on, and the file has {source.size_bytes}."
        )


def is_overview(hdu: Hdu) -> bool:
    """By our convention: EXTNAME is OVERVIEW, and OVRFACT says how many times it is reduced along each axis."""
    return hdu.name.upper() == OVERVIEW


def _needed_bytes(hdu: Hdu) -> int:
    """What must be moved to see all of the first plane."""
    if hdu.is_compressed:
        return hdu.data_bytes
    return math.prod(hdu.plane) * pixel_bytes(hdu)


def pixel_bytes(hdu: Hdu) -> int:
    """What a pixel of an uncompressed image takes."""
    return abs(int(hdu.header["BITPIX"])) // 8


def overview_of(source: Source, hdu: Hdu, hdus: list[Hdu]) -> Hdu | None:
    """The largest overview that the budget allows."""
    found = [other for other in overviews_of(source, hdu, hdus) if _needed_bytes(other) <= source.left_bytes]
    return max(found, key=_needed_bytes, default=None)


def overviews_of(source: Source, hdu: Hdu, hdus: list[Hdu]) -> list[Hdu]:
    """Images named OVERVIEW whose sizes say that they show ``hdu``."""

    def fits_together(other: Hdu) -> bool:
        factor = number(other.header, "OVRFACT", 0)
        return factor >= 1 and all(
            abs(small * factor - large) <= factor for small, large in zip(other.plane, hdu.plane, strict=True)
        )

    return [
        other
        for other in hdus
        if is_overview(other)
        and other.index != hdu.index
        and other.is_image
        and other.data_start + _needed_bytes(other) <= source.size_bytes
        and fits_together(other)
    ]


def _whole_plane(source: Source, hdu: Hdu) -> Pixels:
    if hdu.is_compressed:
        return whole_plane(source, hdu)
    start = hdu.data_start
    raw = source.read_many([(start, start + _needed_bytes(hdu))])[0]
    return physical(np.frombuffer(raw, dtype_of(hdu)).reshape(hdu.plane), hdu)


def _some_tiles(source: Source, hdu: Hdu) -> Plane:
    """Some tiles of a compressed image: lines of it if tiles are as wide, else squares with nothing in between."""
    height, width = hdu.plane
    tiles = SomeTiles(source, hdu)
    note = f"Drawn from {tiles.count} of {tiles.total} compressed tiles, to stay within the budget of a preview."
    if tiles.across > 1:
        step = math.ceil(max(height, width) / PICTURE_SIDE_MAX)
        values = tiles.sparse(step)
        return Plane(values, (0, 0, values.shape[0] * step, values.shape[1] * step), note, partial=True)
    return _from_lines(tiles.lines(), hdu, note)


def _some_rows(source: Source, hdu: Hdu) -> Plane:
    """Every n-th row, spread evenly, as many as the budget allows; the rows between are interpolated."""
    height, width = hdu.plane
    row_bytes = width * pixel_bytes(hdu)
    rows = min(height, ROWS_MAX, source.left_bytes // row_bytes)
    if rows < ROWS_MIN:
        raise PreviewProblem(
            f"The image in HDU {hdu.index} has rows of {row_bytes} bytes: not even {ROWS_MIN} of them fit what a "
            f"preview may move ({source.left_bytes} bytes), and the file has no overview."
        )
    starts = [hdu.data_start + row * row_bytes for row in evenly(rows, height)]
    raw = b"".join(source.read_many([(start, start + row_bytes) for start in starts]))
    values = physical(np.frombuffer(raw, dtype_of(hdu)).reshape(rows, width), hdu)
    return _from_lines(values, hdu, f"Drawn from {rows} of {height} rows, to stay within the budget of a preview.")


def _from_lines(values: Pixels, hdu: Hdu, note: str) -> Plane:
    """A picture of lines that are spread evenly over the image; the lines between are interpolated."""
    height, width = hdu.plane
    across = math.ceil(width / PICTURE_SIDE_MAX)
    values = block_means(values, 1, across)
    wanted = max(1, min(PICTURE_SIDE_MAX, round(height * values.shape[1] / width)))
    return Plane(interpolated(values, wanted), (0, 0, height, values.shape[1] * across), note, partial=True)


def dtype_of(hdu: Hdu) -> np.dtype[np.generic]:
    """How its pixels are stored."""
    bitpix = int(hdu.header["BITPIX"])
    return np.dtype({8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}[bitpix])


def physical(stored: NDArray[np.generic], hdu: Hdu) -> Pixels:
    """Stored values by BSCALE, BZERO and BLANK (section 4.4.2.5 of the standard)."""
    scale, zero = number(hdu.header, "BSCALE", 1.0), number(hdu.header, "BZERO", 0.0)
    values: Pixels = stored.astype(np.float32 if stored.dtype.itemsize <= 2 or stored.dtype == ">f4" else np.float64)
    blank = hdu.header.get("BLANK")
    if stored.dtype.kind in "iu" and isinstance(blank, int) and not isinstance(blank, bool):
        values[stored == blank] = np.nan
    if (scale, zero) != (1.0, 0.0):
        with np.errstate(all="ignore"):
            values = values * scale + zero
    values[~np.isfinite(values)] = np.nan
    return values


def shrunk(values: Pixels, note: str | None = None, scale: float = 1.0) -> Plane:
    """Not larger than a picture, by means of square blocks. ``values`` are reduced ``scale`` times."""
    factor = math.ceil(max(values.shape) / PICTURE_SIDE_MAX)
    down, across = min(factor, values.shape[0]), min(factor, values.shape[1])
    means = block_means(values, down, across)
    return Plane(means, (0, 0, means.shape[0] * down * scale, means.shape[1] * across * scale), note)


def block_means(values: Pixels, down: int, across: int) -> Pixels:
    """Means of blocks of ``down`` × ``across`` valid pixels; what does not fill a block at the end is left out."""
    if down == 1 and across == 1:
        return values
    height, width = values.shape[0] // down, values.shape[1] // across
    blocks = values[: height * down, : width * across].reshape(height, down, width, across)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a block without a valid pixel stays NaN
        means: Pixels = np.nanmean(blocks, axis=(1, 3))
    return means


def interpolated(values: Pixels, height: int) -> Pixels:
    """``height`` rows, linear between those given."""
    rows = values.shape[0]
    at = np.clip((np.arange(height) + 0.5) * rows / height - 0.5, 0, rows - 1)
    below = at.astype(int)
    above = np.minimum(below + 1, rows - 1)
    share = (at - below)[:, None]
    result: Pixels = values[below] * (1 - share) + values[above] * share
    return result
