"""What a preview shows of each kind of file. Runs in the child."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import fits_look
from .formats import format_of
from .packed import Packing, Unpacked, inner_path, packing_of
from .source import PreviewProblem, Source

TEXT_BYTES = 256 << 10
#: Named so, a file is shown as text even if some of its bytes are not.
TEXT_NAMES = (".txt", ".jsonl", ".ndjson", ".md", ".rst", ".py", ".xml", ".yaml", ".yml", ".log", ".dat", ".asc")
SHOWN = (
    "Previews show FITS, HDF5, NetCDF, Zarr, GRIB, Parquet, CSV, ECSV, VOTable, TIFF, PNG, JPEG, GIF, JSON, notebooks "
    "and text; FITS, tables in text, JSON and text also if compressed with gzip, bzip2 or xz."
)

#: What was made, as JSON of the models in ``answers``, and the picture of it if there is one.
Look = tuple[dict[str, Any], bytes]


@dataclass(frozen=True)
class Wish:
    """What to show and how. ``hdu`` None: the first image that is not an overview, else the first table.

    ``window`` is x, y, width and height of a part of a picture (see ``windows``); ``limits`` are the values to be drawn
    darkest and brightest, instead of what ``scale`` finds.
    """

    path: str
    hdu: int | None
    stretch: str
    scale: str
    colormap: str
    node: str | None = None
    index: tuple[int, ...] = ()
    first_row: int = 0
    window: tuple[int, int, int, int] | None = None
    limits: tuple[float, float] | None = None


def look(source: Source, wish: Wish) -> Look:
    """A preview of the object.

    Raises:
        PreviewProblem: 415 for a kind that cannot be shown, 422 for a file that is broken, or for a window where there
            is none.
    """
    packing = packing_of(source)
    looked = _look(source, wish) if packing is None else _look_inside(source, packing, wish)
    if wish.window is not None and not _has_part(looked[0]["content"]):
        raise PreviewProblem("There is no picture here of which a window could be drawn: ask without a window.")
    return looked


def _look(source: Source, wish: Wish) -> Look:
    if not source.is_directory and fits_look.is_fits(source, wish.path):
        return fits_look.look(source, wish)
    if (known := format_of(source, wish.path)) is not None:
        look_at: Look = known.load().look(source, wish)
        return look_at
    return look_at_text(source, wish.path), b""


def _look_inside(source: Source, packing: Packing, wish: Wish) -> Look:
    """What a file holds that is compressed as a whole."""
    inside, inner = _unpacked(source, packing, wish)
    looked, picture = _look(inside, inner)
    content = looked["content"]
    notes = [content.get("note"), inside.out_of_reach, inside.broken]
    content["note"] = " ".join(note for note in notes if note) or None
    title, known_as = wish.path.rsplit("/", 1)[-1], f"{looked['format']}, compressed ({packing.name})"
    return looked | {"title": title, "format": known_as}, picture


def _unpacked(source: Source, packing: Packing, wish: Wish) -> tuple[Unpacked, Wish]:
    """The inside of a file, and a wish for it.

    Raises:
        PreviewProblem: 415 for what cannot be read from its beginning alone; 422 for what does not unpack.
    """
    inside, inner = Unpacked(source, packing), replace(wish, path=inner_path(wish.path))
    if not inside.reaches(0) and inside.broken:
        raise PreviewProblem(inside.broken)
    known = None if fits_look.is_fits(inside, inner.path) else format_of(inside, inner.path)
    if known is not None and not known.is_read_onward:
        raise PreviewProblem(
            f"{wish.path.rsplit('/', 1)[-1]} is compressed as a whole ({packing.name}), and what is in it is read here "
            "and there: unpack it in a notebook. Previews look into compressed FITS, CSV, TSV, ECSV, VOTable, JSON and "
            "text.",
            415,
        )
    return inside, inner


def _has_part(content: dict[str, Any]) -> bool:
    return bool(content.get("part") or (content.get("drawing") or {}).get("part"))


def describe(source: Source, wish: Wish) -> Look:
    """What a snippet of code needs to know of the object; one of ``answers.Description``."""
    packing = packing_of(source)
    if packing is None:
        return _describe(source, wish)
    described, picture = _describe(*_unpacked(source, packing, wish))
    return described | {"compression": packing.name}, picture


def _describe(source: Source, wish: Wish) -> Look:
    if not source.is_directory and fits_look.is_fits(source, wish.path):
        return fits_look.describe(source, wish), b""
    if (known := format_of(source, wish.path)) is not None:
        return {"kind": "file", "format": known.name, **known.load().describe(source, wish)}, b""
    look_at_text(source, wish.path)
    return {"kind": "text"}, b""


def look_at_text(source: Source, path: str, file_format: str = "Text", is_named_so: bool = False) -> dict[str, Any]:
    """The beginning of a text. ``is_named_so``: bytes that are no UTF-8 do not make it something else.

    Raises:
        PreviewProblem: it is no text.
    """
    raw = source.read_at(0, TEXT_BYTES, TEXT_BYTES)
    truncated = source.size_bytes > len(raw)
    is_named_so = is_named_so or path.lower().endswith(TEXT_NAMES)
    if b"\0" in raw or not (is_named_so or _is_utf8(raw, truncated)):
        raise PreviewProblem(f"{path.rsplit('/', 1)[-1]} is of no format that can be shown. {SHOWN}", 415)
    text = raw.decode("utf-8-sig", "replace")
    if truncated and not text.endswith("\n") and "\n" in text:
        text = text[: text.rindex("\n") + 1]  # half a line would look like a whole one
    content = {"text": text, "truncated": truncated, "total_bytes": source.known_bytes}
    return {"kind": "text", "format": file_format, "title": path.rsplit("/", 1)[-1], "content": content}


def _is_utf8(raw: bytes, truncated: bool) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError as exc:
        return truncated and exc.start >= len(raw) - 3  # only the last character is cut in two
    return True
