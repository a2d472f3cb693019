"""VOTable: the rows of the first table that are whole in the first bytes.

Source: IVOA, "VOTable Format Definition", version 1.5. The bytes go through defusedxml first, which refuses entities.
What of them is whole is then written anew for astropy: without rows that are not shown, and without references to
other files, which nobody follows.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from astropy.io.votable import parse
from astropy.io.votable.exceptions import VOTableSpecError
from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped] # published without types
from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped] # published without types

from .source import PreviewProblem, Source
from .tables import ROWS_SHOWN, attributes, clipped, column, table_look

if TYPE_CHECKING:
    from .look import Look, Wish

BEGIN_BYTES = 512 << 10
#: For later rows so much is read: more of it takes astropy too long.
DEEP_BYTES = 4 << 20
#: Nothing sensible is nested deeper.
DEPTH_MAX = 100
#: How expat says that a text ends too early.
_CUT_OFF = ("no element found", "unclosed token", "unclosed CDATA")
_BAD_TABLE = (
    VOTableSpecError, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError,
    RuntimeError, AssertionError,
)  # fmt: skip


def look(source: Source, wish: Wish) -> Look:
    """Rows from ``wish.first_row`` on, as far as a preview reads.

    Raises:
        PreviewProblem: it is no VOTable, broken, without a table, or defines entities.
    """
    found = _read(source, BEGIN_BYTES, wish.first_row)
    if wish.first_row > 0 and found.is_cut:
        found = _read(source, min(DEEP_BYTES, source.left_bytes), wish.first_row)
    table, notes = _table(found)
    rows = (table.array if found.rows_seen else table.array[wish.first_row :])[:ROWS_SHOWN]
    shown = list(zip(*(rows[name] for name in rows.dtype.names), strict=True))
    # what the table says of itself counts where not all of it is seen
    total_rows = found.total_rows if found.is_cut or notes else found.rows_seen or len(table.array)
    if found.is_cut and len(shown) < ROWS_SHOWN:
        notes.append("These are the rows that are whole in what a preview reads of the file.")
    columns = [
        column(one.name or one.ID, _type_word(one), one.unit and str(one.unit), one.description) for one in table.fields
    ]
    look_at = table_look(
        "VOTable",
        wish.path,
        columns,
        shown,
        first_row=wish.first_row,
        total_rows=total_rows,
        notes=notes,
        attributes=attributes(_said(found)),
    )
    return look_at, b""


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """Nothing beside its format; raises as :func:`look`."""
    _table(_read(source, BEGIN_BYTES, 0))
    return {}


class _Enough(Exception):
    """The first table is over."""


class _Found:
    """What the parser tells (``start``, ``data``, ``end``): a tree up to the end of the first table.

    Of its rows those from ``first_row`` on are kept, as many as are shown. Names are without their namespaces.
    """

    def __init__(self, first_row: int) -> None:
        self.rows_seen = 0
        #: Whether the bytes end before the table does.
        self.is_cut = False
        #: What the table says of its number of rows.
        self.total_rows: int | None = None
        self.table: ET.Element | None = None
        self._first_row = first_row
        self._builder = ET.TreeBuilder()
        self._open: list[ET.Element] = []

    @property
    def root(self) -> ET.Element:
        """The tree, once it is finished."""
        return self._builder.close()

    def start(self, tag: str, attrs: dict[str, str]) -> None:
        """An element begins."""
        name = tag.rpartition("}")[2]
        if not self._open and name != "VOTABLE":
            raise PreviewProblem("This is not a VOTable: its first element is not VOTABLE.")
        if len(self._open) == DEPTH_MAX:
            raise PreviewProblem("The elements of this VOTable are nested too deeply.")
        element = self._builder.start(name, {key: value for key, value in attrs.items() if "}" not in key})
        self._open.append(element)
        if name == "TABLE" and self.table is None:
            self.table = element

    def data(self, text: str) -> None:
        """Characters."""
        if self._open and self._open[-1].tag not in {"TR", "TABLEDATA"}:
            self._builder.data(text)

    def end(self, tag: str) -> None:
        """An element ends."""
        element = self._open.pop()
        self._builder.end(element.tag)
        if element.tag == "TR" and self._open:
            self.rows_seen += 1
            if not self._first_row < self.rows_seen <= self._first_row + ROWS_SHOWN:
                self._open[-1].remove(element)
        elif element is self.table:
            raise _Enough

    def finish(self) -> None:
        """Close what is open; a row that is not whole goes."""
        if any(element is self.table for element in self._open):
            self.is_cut = True
        while self._open:
            element = self._open.pop()
            self._builder.end(element.tag)
            if element.tag == "TR" and self._open:
                self._open[-1].remove(element)
        if self.table is not None:
            said = self.table.attrib.pop("nrows", "")  # astropy would make room for as many
            self.total_rows = int(said) if said.isascii() and said.isdecimal() and len(said) < 16 else None


def _read(source: Source, wanted_bytes: int, first_row: int) -> _Found:
    raw = source.read_at(0, wanted_bytes, wanted_bytes)
    if not raw.strip():
        raise PreviewProblem("The file is empty: expected a VOTable.")
    found = _Found(first_row)
    parser = DefusedXMLParser(target=found, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(raw)
        if len(raw) == source.size_bytes:
            parser.close()
    except _Enough:
        pass
    except DefusedXmlException:
        raise PreviewProblem("This VOTable defines entities or names things outside of it, which is refused.") from None
    except (ET.ParseError, ValueError, AttributeError, LookupError) as error:
        # of a file that is cut off, what is whole is shown
        if found.table is None or not str(error).startswith(_CUT_OFF):
            raise PreviewProblem(f"This VOTable is not well-formed XML: {clipped(error, 200)}.") from None
    found.finish()
    return found


def _table(found: _Found) -> tuple[Any, list[str]]:
    """The first table as astropy reads it, and what is to be said of it."""
    if found.table is None:
        raise PreviewProblem(f"This VOTable holds no table{_error_of(found)}.")
    notes = _without_others(found)
    try:
        file = parse(io.BytesIO(ET.tostring(found.root, "utf-8")), verify="ignore")
        tables = list(file.iter_tables())
    except _BAD_TABLE as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise PreviewProblem(f"The table of this VOTable does not read: {clipped(first, 200).rstrip('.')}.") from None
    if not tables or not tables[0].fields:
        raise PreviewProblem("The table of this VOTable has no columns: expected FIELD.")
    return tables[0], notes


def _without_others(found: _Found) -> list[str]:
    """Take out of the table what is elsewhere or of another format, and make a cut stream whole."""
    notes = []
    for data in found.table.iter("DATA") if found.table is not None else ():
        for kind in list(data):
            stream = kind.find("STREAM")
            if kind.tag == "FITS":
                data.remove(kind)
                notes.append("The rows are a FITS file within the VOTable, which a preview does not open.")
            elif stream is None and kind.tag in {"BINARY", "BINARY2"}:
                data.remove(kind)
                notes.append("The rows are missing: there is no STREAM.")
            elif stream is not None:
                if "href" in stream.attrib or stream.get("encoding", "base64") != "base64":
                    data.remove(kind)
                    notes.append("The rows are outside of this file or compressed; a preview does not open them.")
                    continue
                stream.attrib.clear()
                stream.set("encoding", "base64")
                text = "".join((stream.text or "").split())
                stream.text = text[: len(text) // 4 * 4]
    return notes


def _type_word(one: Any) -> str:
    if one.datatype in {"char", "unicodeChar"}:
        return "text" if one.arraysize in {None, "", "*"} else f"text[{one.arraysize}]"
    return f"{one.datatype}[{one.arraysize}]" if one.arraysize else str(one.datatype)


def _said(found: _Found) -> list[tuple[str, str]]:
    """Descriptions, parameters and remarks."""
    said = []
    for element in found.root.iter():
        name, value = element.get("name", ""), element.get("value", "")
        if element.tag == "INFO":
            said.append((name, " ".join(filter(None, (value, (element.text or "").strip())))))
        elif element.tag == "PARAM":
            said.append((name, f"{value} {element.get('unit', '')}".strip()))
        elif element.tag in {"VOTABLE", "RESOURCE", "TABLE"} and (about := element.find("DESCRIPTION")) is not None:
            said.append((element.tag.lower(), " ".join((about.text or "").split())))
    return said


def _error_of(found: _Found) -> str:
    """What a service has answered instead of a table."""
    for name, value in _said(found):
        if name == "QUERY_STATUS" and value.startswith("ERROR"):
            return f", but the error of a service: {clipped(value.removeprefix('ERROR').strip(), 300).rstrip('.')}"
    return ""
