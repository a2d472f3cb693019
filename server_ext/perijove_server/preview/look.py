"""What a preview shows of each kind of file. Runs in the child."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from astropy.wcs import WCS
from astropy.wcs import WcsError as AstropyWcsError

from . import fits
from .formats import format_of
from .pixels import is_overview, overview_of, read_plane
from .render import draw
from .source import PreviewProblem, Source

TEXT_BYTES = 256 << 10
#: Named so, a file is shown as text even if some of its bytes are not.
TEXT_NAMES = (
    ".txt",
    ".csv",
    ".tsv",
    ".json",
    ".md",
    ".rst",
    ".py",
    ".xml",
    ".vot",
    ".yaml",
    ".yml",
    ".log",
    ".dat",
    ".asc",
)
FITS_NAMES = (".fits", ".fit", ".fts", ".fits.fz")
SHOWN = "Previews show FITS images and headers, and text."

#: What was made, as JSON of the models in ``answers``, and the picture of it if there is one.
Look = tuple[dict[str, Any], bytes]


@dataclass(frozen=True)
class Wish:
    """What to show and how. ``hdu`` None: the first image that is not an overview."""

    path: str
    hdu: int | None
    stretch: str
    scale: str
    colormap: str
    node: str | None = None
    index: tuple[int, ...] = ()
    first_row: int = 0


def look(source: Source, wish: Wish) -> Look:
    """A preview of the object.

    Raises:
        PreviewProblem: 415 for a kind that cannot be shown, 422 for a file that is broken.
    """
    if is_fits(source, wish.path):
        return _look_at_fits(source, wish)
    if (known := format_of(source, wish.path)) is not None:
        look_at: Look = known.load().look(source, wish)
        return look_at
    return _look_at_text(source, wish.path), b""


def describe(source: Source, wish: Wish) -> Look:
    """What a snippet of code needs to know: kind, unit, shape, overview and whether there are sky coordinates."""
    if not is_fits(source, wish.path):
        if (known := format_of(source, wish.path)) is not None:
            return {"kind": "file", "format": known.name, **known.load().describe(source, wish)}, b""
        _look_at_text(source, wish.path)
        return {"kind": "text"}, b""
    hdus = fits.read_hdus(source)
    hdu = _chosen(hdus, wish.hdu)
    if hdu.is_image:
        overview = overview_of(source, hdu, hdus)
        return {
            "kind": "image",
            "hdu": hdu.index,
            "overview": overview.index if overview else None,
            "shape": list(hdu.shape or ()),
            "pixel_bytes": abs(int(hdu.header["ZBITPIX" if hdu.is_compressed else "BITPIX"])) // 8,
            "celestial": has_sky(hdu),
        }, b""
    table = next(
        (other for other in hdus if other.type in {"BINTABLE", "TABLE"} and wish.hdu in {None, other.index}), None
    )
    return ({"kind": "table", "hdu": table.index} if table else {"kind": "header", "hdu": hdu.index}), b""


def is_fits(source: Source, path: str) -> bool:
    """By its first bytes; a file only named so counts too, and will be told what it is not."""
    begins = source.read_at(0, 80, fits.FIRST_BYTES).startswith(b"SIMPLE  =")
    return begins or path.lower().endswith(FITS_NAMES)


def has_sky(hdu: fits.Hdu) -> bool:
    """Whether the header gives the image coordinates on the sky that astropy understands."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(WCS(hdu.header).has_celestial)
        except (AstropyWcsError, ValueError, TypeError, KeyError, IndexError, AssertionError, MemoryError, OSError):
            return False


def _look_at_fits(source: Source, wish: Wish) -> Look:
    hdus = fits.read_hdus(source)
    hdu = _chosen(hdus, wish.hdu)
    if not hdu.is_image:
        return _header_as_text(hdu, wish.path), b""
    plane = read_plane(source, hdu, hdus)
    picture = draw(plane.values, wish.stretch, wish.scale, wish.colormap)
    notes = [plane.note, None if picture.limits else "No pixel of this image has a value."]
    content = {
        "width": picture.width,
        "height": picture.height,
        "shape": list(hdu.shape or ()),
        "hdu": hdu.index,
        "hdus": [other.as_json() for other in hdus],
        "header": fits.cards_as_json(hdu.header),
        "stretch": wish.stretch,
        "scale": wish.scale,
        "colormap": wish.colormap,
        "limits": picture.limits,
        "unit": fits.text(hdu.header, "BUNIT"),
        "note": " ".join(note for note in notes if note) or None,
    }
    return _preview("image", "FITS", wish.path, content), picture.png


def _chosen(hdus: list[fits.Hdu], asked: int | None) -> fits.Hdu:
    if asked is None:
        images = [hdu for hdu in hdus if hdu.is_image]
        # An overview may come first in the file; what it gives a view of is what people came for.
        return next((hdu for hdu in images if not is_overview(hdu)), images[0] if images else hdus[0])
    if not 0 <= asked < len(hdus):
        raise PreviewProblem(f"There is no HDU {asked}: the file has {len(hdus)}, counted from 0.")
    return hdus[asked]


def _header_as_text(hdu: fits.Hdu, path: str) -> dict[str, Any]:
    """A unit without an image: its header, as it stands."""
    text = "\n".join(str(card.image).rstrip() for card in hdu.header.cards)
    size = len(text.encode())
    content = {"text": text, "truncated": False, "total_bytes": size, "hdu": hdu.index}
    return _preview("text", f"FITS header of HDU {hdu.index}, which holds no image", path, content)


def _look_at_text(source: Source, path: str) -> dict[str, Any]:
    raw = source.read_at(0, TEXT_BYTES, TEXT_BYTES)
    truncated = source.size_bytes > len(raw)
    if b"\0" in raw or not (path.lower().endswith(TEXT_NAMES) or _is_utf8(raw, truncated)):
        raise PreviewProblem(f"{path.rsplit('/', 1)[-1]} is neither FITS nor text. {SHOWN}", 415)
    text = raw.decode("utf-8-sig", "replace")
    if truncated and not text.endswith("\n") and "\n" in text:
        text = text[: text.rindex("\n") + 1]  # half a line would look like a whole one
    content = {"text": text, "truncated": truncated, "total_bytes": source.size_bytes}
    return _preview("text", "Text", path, content)


def _is_utf8(raw: bytes, truncated: bool) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError as exc:
        return truncated and exc.start >= len(raw) - 3  # only the last character is cut in two
    return True


def _preview(kind: str, file_format: str, path: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "format": file_format, "title": path.rsplit("/", 1)[-1], "content": content}
