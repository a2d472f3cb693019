"""A part of a TIFF, as sharp as a picture can be: from the level that is fine enough, and only its strips or tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .source import PreviewProblem, Source
from .tiff_levels import Level, segments
from .windows import Mosaic, Window, spread

#: So many strips or tiles are read of a window.
SEGMENTS_MAX = 1024
#: Sides of overviews are rounded: a half of 1001 pixels is 500.
NEARLY = 1.01


@dataclass(frozen=True)
class Pixels:
    """Pixels to draw, with an axis of those bands that are drawn, and which part of the whole picture they show.

    ``box`` is the first row and column of that part, its rows and its columns. ``seen`` tells which pixels are the
    file's (None: all), ``note`` what is to be said of them. ``partial``: some that a picture of this part could show
    were left out.
    """

    values: NDArray[Any]
    seen: NDArray[np.bool_] | None
    box: tuple[float, float, float, float]
    note: str | None = None
    partial: bool = False

    @classmethod
    def of_mosaic(cls, mosaic: Mosaic, level: Level, first: Level, note: str | None) -> Pixels:
        """What was picked of a level; ``note`` tells what was left out."""
        down, across = first.height / level.height, first.width / level.width
        y, x, height, width = mosaic.box
        seen = None if mosaic.seen.all() else mosaic.seen
        return cls(mosaic.values, seen, (y * down, x * across, height * down, width * across), note, note is not None)


def read_window(source: Source, levels: list[Level], bands: int, window: Window) -> Pixels:
    """The first ``bands`` of a part of the picture whose ``levels`` are sorted, the largest first.

    Raises:
        PreviewProblem: not even one strip or tile fits the budget.
    """
    first = levels[0]
    fine = [level for level in levels if first.width / level.width <= NEARLY * window.step] or [first]
    chosen = levels.index(fine[-1])
    # a coarser level is better than a part of this one
    for level in levels[chosen:]:
        part = _read(source, level, bands, _reduced(window, first, level), first, all_or_nothing=True)
        if part is not None:
            return part
    level = levels[chosen]
    part = _read(source, level, bands, _reduced(window, first, level), first, all_or_nothing=False)
    if part is None:
        raise PreviewProblem(
            f"Not even one strip or tile of this part fits what a preview may move ({source.left_bytes} bytes)."
        )
    return part


def fill(mosaic: Mosaic, source: Source, level: Level, wanted: list[tuple[int, int, int]]) -> None:
    """Put strips or tiles, by plane, row and column, into a mosaic of the first bands of the level."""
    for (plane, row, column), segment in segments(source, level, wanted):
        top, left = row * level.segment_height, column * level.segment_width
        inside = segment[: level.height - top, : level.width - left]
        if level.is_separate:
            mosaic.put(top, left, inside[..., 0], (plane,))
        else:
            mosaic.put(top, left, inside[..., : mosaic.values.shape[-1]])


def _read(
    source: Source, level: Level, bands: int, window: Window, first: Level, all_or_nothing: bool
) -> Pixels | None:
    planes = range(bands if level.is_separate else 1)
    mosaic = Mosaic(window, window.step, window.step, level.dtype, (bands,))
    needed = mosaic.blocks(level.segment_height, level.segment_width)
    some = spread(needed, SEGMENTS_MAX // len(planes))
    left_bytes, affordable = source.left_bytes, 0
    for row, column in some:
        left_bytes -= sum(level.page.databytecounts[level.number(plane, row, column)] for plane in planes)
        if left_bytes < 0:
            break
        affordable += 1
    if affordable == 0 or (all_or_nothing and affordable < len(needed)):
        return None
    fill(mosaic, source, level, [(plane, row, column) for plane in planes for row, column in some[:affordable]])
    note = f"Drawn from {affordable} of the {len(needed)} strips or tiles of this part, to stay within the budget."
    return Pixels.of_mosaic(mosaic, level, first, note if affordable < len(needed) else None)


def _reduced(window: Window, first: Level, level: Level) -> Window:
    """The same part of a smaller level."""
    across, down = first.width / level.width, first.height / level.height
    x, y = min(int(window.x / across), level.width - 1), min(int(window.y / down), level.height - 1)
    right = min(math.ceil((window.x + window.width) / across), level.width)
    lower = min(math.ceil((window.y + window.height) / down), level.height)
    return Window(x, y, max(1, right - x), max(1, lower - y))
