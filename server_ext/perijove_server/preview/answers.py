"""What the preview processes may say to their parent, and nothing else.

A child reads strangers' files, so its answers count as a stranger's too: some of them become code for a notebook, or
bytes that a browser shows. Types are taken strictly (text that looks like a number is not one), unknown keys are
refused, and every number and list has bounds. Texts are bounded by the length of a message.

``describe`` is answered with a :data:`Description`, ``look`` with a :data:`Look`. This module imports nothing that the
child needs for its work, so that the parent does not load NumPy and astropy.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import Field, TypeAdapter

from .contents import (
    AXES_MAX,
    EXACT_MAX,
    HDUS_MAX,
    Count,
    ExactInt,
    HduIndex,
    HduLine,
    PictureSide,
    PlanePart,
    SkyGrid,
    Strict,
    TableContent,
    TreeContent,
)

#: Ways to draw. The first is the default: what shows the core and the arms of a galaxy at once.
Stretch = Literal["asinh", "linear", "sqrt", "log"]
Scale = Literal["percentile", "zscale", "minmax"]
Colormap = Literal["gray", "viridis", "inferno"]
STRETCHES: tuple[str, ...] = get_args(Stretch)
SCALES: tuple[str, ...] = get_args(Scale)
COLORMAPS: tuple[str, ...] = get_args(Colormap)

#: The formats that snippets know how to open, by the names that ``formats`` gives them.
FormatName = Literal[
    "hdf5", "netcdf3", "zarr", "grib", "parquet", "csv", "ecsv", "votable", "geotiff", "picture", "json", "notebook"
]

#: How a file is compressed as a whole.
Compression = Literal["gzip", "bz2", "xz"]

RANGES_MAX = 2048
#: Of a directory, so many objects are read in one preview, and so many directories listed.
OBJECTS_MAX = 600
LISTINGS_MAX = 64
#: As in ``fits``, which has the reason.
CARDS_MAX = 1000

#: The first bytes of a PNG with the lengths of its sides in pixels. Source: W3C, PNG (third edition), 5.2 and 11.2.1.
_PNG_HEAD = struct.Struct(">8s4s4sII")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_IHDR = (b"\0\0\0\x0d", b"IHDR")

#: The axes of an image with at least one plane, slowest first.
ImageShape = Annotated[list[Annotated[int, Field(ge=1, le=EXACT_MAX)]], Field(min_length=2, max_length=AXES_MAX)]


class _Made(Strict):
    """What a child has made of a file."""

    def goes_with(self, picture: bytes) -> bool:
        """Whether ``picture`` is what must come with it: for most, none."""
        return not picture


class _Described(_Made):
    """What code that opens a file has to know of it."""

    compression: Compression | None = None


class FitsImage(_Described):
    """``shape`` is in NumPy's order; ``overview`` is the unit that holds a reduced copy."""

    kind: Literal["image"]
    hdu: HduIndex
    overview: HduIndex | None
    shape: ImageShape
    pixel_bytes: Literal[1, 2, 4, 8]
    celestial: bool


class FitsTable(_Described):
    """A FITS file without an image, with a table."""

    kind: Literal["table"]
    hdu: HduIndex


class FitsHeader(_Described):
    """A FITS file with neither image nor table."""

    kind: Literal["header"]
    hdu: HduIndex


class PlainText(_Described):
    """A text."""

    kind: Literal["text"]


class CardLine(Strict):
    """One card of a header."""

    keyword: str
    value: str | bool | Annotated[int, Field(ge=-EXACT_MAX, le=EXACT_MAX)] | float | None
    comment: str


class ImageContent(Strict):
    """A picture: of an array, with how it was drawn, or one that is a picture already (``stretch`` and so on None).

    ``hdu`` and ``hdus`` are a FITS file's. ``sky`` tells where on the sky its pixels are. With ``part``, other parts of
    the plane can be asked for; such a look at a window has neither ``hdus`` nor ``header``.
    """

    width: PictureSide
    height: PictureSide
    shape: ImageShape
    hdu: HduIndex | None = None
    hdus: list[HduLine] = Field(default_factory=list, max_length=HDUS_MAX)
    header: list[CardLine] = Field(default_factory=list, max_length=CARDS_MAX)
    stretch: Stretch | None = None
    scale: Scale | None = None
    colormap: Colormap | None = None
    limits: tuple[float, float] | None = None
    unit: str | None = None
    note: str | None = None
    sky: SkyGrid | None = None
    part: PlanePart | None = None


class TextContent(Strict):
    """The beginning of a text; ``hdu`` and ``hdus`` if it is a header in a FITS file. ``total_bytes`` None: unknown."""

    text: str
    truncated: bool
    total_bytes: Annotated[int, Field(ge=0)] | None
    hdu: HduIndex | None = None
    hdus: list[HduLine] = Field(default_factory=list, max_length=HDUS_MAX)
    note: str | None = None


class ImageLook(_Made):
    """A look with a picture."""

    kind: Literal["image"]
    format: str
    title: str
    content: ImageContent

    def goes_with(self, picture: bytes) -> bool:
        """Whether it is a PNG of the size that is said."""
        return _is_png(picture, self.content.width, self.content.height)


class TextLook(_Made):
    """A look without a picture."""

    kind: Literal["text"]
    format: str
    title: str
    content: TextContent


class TableLook(_Made):
    """A look at rows."""

    kind: Literal["table"]
    format: str
    title: str
    content: TableContent


class TreeLook(_Made):
    """A look at what a file is made of, with a picture if one is drawn of a node."""

    kind: Literal["tree"]
    format: str
    title: str
    content: TreeContent

    def goes_with(self, picture: bytes) -> bool:
        """Whether a picture comes with it just where one is drawn, and is a PNG of its size."""
        drawing = self.content.drawing
        if drawing is None or drawing.width is None or drawing.height is None:
            return not picture
        return _is_png(picture, drawing.width, drawing.height)


def _is_png(picture: bytes, width: int, height: int) -> bool:
    """Whether these bytes are a PNG of this size: browsers unpack it."""
    if len(picture) < _PNG_HEAD.size:
        return False
    signature, *chunk, found_width, found_height = _PNG_HEAD.unpack_from(picture)
    found = (signature, tuple(chunk), found_width, found_height)
    return found == (_PNG_SIGNATURE, _PNG_IHDR, width, height)


class FileFormat(_Described):
    """A file of another format than FITS, as far as code that opens it has to know. ``node`` is what to open in it.

    Of arrays: whether that is a group, and whether axes have names, as in NetCDF. Of GRIB: which bytes its message is.
    Of a table in text: its ``delimiter``, whether a line of names goes before the rows, and how many lines of comments
    go before all.
    """

    kind: Literal["file"]
    format: FormatName
    node: Annotated[str, Field(max_length=1024)] | None = None
    names: list[Annotated[str, Field(max_length=256)]] = Field(default_factory=list, max_length=20)
    delimiter: Literal[",", "\t", ";", "|", " "] = ","
    header: bool = True
    comment_lines: Count = 0
    is_group: bool = False
    is_labelled: bool = False
    start: Count = 0
    stop: Count = 0


Described = FitsImage | FitsTable | FitsHeader | FileFormat | PlainText
Description = Annotated[Described, Field(discriminator="kind")]
Looked = ImageLook | TableLook | TreeLook | TextLook
Look = Annotated[Looked, Field(discriminator="kind")]
Made = TypeVar("Made", bound=_Made)


class Ready(Strict):
    """The child has loaded its libraries."""

    op: Literal["ready"]


class Read(Strict):
    """The child asks for bytes, as starts and stops; whether they are within the object is for the parent to check."""

    op: Literal["read"]
    ranges: Annotated[list[tuple[Count, Count]], Field(max_length=RANGES_MAX)]


#: A name below the previewed directory; the parent checks that it is one before it is joined to anything.
ObjectName = Annotated[str, Field(min_length=1, max_length=1024)]


class ReadObjects(Strict):
    """The child asks for parts of objects below the previewed directory, as name, start and stop.

    A start below zero counts from the end; without a stop it is all that follows.
    """

    op: Literal["objects"]
    wanted: Annotated[list[tuple[ObjectName, ExactInt, Count | None]], Field(max_length=OBJECTS_MAX)]


class ListNames(Strict):
    """The child asks which names a directory holds: the previewed one ("") or one below it."""

    op: Literal["names"]
    directory: Annotated[str, Field(max_length=1024)]


class Trouble(Strict):
    """Why there is no preview."""

    op: Literal["problem"]
    status: Literal[415, 422]
    detail: str


class Done(Strict, Generic[Made]):
    """The end of a wish."""

    op: Literal["done"]
    preview: Made


#: What the child may ask for on its way.
Asks = Read | ReadObjects | ListNames


@dataclass(frozen=True)
class Operation(Generic[Made]):
    """Something a child can do, and the messages that may come while it does."""

    name: str
    messages: TypeAdapter[Asks | Trouble | Done[Made]]


def _messages(made: Any) -> TypeAdapter[Any]:
    union: Any = Annotated[Read | ReadObjects | ListNames | Trouble | Done[made], Field(discriminator="op")]
    return TypeAdapter(union)


READY = TypeAdapter(Ready)
DESCRIBE: Operation[Described] = Operation("describe", _messages(Description))
LOOK: Operation[Looked] = Operation("look", _messages(Look))
