"""TIFF, GeoTIFF and cloud-optimised GeoTIFF: the level of the picture that the budget allows, or some of its rows.

``tiff_levels`` has how levels, strips and tiles are read.
"""

from __future__ import annotations

from itertools import accumulate
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from .answers import CARDS_MAX
from .pictures import as_png
from .pixels import shrunk
from .rangefile import RangeFile
from .render import draw
from .source import PreviewProblem, Source
from .tables import NAME_CHARS, clipped
from .tiff_levels import BAD_TIFF, Level, levels_of, segments
from .tiff_windows import Pixels, fill, read_window
from .windows import Mosaic, Window, cut, evenly, part

if TYPE_CHECKING:
    from .look import Look, Wish

#: Levels that are smaller than a picture show less than one could.
SIDE_MIN = 512
#: What all that is unpacked may take, in bytes.
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


def look(source: Source, wish: Wish) -> Look:
    """The picture: in its own colours, or its first band drawn as an image is.

    Raises:
        PreviewProblem: it is broken, of a kind that does not unpack here, or too large in every way.
    """
    try:
        return _look(source, wish)
    except BAD_TIFF as error:
        words = str(error).strip() if isinstance(error, ValueError | NotImplementedError) else ""
        said = f": {clipped(words, 200).rstrip('.')}" if words else ""
        raise PreviewProblem(f"The TIFF is broken, or of a kind that does not unpack here{said}.") from None


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """Nothing beside its format; raises as :func:`look` for a file that is none."""
    try:
        levels_of(_open(source))
    except BAD_TIFF:
        raise PreviewProblem("The TIFF is broken: its structure does not read.") from None
    return {}


def _look(source: Source, wish: Wish) -> Look:
    file = _open(source)
    levels = levels_of(file)
    first = levels[0]
    is_colour = first.samples >= 3 and first.page.photometric in {2, 6} and first.page.dtype == np.uint8
    is_palette = first.page.photometric == 3 and first.page.colormap is not None
    bands = min(first.samples, 4) if is_colour else 1
    if wish.window is None:
        found = _pixels(source, levels, bands)
    else:
        found = read_window(source, levels, bands, cut(wish.window, first.height, first.width))
    notes, box = [found.note], found.box
    if not (is_colour or is_palette) and first.samples > 1:
        notes.append(f"The first of {first.samples} bands.")
    content: dict[str, Any] = {"shape": [first.height, first.width], "header": []}
    if first.samples > 1:
        content["shape"].append(first.samples)
    if is_colour or is_palette:
        image = _coloured(found.values, first.page)
        if found.seen is not None:
            image = image.convert("RGBA")
            image.putalpha(Image.fromarray(np.asarray(image.getchannel("A")) * found.seen))
        png, content["width"], content["height"] = as_png(image)
    else:
        numbers = _physical(found.values[..., 0], first.page)
        if found.seen is not None:
            numbers[~found.seen] = np.nan
        plane = shrunk(numbers)
        # what does not fill a block at the end is left out
        box = (*box[:2], box[2] * plane.box[2] / numbers.shape[0], box[3] * plane.box[3] / numbers.shape[1])
        drawn = draw(plane.values[::-1], wish.stretch, wish.scale, wish.colormap, wish.limits)
        png = drawn.png
        content |= {"width": drawn.width, "height": drawn.height, "limits": drawn.limits}
        content |= {"stretch": wish.stretch, "scale": wish.scale, "colormap": wish.colormap}
        notes.append(None if drawn.limits else "No pixel of this image has a value.")
    if wish.window is None:
        content["header"] = _cards(first.page, levels)
    content["part"] = part((first.height, first.width), box, upward=False, partial=found.partial)
    content["note"] = " ".join(said for said in notes if said) or None
    name = "GeoTIFF" if first.page.is_geotiff else "TIFF"
    return {"kind": "image", "format": name, "title": wish.path.rsplit("/", 1)[-1], "content": content}, png


def _open(source: Source) -> tifffile.TiffFile:
    if source.size_bytes == 0:
        raise PreviewProblem("The file is empty: expected a TIFF.")
    file = cast("IO[bytes]", RangeFile(source))
    return tifffile.TiffFile(file, name="preview", is_ome=False)


def _pixels(source: Source, levels: list[Level], bands: int) -> Pixels:
    """The first bands of the pixels of the whole picture.

    They are those of the smallest level that fills a picture, if the budget allows it, else of a smaller one, else a
    part of the smallest there is.
    """
    first = levels[0]
    planes = bands if first.is_separate else 1

    def fits(level: Level) -> bool:
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
        unpacked = _unpacked(source, level, range(level.down), bands)
        return Pixels(unpacked, None, _whole(first), None if level is first else overview)
    level = levels[-1]
    if level.page.is_tiled:
        return _some_tiles(source, level, first, bands)
    return _some_strips(source, level, first, bands)


def _whole(first: Level) -> tuple[float, float, float, float]:
    return 0, 0, first.height, first.width


def _some_strips(source: Source, level: Level, first: Level, bands: int) -> Pixels:
    """Every n-th strip, spread evenly, as many as the budget allows."""
    planes = bands if level.is_separate else 1
    a_strip = max(1, planes * level.bytes_of(range(level.down)) // level.down)
    count = min(
        level.down,
        STRIPS_MAX,
        int(PART_OF_BUDGET * source.left_bytes) // a_strip,
        UNPACKED_MAX_BYTES // (level.segment_height * level.width * level.samples * level.dtype.itemsize),
    )
    if count < min(STRIPS_MIN, level.down):
        raise _too_large(source, level)
    chosen = evenly(count, level.down)
    note = f"Drawn from {count} of {level.down} strips, to stay within the budget of a preview."
    values = _in_shape(_unpacked(source, level, chosen, bands), level.height / level.width)
    return Pixels(values, None, _whole(first), note, partial=True)


def _some_tiles(source: Source, level: Level, first: Level, bands: int) -> Pixels:
    """Some tiles, spread evenly, each reduced to the picture's scale; what is between them is left empty."""
    planes = range(bands if level.is_separate else 1)
    total = level.down * level.across
    a_tile = max(1, len(planes) * level.bytes_of(range(level.down)) // total)
    count = min(total, TILES_MAX, int(PART_OF_BUDGET * source.left_bytes) // a_tile)
    if count < total / TILES_SHARE:
        raise _too_large(source, level)
    window = Window(0, 0, level.width, level.height)
    mosaic = Mosaic(window, window.step, window.step, level.dtype, (bands,))
    chosen = [(plane, *divmod(number, level.across)) for plane in planes for number in evenly(count, total)]
    fill(mosaic, source, level, chosen)
    note = f"Drawn from {count} of {total} tiles, to stay within the budget of a preview: the file has no overview."
    return Pixels.of_mosaic(mosaic, level, first, note)


def _unpacked(source: Source, level: Level, rows: range | list[int], bands: int) -> NDArray[Any]:
    """The first bands of these rows of segments, one below the other."""
    planes = range(bands if level.is_separate else 1)
    heights = [level.height_of(row) for row in rows]
    tops = dict(zip(rows, [0, *accumulate(heights)], strict=False))
    pixels = np.zeros((sum(heights), level.width, bands), level.dtype)
    wanted = [(plane, row, column) for plane in planes for row in rows for column in range(level.across)]
    for (plane, row, column), segment in segments(source, level, wanted):
        left = column * level.segment_width
        places = slice(tops[row], tops[row] + level.height_of(row)), slice(left, left + level.segment_width)
        _put(pixels, places, segment, plane, level.is_separate)
    return pixels


def _put(pixels: NDArray[Any], places: tuple[slice, slice], segment: NDArray[Any], plane: int, alone: bool) -> None:
    """A strip or tile, or a part of one, in its place; what hangs over the edge goes."""
    target = pixels[places]
    part = segment[: target.shape[0], : target.shape[1]]
    if alone:
        target[: part.shape[0], : part.shape[1], plane] = part[..., 0]
    else:
        target[: part.shape[0], : part.shape[1]] = part[..., : target.shape[-1]]


def _too_large(source: Source, level: Level) -> PreviewProblem:
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
    return Image.fromarray(np.ascontiguousarray(values))


def _cards(page: tifffile.TiffPage, levels: list[Level]) -> list[dict[str, Any]]:
    """Where on Earth it is, then the other tags."""
    said: list[tuple[str, Any, str]] = []
    try:
        said += [(name, value, "GeoTIFF") for name, value in (page.geotiff_tags or {}).items()]
    except BAD_TIFF:
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
