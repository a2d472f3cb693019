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

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

#: Ways to draw. The first is the default: what shows the core and the arms of a galaxy at once.
Stretch = Literal["asinh", "linear", "sqrt", "log"]
Scale = Literal["percentile", "zscale", "minmax"]
Colormap = Literal["gray", "viridis", "inferno"]
STRETCHES: tuple[str, ...] = get_args(Stretch)
SCALES: tuple[str, ...] = get_args(Scale)
COLORMAPS: tuple[str, ...] = get_args(Colormap)

RANGES_MAX = 2048
#: As in ``fits`` and ``pixels``, which have the reasons.
HDUS_MAX = 64
AXES_MAX = 16
CARDS_MAX = 1000
EXACT_MAX = 2**53
PICTURE_SIDE_MAX = 1024

#: The first bytes of a PNG with the lengths of its sides in pixels. Source: W3C, PNG (third edition), 5.2 and 11.2.1.
_PNG_HEAD = struct.Struct(">8s4s4sII")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_IHDR = (b"\0\0\0\x0d", b"IHDR")

HduIndex = Annotated[int, Field(ge=0, lt=HDUS_MAX)]
Count = Annotated[int, Field(ge=0, le=EXACT_MAX)]
PictureSide = Annotated[int, Field(ge=1, le=PICTURE_SIDE_MAX)]
#: The axes of an image with at least one plane, slowest first.
ImageShape = Annotated[list[Annotated[int, Field(ge=1, le=EXACT_MAX)]], Field(min_length=2, max_length=AXES_MAX)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _Made(_Strict):
    """What a child has made of a file."""

    def goes_with(self, picture: bytes) -> bool:
        """Whether ``picture`` is what must come with it: for most, none."""
        return not picture


class FitsImage(_Made):
    """``shape`` is in NumPy's order; ``overview`` is the unit that holds a reduced copy."""

    kind: Literal["image"]
    hdu: HduIndex
    overview: HduIndex | None
    shape: ImageShape
    pixel_bytes: Literal[1, 2, 4, 8]
    celestial: bool


class FitsTable(_Made):
    """A FITS file without an image, with a table."""

    kind: Literal["table"]
    hdu: HduIndex


class FitsHeader(_Made):
    """A FITS file with neither image nor table."""

    kind: Literal["header"]
    hdu: HduIndex


class PlainText(_Made):
    """A text."""

    kind: Literal["text"]


class HduLine(_Strict):
    """One unit in the list of units."""

    index: HduIndex
    name: str
    type: Annotated[str, Field(max_length=20)]
    shape: Annotated[list[Count], Field(max_length=AXES_MAX)] | None


class CardLine(_Strict):
    """One card of a header."""

    keyword: str
    value: str | bool | Annotated[int, Field(ge=-EXACT_MAX, le=EXACT_MAX)] | float | None
    comment: str


class ImageContent(_Strict):
    """A picture of an array: how it was drawn, and what the file says of it."""

    width: PictureSide
    height: PictureSide
    shape: ImageShape
    hdu: HduIndex
    hdus: Annotated[list[HduLine], Field(min_length=1, max_length=HDUS_MAX)]
    header: Annotated[list[CardLine], Field(max_length=CARDS_MAX)]
    stretch: Stretch
    scale: Scale
    colormap: Colormap
    limits: tuple[float, float] | None
    unit: str | None
    note: str | None


class TextContent(_Strict):
    """The beginning of a text; ``hdu`` if it is the header of one."""

    text: str
    truncated: bool
    total_bytes: Annotated[int, Field(ge=0)]
    hdu: HduIndex | None = None


class ImageLook(_Made):
    """A look with a picture."""

    kind: Literal["image"]
    format: str
    title: str
    content: ImageContent

    def goes_with(self, picture: bytes) -> bool:
        """Whether it is a PNG of the size that is said: browsers unpack it."""
        if len(picture) < _PNG_HEAD.size:
            return False
        signature, *chunk, width, height = _PNG_HEAD.unpack_from(picture)
        sides = (self.content.width, self.content.height)
        return (signature, tuple(chunk), (width, height)) == (_PNG_SIGNATURE, _PNG_IHDR, sides)


class TextLook(_Made):
    """A look without a picture."""

    kind: Literal["text"]
    format: str
    title: str
    content: TextContent


Description = Annotated[FitsImage | FitsTable | FitsHeader | PlainText, Field(discriminator="kind")]
Look = Annotated[ImageLook | TextLook, Field(discriminator="kind")]
Made = TypeVar("Made", bound=_Made)


class Ready(_Strict):
    """The child has loaded its libraries."""

    op: Literal["ready"]


class Read(_Strict):
    """The child asks for bytes, as starts and stops; whether they are within the object is for the parent to check."""

    op: Literal["read"]
    ranges: Annotated[list[tuple[Count, Count]], Field(max_length=RANGES_MAX)]


class Trouble(_Strict):
    """Why there is no preview."""

    op: Literal["problem"]
    status: Literal[415, 422]
    detail: str


class Done(_Strict, Generic[Made]):
    """The end of a wish."""

    op: Literal["done"]
    preview: Made


@dataclass(frozen=True)
class Operation(Generic[Made]):
    """Something a child can do, and the messages that may come while it does."""

    name: str
    messages: TypeAdapter[Read | Trouble | Done[Made]]


def _messages(made: Any) -> TypeAdapter[Any]:
    union: Any = Annotated[Read | Trouble | Done[made], Field(discriminator="op")]
    return TypeAdapter(union)


READY = TypeAdapter(Ready)
DESCRIBE: Operation[FitsImage | FitsTable | FitsHeader | PlainText] = Operation("describe", _messages(Description))
LOOK: Operation[ImageLook | TextLook] = Operation("look", _messages(Look))
