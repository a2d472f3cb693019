"""PNG, JPEG and GIF by Pillow: unpacked within bounds, turned as they were taken, scaled to what a preview shows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from . import windows
from .answers import CARDS_MAX
from .contents import PICTURE_SIDE_MAX
from .source import PreviewProblem, Source
from .tables import NAME_CHARS, clipped
from .windows import Window, cut

if TYPE_CHECKING:
    from .look import Look, Wish

FORMATS = ("PNG", "JPEG", "GIF")
#: A picture of more pixels does not fit the child's memory; a JPEG is unpacked smaller than it is.
PIXELS_MAX = 64 << 20
JPEG_PIXELS_MAX = 1 << 30
CARD_CHARS = 500
#: A header is within so many bytes, but for the strangest files.
HEADER_BYTES = 256 << 10
_BAD_PICTURE = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, AttributeError, ArithmeticError,
    RuntimeError,
)  # fmt: skip


def look(source: Source, wish: Wish) -> Look:
    """The picture, whole or its upper part.

    Raises:
        PreviewProblem: it is broken or unpacks to too much.
    """
    image, raw_bytes = _open(source)
    rows, columns = image.height, image.width
    header = _cards(image)
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append("The first picture of several.")
    is_part = raw_bytes < source.size_bytes
    if is_part:
        notes.append(
            f"Drawn from the first {raw_bytes:,} of {source.size_bytes:,} bytes: what they do not hold is empty."
        )
    png, width, height, part = _drawn(image, is_part, wish)
    content = {
        "width": width,
        "height": height,
        "shape": [rows, columns],
        "header": header if wish.window is None else [],
        "part": part,
        "note": " ".join(notes) or None,
    }
    title = wish.path.rsplit("/", 1)[-1]
    return {"kind": "image", "format": str(image.format), "title": title, "content": content}, png


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """Nothing beside its format; raises as :func:`look` does for a file that is none."""
    _parsed(source.read_at(0, HEADER_BYTES, HEADER_BYTES))
    return {}


def as_png(image: Image.Image) -> tuple[bytes, int, int]:
    """A picture as PNG, no larger than previews are, with its width and height."""
    image.thumbnail((PICTURE_SIDE_MAX, PICTURE_SIDE_MAX))
    if image.mode not in {"L", "RGB", "RGBA"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue(), image.width, image.height


def _open(source: Source) -> tuple[Image.Image, int]:
    """The picture, not yet unpacked, and how many bytes of it are here."""
    if source.size_bytes == 0:
        raise PreviewProblem("The file is empty: expected a picture.")
    raw = source.read_at(0, source.size_bytes, 0) if source.size_bytes <= source.left_bytes else None
    if raw is None:
        raw = source.read_many([(0, source.left_bytes)])[0]
    image = _parsed(raw)
    pixels, most = image.width * image.height, JPEG_PIXELS_MAX if image.format == "JPEG" else PIXELS_MAX
    if pixels > most:
        raise PreviewProblem(f"The picture unpacks to {pixels:,} pixels: a preview may unpack {most:,}.")
    return image, len(raw)


def _parsed(raw: bytes) -> Image.Image:
    """The picture that these bytes begin."""
    Image.MAX_IMAGE_PIXELS = JPEG_PIXELS_MAX
    try:
        return Image.open(io.BytesIO(raw), formats=FORMATS)
    except UnidentifiedImageError:
        raise PreviewProblem("The file is none of the pictures that previews show: PNG, JPEG or GIF.") from None
    except (Image.DecompressionBombError, *_BAD_PICTURE):
        raise PreviewProblem("The picture is broken: its header does not read, or promises too much.") from None


def _drawn(image: Image.Image, is_part: bool, wish: Wish) -> tuple[bytes, int, int, dict[str, Any] | None]:
    """The PNG, its sides, and which part of the picture it shows; None: too large to unpack for a part of it."""
    has_parts = image.width * image.height <= PIXELS_MAX
    ImageFile.LOAD_TRUNCATED_IMAGES = is_part
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        if image.mode == "P" or image.mode == "PA" or image.mode == "1":
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        if image.mode in {"I;16", "I;16B", "I", "F"}:
            image = _stretched(image)
        is_turned = isinstance(orientation, int) and 5 <= orientation <= 8
        columns, rows = image.size[::-1] if is_turned else image.size
        if wish.window is None or not has_parts:
            image.thumbnail((PICTURE_SIDE_MAX, PICTURE_SIDE_MAX))
        if orientation:
            image.getexif()[ExifTags.Base.Orientation] = orientation
            image = ImageOps.exif_transpose(image)
        window = Window(0, 0, columns, rows)
        if wish.window is not None and has_parts:
            window = cut(wish.window, rows, columns)
            image = image.crop((window.x, window.y, window.x + window.width, window.y + window.height))
        box = window.y, window.x, window.height, window.width
        return *as_png(image), windows.part((rows, columns), box, upward=False) if has_parts else None
    except _BAD_PICTURE:
        raise PreviewProblem("The picture is cut off or broken: it does not unpack.") from None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _stretched(image: Image.Image) -> Image.Image:
    """More than eight bits of grey to eight, from the darkest to the brightest."""
    low, high = image.convert("F").getextrema()
    low, high = float(low), float(high)  # type: ignore[arg-type] # of one band they are numbers
    scale = 255.0 / (high - low) if high > low else 0.0
    return image.convert("F").point(lambda value: value * scale - low * scale).convert("L")


def _cards(image: Image.Image) -> list[dict[str, Any]]:
    """What the file says of itself, as cards."""
    said: list[tuple[Any, Any]] = [("Mode", image.mode), *image.info.items()]
    try:
        said += [(ExifTags.TAGS.get(tag, str(tag)), value) for tag, value in image.getexif().items()]
    except _BAD_PICTURE:
        said.append(("EXIF", "does not read"))
    plain = (str, int, float, tuple)
    return [
        {"keyword": clipped(name, NAME_CHARS), "value": clipped(value, CARD_CHARS), "comment": ""}
        for name, value in said[:CARDS_MAX]
        if isinstance(name, str) and isinstance(value, plain)
    ]
