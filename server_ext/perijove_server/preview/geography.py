"""Where the values of an array are: the coordinates of its axes, and the part of the Earth that a plane covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arrays import ArrayFile, Variable, number, words
from .source import PreviewProblem
from .windows import Window

#: Longer axes have no labels: their coordinates would take too much of the budget.
AXIS_MAX = 1 << 16
#: How far a coordinate may be from where a regular axis has it, in steps.
IRREGULAR = 0.25
#: What is told to be in degrees is not further from zero.
DEGREES_MAX = 720.0
# CF 4.1 and 4.2
_NORTH = {"degrees_north", "degree_north", "degree_N", "degrees_N", "degreeN", "degreesN"}
_EAST = {"degrees_east", "degree_east", "degree_E", "degrees_E", "degreeE", "degreesE"}


@dataclass(frozen=True)
class Direction:
    """Coordinates along one axis, in order. ``kind`` is latitude, longitude or ""."""

    values: NDArray[np.float64]
    kind: str
    label: str

    @property
    def step(self) -> float:
        """The mean distance from one to the next."""
        return float(self.values[-1] - self.values[0]) / max(1, len(self.values) - 1)

    @property
    def is_regular(self) -> bool:
        """Whether they are equally far from each other, nearly."""
        if len(self.values) < 2 or self.step == 0:
            return False
        regular = np.linspace(self.values[0], self.values[-1], len(self.values))
        return bool(np.abs(self.values - regular).max() <= IRREGULAR * abs(self.step))


class Directions:
    """The coordinates of one variable, read when they are asked for; what does not read counts as absent."""

    def __init__(self, file: ArrayFile, variable: Variable) -> None:
        self._file = file
        self._variable = variable

    def of_axis(self, axis: int) -> Direction | None:
        """The coordinates of an axis, counted as in NumPy, from the variable that has its name; None: it has none."""
        shape = self._variable.shape
        at = axis + len(shape) if axis < 0 else axis
        name = self._variable.dimensions[at] if at < len(self._variable.dimensions) else ""
        found = self._near(name) if name else None
        if found is None or found.shape != (shape[at],) or shape[at] > AXIS_MAX:
            return None
        values = self._values(found)
        if values is None:
            return None
        label = words(found.attributes.get("long_name")) or name
        return Direction(values, _kind(found), f"{label} [{found.unit}]" if found.unit else label)

    @property
    def rows_go_up(self) -> bool:
        """Whether the first row belongs below: the coordinate of the rows, or a latitude of each value, grows."""
        if (down := self.of_axis(-2)) is not None:
            return down.step > 0 and (down.kind == "latitude" or bool(words_of_axis(self._near_of(-2))))
        for name in words(self._variable.attributes.get("coordinates")).split():
            found = self._near(name)
            if found is not None and found.shape == self._variable.shape[-2:] and _kind(found) == "latitude":
                column = found.shape[1] // 2
                ends = [self._value(found, row, column) for row in (0, found.shape[0] - 1)]
                return ends[0] is not None and ends[1] is not None and ends[0] < ends[1]
        return False

    def _near_of(self, axis: int) -> Variable | None:
        return self._near(self._variable.dimensions[axis])

    def _near(self, name: str) -> Variable | None:
        """The variable of that name in the group of this one or in one above (CF 2.7.1)."""
        if name.startswith("/"):
            return self._file.tree.variables.get(name)
        group = self._variable.group
        while True:
            if (found := self._file.tree.variables.get(f"{group}/{name}")) is not None:
                return found
            if not group:
                return None
            group = group.rsplit("/", 1)[0]

    def _values(self, found: Variable) -> NDArray[np.float64] | None:
        if found.why_not_drawn() is not None:
            return None
        whole = (slice(0, found.shape[0]),)
        try:
            if self._file.fetch(found, [whole]) == 0:
                return None
            values = self._file.read(found, whole).astype(np.float64)
        except PreviewProblem:
            return None
        scale, offset = number(found.attributes.get("scale_factor")), number(found.attributes.get("add_offset"))
        values = values * (1.0 if scale is None else scale) + (offset or 0.0)
        return values if np.isfinite(values).all() else None

    def _value(self, found: Variable, row: int, column: int) -> float | None:
        part = (slice(row, row + 1), slice(column, column + 1))
        if found.why_not_drawn() is not None:
            return None
        try:
            if self._file.fetch(found, [part]) == 0:
                return None
            return float(self._file.read(found, part).reshape(-1)[0])
        except PreviewProblem:
            return None


def words_of_axis(variable: Variable | None) -> str:
    """Whether a coordinate says that it points north: its ``axis`` or ``standard_name`` of a projected Y."""
    if variable is None:
        return ""
    said = variable.attributes
    standard = words(said.get("standard_name"))
    return standard if standard in {"projection_y_coordinate", "grid_latitude"} else words(said.get("axis"))


def extent(
    down: Direction | None, across: Direction | None, window: Window, shape: tuple[int, ...], steps: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """West, south, east and north of a picture of ``shape`` of every n-th value (``steps``) of a window; None: no such
    map.
    """
    if down is None or across is None or (down.kind, across.kind) != ("latitude", "longitude"):
        return None
    if not (down.is_regular and across.is_regular):
        return None
    south, north = sorted(_edges(down, window.y, shape[0], steps[0]))
    west, east = sorted(_edges(across, window.x, shape[1], steps[1]))
    if max(map(abs, (south, north, west, east))) > DEGREES_MAX:
        return None
    return west, max(south, -90.0), east, min(north, 90.0)


def _edges(along: Direction, start: int, count: int, step: int) -> tuple[float, float]:
    """Where the first and the last of the picked values end, each in the middle of its pixel."""
    half = step / 2
    first = float(along.values[0]) + start * along.step
    return first - half * along.step, first + ((count - 1) * step + half) * along.step


def _kind(variable: Variable) -> str:
    """Latitude or longitude in degrees, by its unit; "" for all else, as the latitude of a rotated grid."""
    standard = words(variable.attributes.get("standard_name"))
    if standard.startswith("grid_"):
        return ""
    if variable.unit in _NORTH:
        return "latitude"
    if variable.unit in _EAST:
        return "longitude"
    if variable.unit in {"degrees", "degree", "deg"} and standard in {"latitude", "longitude"}:
        return standard
    return ""
