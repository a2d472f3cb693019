"""Rows of FITS tables, binary and ASCII: only those that are shown are moved.

Source: "Definition of the Flexible Image Transport System", version 4.0, sections 7.2 (ASCII tables) and 7.3 (binary
tables). astropy reads the rows, as a table that has no others, under a header of which only the columns are kept: what
else a stranger's header says has no say. What variable-length columns point at is read here.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits as astropy_fits
from astropy.io.fits.verify import VerifyError

from .fits import Hdu, number, text, whole
from .rangefile import RangeFile
from .source import PreviewProblem, Source
from .tables import CELL_CHARS, ITEMS_SHOWN, ROWS_SHOWN, Json, attributes, column, table_look

FIELDS_MAX = 999
#: Of the cards of a column, those that say how its values are stored.
_STORED = ("TFORM", "TNULL", "TSCAL", "TZERO", "TDIM", "TBCOL")
_COLUMN_CARD = re.compile(r"(TTYPE|TUNIT|TFORM|TNULL|TSCAL|TZERO|TDISP|TDIM|TBCOL|TCOMM|TUCD|TCTYP|TCUNI)\d+$")
_STRUCTURE = {"XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", ""}
_VARIABLE = re.compile(r"([01]?)([PQ])([LXBIJKAEDCM])")
#: A letter of TFORM to NumPy's type, and to the word for it.
_TYPES = {
    "L": ("S1", "boolean"), "X": ("u1", "bit"), "B": ("u1", "uint8"), "I": (">i2", "int16"), "J": (">i4", "int32"),
    "K": (">i8", "int64"), "A": ("S1", "text"), "E": (">f4", "float32"), "D": (">f8", "float64"),
    "C": (">c8", "complex64"), "M": (">c16", "complex128"),
}  # fmt: skip
_BAD_TABLE = (
    OSError, TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError, VerifyError, RuntimeError,
)  # fmt: skip


@dataclass(frozen=True)
class _Variable:
    """A column of variable-length arrays: how their items are stored."""

    letter: str
    scale: float
    zero: float

    @property
    def item(self) -> np.dtype[Any]:
        return np.dtype(_TYPES[self.letter][0])

    def shown_bytes(self, items: int) -> int:
        """How much of an array of so many items is read."""
        shown = min(items, CELL_CHARS if self.letter == "A" else ITEMS_SHOWN + 1)
        return self.item.itemsize * shown

    def words(self, raw: bytes, items: int) -> str:
        """The beginning of an array in words."""
        if self.letter == "A":
            return raw.rstrip(b"\0 ").decode("ascii", "replace") + ("…" if items > CELL_CHARS else "")
        if self.letter == "X":
            return f"[{items} bits]"
        stored = np.frombuffer(raw, self.item)
        values = [item == b"T" for item in stored] if self.letter == "L" else stored.tolist()
        if self.letter != "L" and (self.scale, self.zero) != (1.0, 0.0):
            values = [value * self.scale + self.zero for value in values]
        inner = ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values[:ITEMS_SHOWN])
        return f"[{inner}, … {items} in all]" if items > ITEMS_SHOWN else f"[{inner}]"


def is_table(hdu: Hdu) -> bool:
    """Whether the unit is a table that is none of an image."""
    return hdu.type in {"BINTABLE", "TABLE"}


def look_at_table(source: Source, hdu: Hdu, hdus: list[Hdu], path: str, first_row: int) -> Json:
    """Rows of the table ``hdu``, from ``first_row`` on.

    Raises:
        PreviewProblem: cut off, a row larger than the budget, or columns that do not fit the rows.
    """
    table = _Table(source, hdu)
    rows, notes = table.rows(first_row)
    if hdu.header.get("ZTABLE") is True:
        notes.append("The table is compressed by tiles; these are its compressed rows.")
    return table_look(
        "FITS table",
        path,
        [table.column(index) for index in range(table.count)],
        rows,
        first_row=first_row,
        total_rows=table.total_rows,
        notes=notes,
        attributes=_other_cards(hdu),
        hdu=hdu.index,
        hdus=[other.as_json() for other in hdus],
    )


class _Table:
    """One table and what its header says of its columns."""

    def __init__(self, source: Source, hdu: Hdu) -> None:
        self._source = source
        self._hdu = hdu
        self.count = whole(hdu.header, "TFIELDS", hdu.index, 0, FIELDS_MAX)
        if hdu.header.get("NAXIS") != 2:
            raise PreviewProblem(f"The table in HDU {hdu.index} has no two axes: expected NAXIS = 2.")
        self._row_bytes = whole(hdu.header, "NAXIS1", hdu.index, 0)
        self.total_rows = whole(hdu.header, "NAXIS2", hdu.index, 0)
        self._variables = {index: found for index in range(self.count) if (found := self._variable(index)) is not None}
        #: The columns as astropy has understood them.
        self._types: dict[int, str] = {}

    def column(self, index: int) -> Json:
        """A column, by its number from 0."""
        header, field = self._hdu.header, index + 1
        name = text(header, f"TTYPE{field}") or f"col{field}"
        variable = self._variables.get(index)
        kind = f"{_TYPES[variable.letter][1]}[*]" if variable else self._types.get(index)
        kind = kind or text(header, f"TFORM{field}") or "unknown"
        return column(name, kind, text(header, f"TUNIT{field}"), text(header, f"TCOMM{field}"))

    def rows(self, first_row: int) -> tuple[list[list[Any]], list[str]]:
        """The rows to show, and what is to be said of them."""
        notes: list[str] = []
        start = self._hdu.data_start + first_row * self._row_bytes
        wanted = max(0, min(ROWS_SHOWN, self.total_rows - first_row))
        here = max(0, self._source.size_bytes - start) // max(1, self._row_bytes)
        affordable = self._source.left_bytes // max(1, self._row_bytes)
        if here < wanted:
            if here == 0:
                raise PreviewProblem(
                    f"The file is cut off: the table in HDU {self._hdu.index} should have {self.total_rows} rows from "
                    f"byte {self._hdu.data_start} on, and the file ends before row {first_row}."
                )
            notes.append("The file is cut off: these are the last rows that are whole.")
        elif affordable < wanted:
            if affordable == 0:
                raise PreviewProblem(
                    f"The table in HDU {self._hdu.index} has rows of {self._row_bytes} bytes, more than a preview may "
                    f"move ({self._source.left_bytes})."
                )
            notes.append(f"Only {affordable} rows, to stay within the budget of a preview.")
        wanted = min(wanted, here, affordable)
        raw = self._source.read_at(start, wanted * self._row_bytes, 0)
        columns = [values.tolist() for values in self._columns(raw, wanted)] if self._row_bytes else []
        for index, words in self._arrays({index: columns[index] for index in self._variables}, notes).items():
            columns[index] = words
        return [[values[row] for values in columns] for row in range(wanted)], notes

    def _columns(self, raw: bytes, rows: int) -> list[Any]:
        """Each column's values as astropy reads them; invalid ones are masked."""
        try:
            with astropy_fits.open(io.BytesIO(self._file(raw, rows)), memmap=False) as opened:
                data = opened[1].data
                # a recarray's own field: what is stored, before scaling
                stored = [np.recarray.field(data, index) for index in range(self.count)]
                columns = [self._masked(index, data.field(index), stored[index]) for index in range(self.count)]
        except _BAD_TABLE:
            raise PreviewProblem(
                f"The table in HDU {self._hdu.index} does not read: its columns do not fit its rows of "
                f"{self._row_bytes} bytes, or their TFORM is none."
            ) from None
        if any(len(values) != rows for values in columns):
            raise PreviewProblem(f"The table in HDU {self._hdu.index} does not read: a column has no rows.")
        return columns

    def _masked(self, index: int, values: Any, stored: Any) -> Any:
        """A column with its NULLs masked, and its type remembered."""
        null = self._hdu.header.get(f"TNULL{index + 1}")
        values = np.asarray(values)
        self._types[index] = _type_word(values)
        invalid = np.zeros(values.shape, bool)
        if isinstance(null, str) and stored.dtype.kind == "S":
            invalid = np.strings.strip(stored) == null.strip().encode()
        elif isinstance(null, int) and stored.dtype.kind in "iu":
            invalid = stored == null
        if values.dtype.kind in "SU":
            values = np.strings.rstrip(values)
        return np.ma.masked_array(values, invalid) if np.any(invalid) else values

    def _file(self, raw: bytes, rows: int) -> bytes:
        """A FITS file of these rows alone."""
        given = self._hdu.header
        header = astropy_fits.Header()
        is_binary = self._hdu.type == "BINTABLE"
        header["XTENSION"] = "BINTABLE" if is_binary else "TABLE"
        header["BITPIX"], header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 8, 2, self._row_bytes, rows
        header["PCOUNT"], header["GCOUNT"], header["TFIELDS"] = 0, 1, self.count
        for field in range(1, self.count + 1):
            header[f"TTYPE{field}"] = f"c{field}"
            for keyword in _STORED:
                value = given.get(f"{keyword}{field}")
                if isinstance(value, str | int | float) and not isinstance(value, bool):
                    header[f"{keyword}{field}"] = value
            if field - 1 in self._variables:
                form = _VARIABLE.match(text(given, f"TFORM{field}") or "")
                assert form is not None  # noqa: S101 - it is what made it one of these
                header[f"TFORM{field}"] = ("0" if form[1] == "0" else "2") + {"P": "J", "Q": "K"}[form[2]]
                for keyword in ("TNULL", "TSCAL", "TZERO", "TDIM"):
                    header.pop(f"{keyword}{field}", None)
        empty = io.BytesIO()
        astropy_fits.PrimaryHDU().writeto(empty)
        cards: str = header.tostring()
        return empty.getvalue() + cards.encode() + raw + b"\0" * (-len(raw) % 2880)

    def _variable(self, index: int) -> _Variable | None:
        form = _VARIABLE.match(text(self._hdu.header, f"TFORM{index + 1}") or "")
        if form is None or self._hdu.type != "BINTABLE":
            return None
        header = self._hdu.header
        return _Variable(form[3], number(header, f"TSCAL{index + 1}", 1.0), number(header, f"TZERO{index + 1}", 0.0))

    def _arrays(self, columns: dict[int, list[Any]], notes: list[str]) -> dict[int, list[Any]]:
        """The beginnings of the arrays that descriptors (a length and a place in the heap) point at."""
        heap = self._row_bytes * self.total_rows
        if "THEAP" in self._hdu.header:
            heap = whole(self._hdu.header, "THEAP", self._hdu.index, 0)
        heap += self._hdu.data_start
        stop = min(self._hdu.data_start + self._hdu.data_bytes, self._source.size_bytes)
        spans: dict[tuple[int, int], tuple[int, int]] = {}
        for index, descriptors in columns.items():
            for row, descriptor in enumerate(descriptors):
                if not isinstance(descriptor, list) or len(descriptor) != 2 or min(descriptor) < 0:
                    continue
                start = heap + descriptor[1]
                end = start + self._variables[index].shown_bytes(descriptor[0])
                if end <= stop:
                    spans[index, row] = (start, end)
        last = max((end for _, end in spans.values()), default=1) - 1
        too_much = sum(end - start for start, end in spans.values()) > self._source.left_bytes
        if too_much or not self._source.reaches(last):
            notes.append("The variable-length arrays are not read, to stay within the budget of a preview.")
            spans = {}
        file = RangeFile(self._source, 1)
        file.prefetch(list(spans.values()))
        shown: dict[int, list[Any]] = {index: [None] * len(descriptors) for index, descriptors in columns.items()}
        for (index, row), (start, end) in spans.items():
            file.seek(start)
            shown[index][row] = self._variables[index].words(file.read(end - start), columns[index][row][0])
        return shown


def _type_word(values: Any) -> str:
    """The type of a column in words, as ``float64``, ``float32[3]`` or ``text(10)``."""
    dtype = values.dtype
    word = f"text({dtype.itemsize})" if dtype.kind == "S" else "boolean" if dtype.kind == "b" else dtype.name
    if dtype.kind == "U":
        word = f"text({dtype.itemsize // 4})"
    return word + (f"[{','.join(map(str, values.shape[1:]))}]" if values.ndim > 1 else "")


def _other_cards(hdu: Hdu) -> list[Json]:
    """The cards that are not about columns or structure."""
    pairs = []
    for card in hdu.header.cards:
        try:
            keyword, value = card.keyword, card.value
        except (VerifyError, ValueError):
            continue
        if keyword not in _STRUCTURE and not _COLUMN_CARD.match(keyword):
            pairs.append((keyword, "" if value is None else value))
    return attributes(pairs)
