"""TIFF, GeoTIFF and cloud-optimised GeoTIFF: the level of the picture that the budget allows, or some of its rows.

tifffile reads the structure, which is all that it reads; strips and tiles are fetched in parallel here and unpacked by
tifffile and imagecodecs.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from .answers import CARDS_MAX
from .pictures import as_png
from .pixels import SIDE_MAX, reduced
from .rangefile import RangeFile
from .render import draw
from .source import PreviewProblem, Source
from .tables import NAME_CHARS, clipped

if TYPE_CHECKING:
    from .look import Look, Wish

#: Levels that are smaller than a picture show less than one could.
SIDE_MIN = 512
#: What one strip or tile, and all that is unpacked, may take, in bytes.
SEGMENT_MAX_BYTES = 64 << 20
UNPACKED_MAX_BYTES = 256 << 20
#: Fewer strips than these, or a smaller share of the tiles, would mislead.
STRIPS_MIN = 16
TILES_SHARE = 64
#: More strips are as many requests; more tiles take too long.
STRIPS_MAX = 512
TILES_MAX = 1024
SEGMENTS_MAX = 20_000
#: A part is chosen by the mean size of strips or tiles, so there must be room for larger ones.
PART_OF_BUDGET = 0.7
CARD_CHARS = 500
#: The tag without which tifffile takes 0 for no data.
GDAL_NODATA = 42113
#: Tags that say where bytes are, or are shown as something else.
_INNER = {
    "StripOffsets", "StripByteCounts", "TileOffsets", "TileByteCounts", "JPEGTables", "ColorMap", "SubIFDs",
    "GeoKeyDirectoryTag", "GeoDoubleParamsTag", "GeoAsciiParamsTag", "ICCProfile", "InterColorProfile",
}  # fmt: skip
_BAD_TIFF = (
    tifffile.TiffFileError, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError,
    RuntimeError, NotImplementedError, ImportError, AssertionError, struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class _Level:
    """One size of the picture. ``across`` and ``down`` count its strips or tiles, ``planes`` its planes of samples."""

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

    def band(self, row: int, plane: int = 0) -> list[int]:
        """The numbers of the segments of a row of them."""
        start = (plane * self.down + row) * self.across
        return list(range(start, start + self.across))

    def bytes_of(self, rows: range) -> int:
        """What these rows of segments take, packed."""
        return sum(self.page.databytecounts[index] for row in rows for index in self.band(row))


def look(source: Source, wish: Wish) -> Look:
    """The picture: in its own colours, or its first band drawn as an image is.

    Raises:
        PreviewProblem: it is broken, of a kind that does not unpack here, or too large in every way.
    """
    try:
        return _look(source, wish)
    except _BAD_TIFF as error:
        words = str(error).strip() if isinstance(error, ValueError | NotImplementedError) else ""
        said = f": {clipped(words, 200).rstrip('.')}" if words else ""
        raise PreviewProblem(f"The TIFF is broken, or of a kind that does not unpack here{said}.") from None


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """Nothing beside its format; raises as :func:`look` for a file that is none."""
    try:
        _levels(_open(source))
    except _BAD_TIFF:
        raise PreviewProblem("The TIFF is broken: its structure does not read.") from None
    return {}


def _look(source: Source, wish: Wish) -> Look:
    file = _open(source)
    levels = _levels(file)
    first = levels[0]
    is_colour = first.samples >= 3 and first.page.photometric in {2, 6} and first.page.dtype == np.uint8
    is_palette = first.page.photometric == 3 and first.page.colormap is not None
    bands = range(min(first.samples, 4)) if is_colour else range(1)
    values, seen, note = _pixels(source, levels, bands)
    notes = [note]
    if not (is_colour or is_palette) and first.samples > 1:
        notes.append(f"The first of {first.samples} bands.")
    content: dict[str, Any] = {"shape": [first.height, first.width], "header": _cards(first.page, levels)}
    if first.samples > 1:
        content["shape"].append(first.samples)
    if is_colour or is_palette:
        image = _coloured(values, first.page)
        if seen is not None:
            image = image.convert("RGBA")
            image.putalpha(Image.fromarray(seen.astype(np.uint8) * 255))
        png, content["width"], content["height"] = as_png(image)
    else:
        numbers = _physical(values[..., 0], first.page)
        if seen is not None:
            numbers[~seen] = np.nan
        drawn = draw(reduced(numbers)[::-1], wish.stretch, wish.scale, wish.colormap)
        png = drawn.png
        content |= {"width": drawn.width, "height": drawn.height, "limits": drawn.limits}
        content |= {"stretch": wish.stretch, "scale": wish.scale, "colormap": wish.colormap}
        notes.append(None if drawn.limits else "No pixel of this image has a value.")
    content["note"] = " ".join(said for said in notes if said) or None
    name = "GeoTIFF" if first.page.is_geotiff else "TIFF"
    return {"kind": "image", "format": name, "title": wish.path.rsplit("/", 1)[-1], "content": content}, png


def _open(source: Source) -> tifffile.TiffFile:
    if source.size_bytes == 0:
        raise PreviewProblem("The file is empty: expected a TIFF.")
    file = cast("IO[bytes]", RangeFile(source))
    return tifffile.TiffFile(file, name="preview", is_ome=False)


def _levels(file: tifffile.TiffFile) -> list[_Level]:
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


def _level(page: tifffile.TiffPage) -> _Level:
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
    return _Level(page, page.dtype, height, width, samples, across, down, segment_height, segment_width, is_separate)


def _pixels(
    source: Source, levels: list[_Level], bands: range
) -> tuple[NDArray[Any], NDArray[np.bool_] | None, str | None]:
    """The pixels to draw, with an axis of bands; which of them are none of the file's (None: no); and what to say.

    They are those of the smallest level that fills a picture, if the budget allows it, else of a smaller one, else a
    part of the smallest there is.
    """
    first = levels[0]
    planes = len(bands) if first.is_separate else 1

    def fits(level: _Level) -> bool:
        return (
            planes * level.bytes_of(range(level.down)) <= source.left_bytes
            and level.height * level.width * level.samples * level.dtype.itemsize <= UNPACKED_MAX_BYTES
            and planes * level.down * level.across <= SEGMENTS_MAX
        )

    whole = [level for level in levels if fits(level)]
    large = [level for level in whole if max(level.height, level.width) >= SIDE_MIN]
    if whole:
        level = large[-1] if large else whole[0]
        overview = f"Drawn from the file's own overview of {level.width} × {level.height} pixels."
        return _unpacked(source, level, range(level.down), bands), None, None if level is first else overview
    level = levels[-1]
    if level.page.is_tiled:
        return _some_tiles(source, level, bands)
    return _some_strips(source, level, bands)


def _some_strips(source: Source, level: _Level, bands: range) -> tuple[NDArray[Any], None, str]:
    """Every n-th strip, spread evenly, as many as the budget allows."""
    planes = len(bands) if level.is_separate else 1
    a_strip = max(1, planes * level.bytes_of(range(level.down)) // level.down)
    count = min(
        level.down,
        STRIPS_MAX,
        int(PART_OF_BUDGET * source.left_bytes) // a_strip,
        UNPACKED_MAX_BYTES // (level.segment_height * level.width * level.samples * level.dtype.itemsize),
    )
    if count < min(STRIPS_MIN, level.down):
        raise _too_large(source, level)
    chosen = _spread(count, level.down)
    note = f"Drawn from {count} of {level.down} strips, to stay within the budget of a preview."
    return _in_shape(_unpacked(source, level, chosen, bands), level.height / level.width), None, note


def _some_tiles(source: Source, level: _Level, bands: range) -> tuple[NDArray[Any], NDArray[np.bool_], str]:
    """Some tiles, spread evenly, each reduced to the picture's scale; what is between them is left empty."""
    planes = list(bands) if level.is_separate else [0]
    total = level.down * level.across
    a_tile = max(1, len(planes) * level.bytes_of(range(level.down)) // total)
    count = min(total, TILES_MAX, int(PART_OF_BUDGET * source.left_bytes) // a_tile)
    if count < total / TILES_SHARE:
        raise _too_large(source, level)
    step = math.ceil(max(level.height, level.width) / SIDE_MAX)
    shape = math.ceil(level.height / step), math.ceil(level.width / step)
    pixels = np.zeros((*shape, len(planes) if level.is_separate else level.samples), level.dtype)
    seen = np.zeros(shape, bool)
    chosen = [(plane, *divmod(number, level.across)) for plane in planes for number in _spread(count, total)]
    for (plane, row, column), tile in _segments(source, level, chosen):
        top, left = row * level.segment_height, column * level.segment_width
        part = tile[-top % step :: step, -left % step :: step]
        places = (
            slice(-(-top // step), -(-top // step) + part.shape[0]),
            slice(-(-left // step), -(-left // step) + part.shape[1]),
        )
        _put(pixels, places, part, plane, level.is_separate)
        seen[places] = True
    note = f"Drawn from {count} of {total} tiles, to stay within the budget of a preview: the file has no overview."
    return pixels if level.is_separate else pixels[..., list(bands)], seen, note


def _unpacked(source: Source, level: _Level, rows: range | list[int], bands: range) -> NDArray[Any]:
    """The pixels of these rows of segments, one below the other, with an axis of bands."""
    planes = bands if level.is_separate else range(1)
    heights = [level.height_of(row) for row in rows]
    tops = dict(zip(rows, [0, *accumulate(heights)], strict=False))
    depth = len(bands) if level.is_separate else level.samples
    pixels = np.zeros((sum(heights), level.width, depth), level.dtype)
    wanted = [(plane, row, column) for plane in planes for row in rows for column in range(level.across)]
    for (plane, row, column), segment in _segments(source, level, wanted):
        left = column * level.segment_width
        places = slice(tops[row], tops[row] + level.height_of(row)), slice(left, left + level.segment_width)
        _put(pixels, places, segment, plane, level.is_separate)
    return pixels if level.is_separate else pixels[..., list(bands)]


def _put(pixels: NDArray[Any], places: tuple[slice, slice], segment: NDArray[Any], plane: int, alone: bool) -> None:
    """A strip or tile, or a part of one, in its place; what hangs over the edge goes."""
    target = pixels[places]
    part = segment[: target.shape[0], : target.shape[1]]
    if alone:
        target[: part.shape[0], : part.shape[1], plane] = part[..., 0]
    else:
        target[: part.shape[0], : part.shape[1]] = part


def _segments(
    source: Source, level: _Level, wanted: list[tuple[int, int, int]]
) -> Iterator[tuple[tuple[int, int, int], NDArray[Any]]]:
    """Strips or tiles by plane, row and column, fetched in parallel and unpacked; those that are left out are not."""
    page = level.page
    numbers = [level.band(row, plane)[column] for plane, row, column in wanted]
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


def _spread(count: int, total: int) -> list[int]:
    return [int((number + 0.5) * total / count) for number in range(count)]


def _too_large(source: Source, level: _Level) -> PreviewProblem:
    return PreviewProblem(
        f"The picture of {level.width} × {level.height} pixels has no smaller overview, and too little of it fits what "
        f"a preview may move ({source.left_bytes} bytes)."
    )


def _in_shape(values: NDArray[Any], height_share: float) -> NDArray[Any]:
    """Rows repeated where some were left out, so that the picture has the shape of the whole."""
    wanted = round(values.shape[1] * height_share)
    if wanted <= values.shape[0] * 1.02:
        return values
    across = max(1, values.shape[1] // 1024)
    values = values[:, ::across]
    wanted = max(1, round(values.shape[1] * height_share))
    at = np.minimum((np.arange(wanted) + 0.5) * values.shape[0] / wanted, values.shape[0] - 1).astype(int)
    picked: NDArray[Any] = values[at]
    return picked


def _physical(values: NDArray[Any], page: tifffile.TiffPage) -> NDArray[np.floating]:
    """Numbers with NaN for what GDAL's tag calls no data."""
    if values.dtype.kind == "c":
        values = np.abs(values)
    numbers: NDArray[np.floating] = values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64)
    with np.errstate(all="ignore"):
        if GDAL_NODATA in page.tags:
            numbers[values == page.nodata] = np.nan
        numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _coloured(values: NDArray[Any], page: tifffile.TiffPage) -> Image.Image:
    """Red, green and blue (and opacity) as they are, or of a palette."""
    if page.photometric == 3 and page.colormap is not None:
        table = (np.asarray(page.colormap).T >> 8).astype(np.uint8)
        return Image.fromarray(table[np.minimum(values[..., 0], len(table) - 1)])
    return Image.fromarray(np.ascontiguousarray(values[..., :4] if values.shape[-1] >= 4 else values[..., :3]))


def _cards(page: tifffile.TiffPage, levels: list[_Level]) -> list[dict[str, Any]]:
    """Where on Earth it is, then the other tags."""
    said: list[tuple[str, Any, str]] = []
    try:
        said += [(name, value, "GeoTIFF") for name, value in (page.geotiff_tags or {}).items()]
    except _BAD_TIFF:
        said.append(("GeoTIFF", "its tags do not read", ""))
    sizes = ", ".join(f"{level.width} × {level.height}" for level in levels[1:])
    said.append(("Overviews", sizes or "none", ""))
    for tag in list(page.tags)[:CARDS_MAX]:
        if tag.name not in _INNER and not (tag.name.startswith("Model") and page.is_geotiff):
            said.append((tag.name, tag.value, ""))
    return [
        {"keyword": clipped(name, NAME_CHARS), "value": _plain(value), "comment": comment}
        for name, value, comment in said[:CARDS_MAX]
    ]


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, list | tuple) and len(value) > 50:
        return f"{clipped(', '.join(map(str, value[:16])), CARD_CHARS)}, … {len(value)} in all"
    if isinstance(value, list | tuple):
        return clipped(", ".join(map(str, value)), CARD_CHARS)
    return clipped(getattr(value, "name", value), CARD_CHARS)
