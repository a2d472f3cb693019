"""The part of a plane that a picture shows, and which blocks of the plane it needs. Pure.

A window is asked for in pixels of the whole plane as it is drawn: from the picture's left and upper edge. Where the
plane's first row is drawn lowest, :meth:`Window.upside_down` gives the same window from there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .contents import PICTURE_SIDE_MAX
from .source import PreviewProblem

_GOLDEN = (math.sqrt(5) - 1) / 2


class Window(NamedTuple):
    """Columns from ``x`` on and rows from ``y`` on."""

    x: int
    y: int
    width: int
    height: int

    @property
    def step(self) -> int:
        """Every so many-th pixel fills a picture."""
        return math.ceil(max(self.width, self.height) / PICTURE_SIDE_MAX)

    def upside_down(self, rows: int) -> Window:
        """The same window of a plane of so many rows, counted from the other end of them."""
        return self._replace(y=rows - self.y - self.height)

    def mirrored(self, columns: int) -> Window:
        """The same window of a plane of so many columns, counted from the other end of them."""
        return self._replace(x=columns - self.x - self.width)


def cut(asked: Sequence[int], rows: int, columns: int) -> Window:
    """The window that was asked for, without what hangs over the edges of the plane.

    Raises:
        PreviewProblem: it begins outside of the plane, or is empty.
    """
    x, y, width, height = asked
    if not (0 <= x < columns and 0 <= y < rows and width > 0 and height > 0):
        raise PreviewProblem(
            f"The window of {width} × {height} pixels at x {x}, y {y} is not in the picture, which has "
            f"{columns} × {rows} pixels."
        )
    return Window(x, y, min(width, columns - x), min(height, rows - y))


def part(
    plane: tuple[int, int], box: tuple[float, float, float, float], upward: bool, partial: bool = False
) -> dict[str, Any]:
    """A ``contents.PlanePart`` of a plane of rows and columns; ``box`` is first row, first column, rows and columns.

    ``upward``: the plane's first row is drawn lowest.
    """
    top, left, height, width = box
    return {
        "columns": plane[1],
        "rows": plane[0],
        "x": left,
        "y": plane[0] - top - height if upward else top,
        "width": width,
        "height": height,
        "upward": upward,
        "partial": partial,
    }


def evenly(count: int, total: int) -> list[int]:
    """So many of the numbers below ``total``, spread evenly."""
    return [int((number + 0.5) * total / count) for number in range(count)]


def spread(items: list[Any], most: int) -> list[Any]:
    """At most so many, in an order in which any beginning is spread evenly over all."""
    if len(items) > most:
        items = [items[at] for at in evenly(most, len(items))]
    order = sorted(range(len(items)), key=lambda at: (at * _GOLDEN) % 1.0)
    return [items[at] for at in order]


class Mosaic:
    """Every ``down``-th row and ``across``-th column of a window, put together from blocks of the plane.

    ``values`` are theirs, with ``depth`` as further axes; ``seen`` tells which have been put.
    """

    def __init__(
        self, window: Window, down: int, across: int, dtype: np.dtype[Any], depth: tuple[int, ...] = ()
    ) -> None:
        self._window = window
        self._down, self._across = down, across
        shape = math.ceil(window.height / down), math.ceil(window.width / across)
        self.values: NDArray[Any] = np.zeros((*shape, *depth), dtype)
        self.seen = np.zeros(shape, bool)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """What the picture shows: first row, first column, rows and columns."""
        rows, columns = self.seen.shape
        return self._window.y, self._window.x, rows * self._down, columns * self._across

    def blocks(self, height: int, width: int) -> list[tuple[int, int]]:
        """The rows and columns, counted in blocks of that size, of the blocks that hold something that is picked."""
        window = self._window
        rows = {at // height for at in range(window.y, window.y + window.height, self._down)}
        columns = {at // width for at in range(window.x, window.x + window.width, self._across)}
        return [(row, column) for row in sorted(rows) for column in sorted(columns)]

    def put(self, top: int, left: int, block: NDArray[Any], place: tuple[int, ...] = ()) -> None:
        """A block whose first value is in row ``top`` and column ``left`` of the plane; ``place`` is where in the
        further axes.
        """
        rows, from_row = self._along(top, block.shape[0], self._window.y, self._down, self.seen.shape[0])
        columns, from_column = self._along(left, block.shape[1], self._window.x, self._across, self.seen.shape[1])
        picked = block[from_row :: self._down, from_column :: self._across]
        picked = picked[: rows.stop - rows.start, : columns.stop - columns.start]
        target: tuple[slice | int, ...] = (rows, columns, *place)
        self.values[target] = picked
        self.seen[rows, columns] = True

    @staticmethod
    def _along(start: int, count: int, first: int, step: int, most: int) -> tuple[slice, int]:
        """Which picks are in a block along one axis, and where in it the first of them is."""
        begin = max(0, math.ceil((start - first) / step))
        end = max(begin, min(most, math.ceil((start + count - first) / step)))
        return slice(begin, end), first + begin * step - start
