"""Draws a variable of a file of arrays: a plane as a picture, a line as a plot, from no more than the budget allows.

An array is read in blocks, as it is stored. Where not all blocks that a picture needs fit the budget, some are read
that are spread over it, and the picture has gaps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arrays import ArrayFile, Json, Part, Variable, number, words
from .contents import PICTURE_SIDE_MAX
from .geography import Direction, Directions, extent
from .render import draw
from .source import PreviewProblem
from .tables import NAME_CHARS, clipped
from .windows import Mosaic, Window, cut, part, spread

if TYPE_CHECKING:
    from .look import Wish

POINTS_SHOWN = 2048
#: Of what is stored in one piece and too large, so many rows are read, or stretches of a line.
STRETCHES_MAX = 512
STRETCH_BYTES = 4096
#: Stored in one piece and not larger, a plane is read at once.
WHOLE_BYTES = 3 << 20
#: What may be unpacked for one drawing.
UNPACKED_BYTES = 256 << 20
#: A side is not reduced below this for the sake of the other.
SHORT_SIDE = 64


@dataclass(frozen=True)
class _Plane:
    """What is drawn of a variable: rows and columns (a line has one row), the leading indices, and the steps.

    ``window`` is the part of the rows and columns that is wanted.
    """

    variable: Variable
    leading: tuple[int, ...]
    height: int
    width: int
    step_down: int
    step_across: int
    window: Window

    def part(self, rows: slice, columns: slice) -> Part:
        """The same part of the variable."""
        return (*self.leading, columns) if len(self.variable.shape) == 1 else (*self.leading, rows, columns)


def draw_variable(file: ArrayFile, variable: Variable, wish: Wish) -> tuple[Json, bytes]:
    """A drawing as JSON (see ``contents.Drawing``) and its picture, empty for a plot.

    Raises:
        PreviewProblem: an index is outside of its axis, or nothing of it can be read.
    """
    directions = Directions(file, variable)
    if len(variable.shape) == 1:
        plane = _plane(variable, wish, upward=False, mirrored=False)
        picked, note = _read(file, plane)
        return _plot(plane, physical(picked, variable)[0], directions.of_axis(-1), note), b""
    down, across = directions.of_axis(-2), directions.of_axis(-1)
    rows, columns = variable.shape[-2:]
    # by the whole axes, so that a window is turned as the whole is
    is_map = extent(down, across, Window(0, 0, columns, rows), (rows, columns), (1, 1)) is not None
    upward, mirrored = directions.rows_go_up, is_map and across is not None and across.step < 0
    plane = _plane(variable, wish, upward, mirrored)
    picked, note = _read(file, plane)
    values = physical(picked, variable)
    steps = plane.step_down, plane.step_across
    place = extent(down, across, plane.window, values.shape, steps) if is_map else None
    box = plane.window.y, plane.window.x, values.shape[0] * steps[0], values.shape[1] * steps[1]
    shown = part((rows, columns), box, upward, note is not None)
    if mirrored:
        values = values[:, ::-1]
        shown["x"] = columns - box[1] - box[3]
    if not upward:
        values = values[::-1]
    named_axes = axes(variable, plane.leading)
    return drawing_of(values, wish, variable.path, named_axes, variable.unit, place, note, shown)


def drawing_of(
    values: NDArray[np.floating],
    wish: Wish,
    node: str,
    named_axes: list[Json],
    unit: str | None,
    place: tuple[float, float, float, float] | None,
    note: str | None,
    shown: Json,
) -> tuple[Json, bytes]:
    """A drawing of values whose first row is the lowest, and its picture; ``shown`` is a ``contents.PlanePart``."""
    picture = draw(values, wish.stretch, wish.scale, wish.colormap, wish.limits)
    empty = None if picture.limits else "No value of what is drawn is valid."
    said = {
        "node": node,
        "axes": named_axes,
        "width": picture.width,
        "height": picture.height,
        "limits": picture.limits,
        "unit": clipped(unit, NAME_CHARS) if unit else None,
        "extent": place,
        "part": shown,
        "note": " ".join(filter(None, (note, empty))) or None,
    }
    return said, picture.png


def axes(variable: Variable, leading: tuple[int, ...]) -> list[Json]:
    """The axes of a variable, the first ones cut at ``leading``; one without a name has its number for one."""
    indices = [*leading, None, None]
    names = dict(enumerate(variable.dimensions))
    return [
        {"name": clipped(names.get(at) or f"axis {at}", NAME_CHARS), "size": size, "index": indices[at]}
        for at, size in enumerate(variable.shape)
    ]  # fmt: skip


def physical(stored: NDArray[Any], variable: Variable) -> NDArray[np.floating]:
    """Stored values unpacked as CF says (2.5.1 and 8.1), with NaN for those that are missing."""
    said = variable.attributes
    masked = np.ma.getmaskarray(stored)
    raw = np.ma.getdata(stored)
    if raw.dtype.kind == "c":
        raw = np.abs(raw)
    values: NDArray[np.floating] = raw.astype(np.float32 if raw.dtype.itemsize <= 4 else np.float64)
    values[masked] = np.nan
    with np.errstate(all="ignore"):
        for name in ("_FillValue", "missing_value"):
            for missing in np.atleast_1d(np.asarray(said.get(name, ()))).ravel()[:16]:
                if (absent := number(missing)) is not None:
                    values[raw == np.asarray(absent, raw.dtype if raw.dtype.kind == "f" else None)] = np.nan
        scale, offset = number(said.get("scale_factor")), number(said.get("add_offset"))
        if scale is not None or offset is not None:
            values = values * (1.0 if scale is None else scale) + (offset or 0.0)
        values[~np.isfinite(values)] = np.nan
    return values


def _plane(variable: Variable, wish: Wish, upward: bool, mirrored: bool) -> _Plane:
    shape = variable.shape
    leading = (*wish.index, *[0] * len(shape))[: max(0, len(shape) - 2)]
    for at, (index, size) in enumerate(zip(leading, shape[:-2], strict=True)):
        if index >= size:
            raise PreviewProblem(f"The index {index} of axis {at} is outside of {variable.name}: the axis has {size}.")
    if len(shape) == 1:
        return _Plane(variable, (), 1, shape[0], 1, math.ceil(shape[0] / POINTS_SHOWN), Window(0, 0, shape[0], 1))
    height, width = shape[-2:]
    if wish.window is not None:
        window = cut(wish.window, height, width)
        window = window.upside_down(height) if upward else window
        window = window.mirrored(width) if mirrored else window
        return _Plane(variable, leading, height, width, window.step, window.step, window)
    step = math.ceil(max(height, width) / PICTURE_SIDE_MAX)
    down, across = (
        step if size // step >= SHORT_SIDE else max(math.ceil(size / PICTURE_SIDE_MAX), min(step, size // SHORT_SIDE))
        for size in (height, width)
    )
    return _Plane(variable, leading, height, width, down, across, Window(0, 0, width, height))


def _read(file: ArrayFile, plane: _Plane) -> tuple[NDArray[Any], str | None]:
    """The picked values, masked where they were not read, and a note if some were not."""
    block_height, block_width, unpacked_bytes = _block(plane, file.pieces_max)
    dtype = np.dtype(plane.variable.dtype).newbyteorder("=")
    mosaic = Mosaic(plane.window, plane.step_down, plane.step_across, dtype)
    blocks = _blocks(plane, mosaic, block_height, block_width)
    most = max(1, min(file.pieces_max, UNPACKED_BYTES // max(1, unpacked_bytes)))
    if plane.variable.chunks is None:
        most = min(most, STRETCHES_MAX if _is_whole(plane) else PICTURE_SIDE_MAX)
    some = spread(blocks, most)
    count = file.fetch(plane.variable, [plane.part(rows, columns) for rows, columns in some])
    if count == 0:
        raise PreviewProblem(f"Not even one piece of {plane.variable.name} fits what a preview may move.")
    for rows, columns in some[:count]:
        values = file.read(plane.variable, plane.part(rows, columns))
        mosaic.put(rows.start, columns.start, values.reshape(rows.stop - rows.start, columns.stop - columns.start))
    picked: Any = np.ma.MaskedArray(mosaic.values, mask=~mosaic.seen)
    if count == len(blocks):
        return picked, None
    if block_width >= plane.window.width and plane.height > 1:
        picked = _repeated(picked)
        return picked, f"Drawn from {count} of {len(blocks)} pieces of rows, to stay within the budget of a preview."
    what = "pieces of the line" if plane.height == 1 else "pieces of the plane"
    return picked, f"Drawn from {count} of {len(blocks)} {what}, to stay within the budget; the others are left out."


def _block(plane: _Plane, pieces_max: int) -> tuple[int, int, int]:
    """Rows and columns of what is read at a time, and the bytes that this takes when it is unpacked."""
    variable = plane.variable
    item_bytes = max(1, variable.item_bytes)
    is_small = _is_whole(plane) and plane.height * plane.width * item_bytes <= WHOLE_BYTES
    is_line = plane.height == 1 and (plane.width // variable.block[-1] < pieces_max)
    if variable.chunks is not None and not (is_small and is_line):
        height, width = (1, *variable.chunks)[-2:]
        return height, width, math.prod(variable.chunks) * item_bytes
    if is_small:
        return plane.height, plane.width, plane.height * plane.width * item_bytes
    if plane.height == 1:
        return 1, max(1, STRETCH_BYTES // item_bytes), STRETCH_BYTES
    return 1, plane.window.width, plane.window.width * item_bytes


def _is_whole(plane: _Plane) -> bool:
    return plane.window == (0, 0, plane.width, plane.height)


def _blocks(plane: _Plane, mosaic: Mosaic, height: int, width: int) -> list[tuple[slice, slice]]:
    """All blocks that hold something that is picked. What is stored in one piece has blocks of the window's width."""
    window = plane.window
    if plane.variable.chunks is None and plane.height > 1:
        across = slice(window.x, window.x + window.width)
        rows = [row * height for row, _ in mosaic.blocks(height, plane.width)]
        return [(slice(row, min(row + height, plane.height)), across) for row in rows]
    return [
        (slice(row * height, min((row + 1) * height, plane.height)),
         slice(column * width, min((column + 1) * width, plane.width)))
        for row, column in mosaic.blocks(height, width)
    ]  # fmt: skip


def _repeated(picked: Any) -> Any:
    """Rows that were not read as the nearest that was."""
    known = np.flatnonzero(~np.ma.getmaskarray(picked).all(axis=1))
    if not len(known):
        return picked
    nearest = known[np.abs(np.arange(picked.shape[0])[:, None] - known[None, :]).argmin(axis=1)]
    return picked[nearest]


def _plot(plane: _Plane, values: NDArray[np.floating], along: Direction | None, note: str | None) -> Json:
    variable = plane.variable
    index = np.arange(len(values)) * plane.step_across
    x, x_label = index.astype(float), (variable.dimensions or ("",))[0] or "index"
    if along is not None:
        x, x_label = along.values[index], along.label
    valid = np.isfinite(values)
    limits = (float(values[valid].min()), float(values[valid].max())) if valid.any() else None
    thinned = f"Every {plane.step_across}th of {plane.width} values." if plane.step_across > 1 else None
    return {
        "node": variable.path,
        "axes": axes(variable, ()),
        "plot": {
            "x": [float(place) for place in x],
            "y": [float(value) if math.isfinite(value) else None for value in values],
            "x_label": clipped(x_label, NAME_CHARS),
            "y_label": clipped(_label(variable), NAME_CHARS),
        },
        "limits": limits,
        "unit": clipped(variable.unit, NAME_CHARS) if variable.unit else None,
        "note": " ".join(filter(None, (note, thinned))) or None,
    }


def _label(variable: Variable) -> str:
    name = words(variable.attributes.get("long_name")) or variable.name
    return f"{name} [{variable.unit}]" if variable.unit else name
