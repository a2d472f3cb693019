"""What a preview shows of a FITS file: an image, rows of a table, or a header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import fits, windows
from .fits_tables import is_table, look_at_table
from .fits_windows import read_window
from .pixels import is_overview, overview_of, read_plane
from .render import draw
from .sky import has_sky, sky_grid
from .source import PreviewProblem, Source

if TYPE_CHECKING:
    from .look import Look, Wish

FITS_NAMES = (".fits", ".fit", ".fts", ".fits.fz")


def is_fits(source: Source, path: str) -> bool:
    """By its first bytes; a file only named so counts too, and will be told what it is not."""
    begins = source.read_at(0, 80, fits.FIRST_BYTES).startswith(b"SIMPLE  =")
    return begins or path.lower().endswith(FITS_NAMES)


def look(source: Source, wish: Wish) -> Look:
    """The unit that was asked for.

    Raises:
        PreviewProblem: the file is broken, or there is no such unit.
    """
    hdus = fits.read_hdus(source)
    hdu = _chosen(source, hdus, wish.hdu)
    if is_table(hdu):
        return look_at_table(source, hdu, hdus, wish.path, wish.first_row), b""
    if not hdu.is_image:
        return _header_as_text(hdu, hdus, wish.path), b""
    try:
        return _look_at_image(source, hdu, hdus, wish)
    except PreviewProblem:
        if not source.out_of_reach or wish.window is not None:
            raise
        return _header_as_text(hdu, hdus, wish.path, "whose image is not reached"), b""


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """What a snippet of code needs to know: kind, unit, shape, overview and whether there are sky coordinates."""
    hdus = fits.read_hdus(source)
    hdu = _chosen(source, hdus, wish.hdu)
    if hdu.is_image:
        overview = overview_of(source, hdu, hdus)
        return {
            "kind": "image",
            "hdu": hdu.index,
            "overview": overview.index if overview else None,
            "shape": list(hdu.shape or ()),
            "pixel_bytes": abs(int(hdu.header["ZBITPIX" if hdu.is_compressed else "BITPIX"])) // 8,
            "celestial": has_sky(hdu.header),
        }
    return {"kind": "table" if is_table(hdu) else "header", "hdu": hdu.index}


def _look_at_image(source: Source, hdu: fits.Hdu, hdus: list[fits.Hdu], wish: Wish) -> Look:
    rows, columns = hdu.plane
    if wish.window is None:
        plane = read_plane(source, hdu, hdus)
    else:
        # rows are counted from below in the file
        plane = read_window(source, hdu, hdus, windows.cut(wish.window, rows, columns).upside_down(rows))
    picture = draw(plane.values, wish.stretch, wish.scale, wish.colormap, wish.limits)
    notes = [plane.note, None if picture.limits else "No pixel of this image has a value."]
    content = {
        "width": picture.width,
        "height": picture.height,
        "shape": list(hdu.shape or ()),
        "hdu": hdu.index,
        "hdus": [other.as_json() for other in hdus] if wish.window is None else [],
        "header": fits.cards_as_json(hdu.header) if wish.window is None else [],
        "stretch": wish.stretch,
        "scale": wish.scale,
        "colormap": wish.colormap,
        "limits": picture.limits,
        "unit": fits.text(hdu.header, "BUNIT"),
        "note": " ".join(note for note in notes if note) or None,
        "sky": sky_grid(hdu.header, plane.box, picture.width, picture.height),
        "part": windows.part(hdu.plane, plane.box, upward=True, partial=plane.partial),
    }
    return {"kind": "image", "format": "FITS", "title": wish.path.rsplit("/", 1)[-1], "content": content}, picture.png


def _chosen(source: Source, hdus: list[fits.Hdu], asked: int | None) -> fits.Hdu:
    """The unit asked for, else the first image, the first table, or the first of all."""
    if asked is None:
        images = [hdu for hdu in hdus if hdu.is_image]
        # An overview may come first in the file; what it gives a view of is what people came for.
        science = [hdu for hdu in images if not is_overview(hdu)]
        return [*science, *images, *filter(is_table, hdus), hdus[0]][0]
    if not 0 <= asked < len(hdus):
        missing = f"There is no HDU {asked}: the file has {len(hdus)}, counted from 0."
        raise PreviewProblem(source.out_of_reach or missing)
    return hdus[asked]


def _header_as_text(
    hdu: fits.Hdu, hdus: list[fits.Hdu], path: str, why: str = "which holds no image"
) -> dict[str, Any]:
    """A unit without an image or a table, or with an image that cannot be read: its header, as it stands."""
    text = "\n".join(str(card.image).rstrip() for card in hdu.header.cards)
    content = {
        "text": text,
        "truncated": False,
        "total_bytes": len(text.encode()),
        "hdu": hdu.index,
        "hdus": [other.as_json() for other in hdus],
    }
    said = f"FITS header of HDU {hdu.index}, {why}"
    return {"kind": "text", "format": said, "title": path.rsplit("/", 1)[-1], "content": content}
