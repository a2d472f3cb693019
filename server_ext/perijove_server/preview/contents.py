"""What a look may show beside a FITS image or a text: tables, trees, and what is drawn of a node of a tree.

Part of ``answers``, whose rules hold here: types are strict, unknown keys are refused, everything is bounded.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

EXACT_MAX = 2**53
AXES_MAX = 16
#: The longest side of a picture, in its own pixels.
PICTURE_SIDE_MAX = 1024
#: As in ``fits``, which has the reason.
HDUS_MAX = 64
COLUMNS_MAX = 500
ROWS_MAX = 200
CELL_CHARS_MAX = 2000
NODES_MAX = 5000
ATTRIBUTES_MAX = 300
POINTS_MAX = 4096

Count = Annotated[int, Field(ge=0, le=EXACT_MAX)]
ExactInt = Annotated[int, Field(ge=-EXACT_MAX, le=EXACT_MAX)]
HduIndex = Annotated[int, Field(ge=0, lt=HDUS_MAX)]
PictureSide = Annotated[int, Field(ge=1, le=PICTURE_SIDE_MAX)]
Shape = Annotated[list[Count], Field(max_length=AXES_MAX)]
#: A larger whole number is said as text, which keeps its digits.
Cell = Annotated[str, Field(max_length=CELL_CHARS_MAX)] | bool | ExactInt | float | None


class Strict(BaseModel):
    """The base of all that a preview process may say."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class HduLine(Strict):
    """One unit in the list of units."""

    index: HduIndex
    name: str
    type: Annotated[str, Field(max_length=20)]
    shape: Shape | None


class Attribute(Strict):
    """A name and a value in words."""

    name: str
    value: Annotated[str, Field(max_length=CELL_CHARS_MAX)]


class Column(Strict):
    """A column of a table. ``type`` is in the words of the format, as ``float64`` or ``TIMESTAMP(ms)``."""

    name: str
    type: str
    unit: str | None = None
    description: str | None = None


class TableContent(Strict):
    """Some rows of a table. ``total_rows`` None: not known without reading all of it.

    ``hdu`` and ``hdus`` are a FITS file's.
    """

    columns: Annotated[list[Column], Field(max_length=COLUMNS_MAX)]
    rows: Annotated[list[list[Cell]], Field(max_length=ROWS_MAX)]
    first_row: Count
    total_rows: Count | None
    attributes: list[Attribute] = Field(default_factory=list, max_length=ATTRIBUTES_MAX)
    note: str | None = None
    hdu: HduIndex | None = None
    hdus: list[HduLine] = Field(default_factory=list, max_length=HDUS_MAX)

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a row has another number of cells than there are columns")
        return self


class Node(Strict):
    """A group, an array or a field (a message of GRIB) of a file. ``path`` names it in the file, as ``/a/b``."""

    path: str
    name: str
    kind: Literal["group", "array", "field"]
    type: str | None = None
    shape: Shape | None = None
    unit: str | None = None
    note: str | None = None
    attributes: list[Attribute] = Field(default_factory=list, max_length=ATTRIBUTES_MAX)


class Axis(Strict):
    """An axis of what is drawn, slowest first. ``index`` is where it is cut; None: it runs along what is drawn."""

    name: str
    size: Count
    index: Count | None


class Plot(Strict):
    """A line of what has one axis; a value that is none is a gap."""

    x: Annotated[list[float], Field(max_length=POINTS_MAX)]
    y: Annotated[list[float | None], Field(max_length=POINTS_MAX)]
    x_label: str
    y_label: str


Length = Annotated[float, Field(gt=0, le=2 * EXACT_MAX)]
Place = Annotated[float, Field(ge=-EXACT_MAX, le=EXACT_MAX)]


class PlanePart(Strict):
    """Which part of a plane of ``rows`` and ``columns`` a picture shows, in pixels of the plane as it is drawn.

    ``x`` and ``y`` are from the left and upper edge of the whole plane. ``upward``: the plane's first row is drawn
    lowest. ``partial``: not all that this picture could show was read.
    """

    columns: Annotated[int, Field(ge=1, le=EXACT_MAX)]
    rows: Annotated[int, Field(ge=1, le=EXACT_MAX)]
    x: Place
    y: Place
    width: Length
    height: Length
    upward: bool = False
    partial: bool = False


class Drawing(Strict):
    """What is drawn of the node ``node``: a picture (``width`` and ``height``) or a ``plot``.

    ``extent`` is west, south, east and north of the picture in degrees, where it is a map in longitude and latitude.
    """

    node: str
    axes: Annotated[list[Axis], Field(max_length=AXES_MAX)]
    width: PictureSide | None = None
    height: PictureSide | None = None
    plot: Plot | None = None
    limits: tuple[float, float] | None = None
    unit: str | None = None
    extent: tuple[float, float, float, float] | None = None
    part: PlanePart | None = None
    note: str | None = None


class TreeContent(Strict):
    """The nodes of a file, in the file's order, parents before children, and what is drawn of one of them.

    A look at a window of it lists no nodes: whoever asks for one has them.
    """

    nodes: Annotated[list[Node], Field(max_length=NODES_MAX)]
    truncated: bool
    drawing: Drawing | None = None
    note: str | None = None


class SkyGrid(Strict):
    """Coordinates on the sky at the crossings of a grid over a picture, to be interpolated for what is between them.

    ``x`` and ``y`` are pixels of the picture, 0 at its left and upper edge; ``longitude`` and ``latitude`` are degrees,
    a row for each ``y``; None where there is no sky.
    """

    frame: str
    x: Annotated[list[float], Field(min_length=2, max_length=33)]
    y: Annotated[list[float], Field(min_length=2, max_length=33)]
    longitude: Annotated[list[list[float | None]], Field(max_length=33)]
    latitude: Annotated[list[list[float | None]], Field(max_length=33)]

    @model_validator(mode="after")
    def _is_a_grid(self) -> Self:
        for values in (self.longitude, self.latitude):
            if len(values) != len(self.y) or any(len(row) != len(self.x) for row in values):
                raise ValueError("the grid has holes")
        return self
