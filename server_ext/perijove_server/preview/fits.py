"""The structure of a FITS file, read from its headers alone.

Source: "Definition of the Flexible Image Transport System", version 4.0: blocks of 2880 bytes, cards of 80; section
4.4.1 gives the size of the data that follow a header, so units are hopped over without reading them. Every number is
checked before it is used: a header is a stranger's text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from astropy.io.fits import Header
from astropy.io.fits.card import Undefined
from astropy.io.fits.verify import VerifyError

from .source import PreviewProblem, Source

BLOCK_BYTES = 2880
CARD_BYTES = 80
#: Fetched at the start of the file, and after each hop.
FIRST_BYTES = 64 << 10
HOP_BYTES = 8 * BLOCK_BYTES
HEADER_MAX_BYTES = 1 << 20
HDUS_MAX = 64
#: FITS allows 999; nobody looks at more than a few.
AXES_MAX = 16
BITPIX = frozenset({8, 16, 32, 64, -32, -64})
CARDS_SHOWN = 1000
#: Whole numbers above this are not exact in JavaScript and are sent as text.
EXACT_MAX = 2**53


class Careful(Header):  # type: ignore[misc] # astropy has no types
    """A header whose ``get`` treats a card that does not parse like one that is missing."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of ``key``."""
        try:
            return super().get(key, default)
        except (VerifyError, ValueError):
            return default


@dataclass(frozen=True)
class Hdu:
    """One header-data unit. ``shape`` is in NumPy's order, as if uncompressed; None without an array."""

    index: int
    header: Header
    start: int
    data_start: int
    data_bytes: int

    @cached_property
    def name(self) -> str:
        """EXTNAME, or PRIMARY for the first."""
        given = self.header.get("EXTNAME")
        return given.strip() if isinstance(given, str) and given.strip() else ("PRIMARY" if self.index == 0 else "")

    @cached_property
    def is_compressed(self) -> bool:
        """A tile-compressed image: a binary table whose header says that it stands for an image."""
        return self.header.get("ZIMAGE") is True

    @cached_property
    def type(self) -> str:
        """What it is, in FITS's own words."""
        if self.index == 0:
            return "PRIMARY"
        kind = self.header.get("XTENSION")
        return "COMPRESSED IMAGE" if self.is_compressed else str(kind).strip()[:20]

    @cached_property
    def shape(self) -> tuple[int, ...] | None:
        """The array's axes, slowest first."""
        prefix = "Z" if self.is_compressed else ""
        if not (self.is_compressed or self.type in {"PRIMARY", "IMAGE"}) or self.header.get("GROUPS") is True:
            return None
        count = whole(self.header, f"{prefix}NAXIS", self.index, 0, AXES_MAX)
        if count == 0:
            return None
        return tuple(whole(self.header, f"{prefix}NAXIS{axis}", self.index, 0) for axis in range(count, 0, -1))

    @property
    def axes(self) -> tuple[int, ...]:
        """The shape of a unit that is known to hold an array."""
        if self.shape is None:
            raise PreviewProblem(f"HDU {self.index} holds no array.")
        return self.shape

    @property
    def plane(self) -> tuple[int, int]:
        """Rows and columns of the planes of an image."""
        rows, columns = self.axes[-2:]
        return rows, columns

    @property
    def is_image(self) -> bool:
        """Whether there is a plane to draw."""
        return self.shape is not None and len(self.shape) >= 2 and 0 not in self.shape and min(self.shape[-2:]) > 1

    def as_json(self) -> dict[str, Any]:
        """A line of the list of units."""
        shape = self.shape
        return {"index": self.index, "name": self.name, "type": self.type, "shape": None if shape is None else [*shape]}


def read_hdus(source: Source) -> list[Hdu]:
    """All units, up to a bound, in order.

    Raises:
        PreviewProblem: not FITS, or a header that cannot be right.
    """
    if not source.read_at(0, CARD_BYTES, FIRST_BYTES).startswith(b"SIMPLE  ="):
        raise PreviewProblem("This is not a FITS file: it does not begin with the keyword SIMPLE.")
    hdus: list[Hdu] = []
    start = 0
    while source.reaches(start) and len(hdus) < HDUS_MAX:
        if hdus and not source.read_at(start, 8, HOP_BYTES).startswith(b"XTENSION"):
            break  # the standard allows other records after the last unit
        header, header_bytes = _read_header(source, start, len(hdus))
        data_start = start + header_bytes
        hdus.append(Hdu(len(hdus), header, start, data_start, _data_bytes(header, len(hdus))))
        start = data_start + math.ceil(hdus[-1].data_bytes / BLOCK_BYTES) * BLOCK_BYTES
    return hdus


def cards_as_json(header: Header) -> list[dict[str, Any]]:
    """The header's cards for display; a card that does not parse is shown as it stands."""
    shown = []
    for card in list(header.cards)[:CARDS_SHOWN]:
        try:
            keyword, value, comment = card.keyword, card.value, card.comment
        except (VerifyError, ValueError):
            keyword, value, comment = "", str(card.image).strip(), ""
        shown.append({"keyword": keyword, "value": _plain(value), "comment": comment})
    return shown


def number(header: Header, keyword: str, default: float) -> float:
    """A finite number, or ``default`` when the card is missing or something else."""
    value = header.get(keyword)
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else default


def text(header: Header, keyword: str) -> str | None:
    """A text value, or None."""
    value = header.get(keyword)
    return value.strip() if isinstance(value, str) and value.strip() else None


def _read_header(source: Source, start: int, index: int) -> tuple[Header, int]:
    """The header at ``start`` and how many bytes it takes, padding included."""
    raw = b""
    while len(raw) < HEADER_MAX_BYTES:
        block = source.read_at(start + len(raw), BLOCK_BYTES, FIRST_BYTES if index == 0 else HOP_BYTES)
        if len(block) < BLOCK_BYTES:
            ended = f"The file ends within the header of HDU {index}: it has no END."
            raise PreviewProblem(source.out_of_reach or ended)
        raw += block
        for at in range(0, BLOCK_BYTES, CARD_BYTES):
            if block[at : at + CARD_BYTES].rstrip() == b"END":
                return _parse_header(raw, index), len(raw)
    raise PreviewProblem(f"The header of HDU {index} has no END within {HEADER_MAX_BYTES >> 20} MiB.")


def _parse_header(raw: bytes, index: int) -> Header:
    try:
        return Careful.fromstring(raw.decode("ascii"))
    except (UnicodeDecodeError, VerifyError, ValueError) as exc:
        kind = "bytes that are not ASCII" if isinstance(exc, UnicodeDecodeError) else "cards that do not parse"
        raise PreviewProblem(f"The header of HDU {index} holds {kind}.") from None


def _data_bytes(header: Header, index: int) -> int:
    """The size of the data of one unit, before padding, by equation 2 of the standard."""
    bitpix = header.get("BITPIX")
    if bitpix not in BITPIX or isinstance(bitpix, bool):
        raise PreviewProblem(f"The header of HDU {index} has no valid BITPIX: expected 8, 16, 32, 64, -32 or -64.")
    count = whole(header, "NAXIS", index, 0, AXES_MAX)
    if count == 0:
        return 0
    axes = [whole(header, f"NAXIS{axis}", index, 0) for axis in range(1, count + 1)]
    if header.get("GROUPS") is True and axes[0] == 0:
        axes = axes[1:]
    parameters = whole(header, "PCOUNT", index, 0) if "PCOUNT" in header else 0
    groups = whole(header, "GCOUNT", index, 1) if "GCOUNT" in header else 1
    return abs(int(bitpix)) // 8 * groups * (parameters + math.prod(axes))


def whole(header: Header, keyword: str, index: int, at_least: int, at_most: int = EXACT_MAX) -> int:
    """A whole number that the header of HDU ``index`` must have, within bounds.

    Raises:
        PreviewProblem: it is missing or something else.
    """
    value = header.get(keyword)
    if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value <= at_most:
        found = "is missing or not a whole number"
        if isinstance(value, int) and not isinstance(value, bool):
            found = f"is {value}" if abs(value) <= EXACT_MAX else "is far too large"
        raise PreviewProblem(
            f"{keyword} in the header of HDU {index} {found}: expected a whole number from {at_least} to {at_most}."
        )
    return value


def _plain(value: Any) -> str | int | float | bool | None:
    """A card's value as JSON can hold it."""
    if value is None or isinstance(value, Undefined):
        return None
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT_MAX else str(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value)
