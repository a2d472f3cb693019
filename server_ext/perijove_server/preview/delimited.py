"""Tables in text: CSV, TSV and ECSV, by their first bytes.

ECSV is described in "Enhanced Character Separated Values table format", version 1.0 (Astropy Proposal for Enhancement
6): a header in YAML behind number signs gives types, units and descriptions.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from .source import PreviewProblem, Source
from .tables import ROWS_SHOWN, Json, attributes, column, table_look

if TYPE_CHECKING:
    from .look import Look, Wish

#: As much is read of a file, unless later rows are asked for.
BEGIN_BYTES = 256 << 10
#: Guesses of delimiter and types are made from so many lines.
GUESS_LINES = 200
DELIMITERS = (",", "\t", ";", "|")
ECSV_BEGIN = "# %ECSV"


@dataclass
class _Begin:
    """The beginning of a table. ``comment_lines`` go before it; ``rows`` are all that are whole."""

    delimiter: str
    comment_lines: int
    has_header: bool
    columns: list[Json]
    rows: list[list[str]]
    is_whole: bool
    meta: list[Json] = field(default_factory=list)
    is_ecsv: bool = False


def look(source: Source, wish: Wish) -> Look:
    """Rows from ``wish.first_row`` on, as far as the budget reaches.

    Raises:
        PreviewProblem: it is no text, no table, or broken.
    """
    begin = _read(source, BEGIN_BYTES)
    if not begin.is_whole and len(begin.rows) < wish.first_row + ROWS_SHOWN and wish.first_row > 0:
        begin = _read(source, source.left_bytes)
    chosen = begin.rows[wish.first_row : wish.first_row + ROWS_SHOWN]
    notes = []
    if not begin.is_whole and len(chosen) < ROWS_SHOWN:
        notes.append(f"The rows after the first {len(begin.rows)} lie deeper in the file than a preview reads.")
    width = len(begin.columns)
    if any(len(row) != width for row in chosen):
        notes.append(f"Some lines have another number of values than the {width} columns.")
    shown = table_look(
        "ECSV" if begin.is_ecsv else "TSV" if begin.delimiter == "\t" else "CSV",
        wish.path,
        begin.columns,
        [_values(row, begin.columns) for row in chosen],
        first_row=wish.first_row,
        total_rows=len(begin.rows) if begin.is_whole else None,
        notes=notes,
        attributes=begin.meta,
    )
    return shown, b""


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """The delimiter, whether the first line has names, and how many lines of comments go before it."""
    begin = _read(source, BEGIN_BYTES)
    kind = "ecsv" if begin.is_ecsv else "csv"  # whatever its name says
    return {
        "format": kind,
        "delimiter": begin.delimiter,
        "header": begin.has_header,
        "comment_lines": begin.comment_lines,
    }


def _read(source: Source, wanted_bytes: int) -> _Begin:
    """As many bytes, cut after the last line that is whole."""
    raw = source.read_at(0, wanted_bytes, wanted_bytes)
    is_whole = len(raw) == source.size_bytes
    if not raw.strip():
        raise PreviewProblem("The file is empty: expected a table in text.")
    if b"\0" in raw:
        raise PreviewProblem("The file holds bytes that are no text: expected a table in UTF-8.")
    text = raw.decode("utf-8-sig", "replace")
    if not is_whole:
        if "\n" not in text:
            raise PreviewProblem(f"The first line does not end within {len(raw)} bytes: this is no table in lines.")
        text = text[: text.rindex("\n") + 1]
    comments = list(itertools.takewhile(lambda line: line.startswith("#"), io.StringIO(text)))
    body = text[sum(map(len, comments)) :]
    try:
        if text.startswith(ECSV_BEGIN):
            return _ecsv(comments, body, is_whole)
        return _guessed(comments, body, is_whole)
    except csv.Error as error:
        raise PreviewProblem(f"The lines do not read as a table: {error}.") from None


def _guessed(comments: list[str], body: str, is_whole: bool) -> _Begin:
    delimiter = _delimiter(body)
    rows = _records(body, delimiter, is_whole)
    if not rows:
        raise PreviewProblem("The file holds no rows, only comments.")
    first = rows[0]
    has_header = len(set(first)) == len(first) and not any(_is_number(name) or not name.strip() for name in first)
    names = (
        [name.strip() for name in first] if has_header else [f"column {number}" for number in range(1, len(first) + 1)]
    )
    rows = rows[1:] if has_header else rows
    sample = rows[:GUESS_LINES]
    kinds = [_kind([row[index] for row in sample if index < len(row)]) for index in range(len(names))]
    columns = [column(name, kind) for name, kind in zip(names, kinds, strict=True)]
    said = [("comment", line[1:].strip()) for line in comments if line[1:].strip()]
    return _Begin(delimiter, len(comments), has_header, columns, rows, is_whole, attributes(said))


def _delimiter(body: str) -> str:
    """The one that gives most lines the same number of values, and the most of them."""
    lines = "".join(itertools.islice(io.StringIO(body), GUESS_LINES))

    def score(delimiter: str) -> tuple[bool, bool, int]:
        widths = Counter(len(row) for row in csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter) if row)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        return width > 1, count >= 0.9 * widths.total(), width

    return max(DELIMITERS, key=score)


def _records(body: str, delimiter: str, is_whole: bool) -> list[list[str]]:
    rows = [row for row in csv.reader(io.StringIO(body, newline=""), delimiter=delimiter) if row]
    if not is_whole and len(rows) > 1 and len(rows[-1]) != len(rows[-2]):
        rows.pop()  # a value in quotes goes on behind the cut
    return rows


def _kind(values: list[str]) -> str:
    given = [value for value in values if value.strip()]
    if not given:
        return "text"
    if all(_is_whole(value) for value in given):
        return "integer"
    return "number" if all(_is_number(value) for value in given) else "text"


def _is_whole(value: str) -> bool:
    digits = value.strip().removeprefix("-")
    # a zero in front makes it a code of some kind, as 00123
    return digits.isascii() and digits.isdecimal() and (digits == "0" or digits[0] != "0") and len(digits) < 40


def _is_number(value: str) -> bool:
    text = value.strip()
    if text.removeprefix("-")[:1] == "0" and text.removeprefix("-")[1:2].isdecimal():
        return False
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and len(text) < 100


def _values(row: list[str], columns: list[Json]) -> list[Any]:
    padded = [*row, *[""] * (len(columns) - len(row))]
    return [_value(value, one["type"]) for value, one in zip(padded, columns, strict=False)]


def _value(text: str, kind: str) -> Any:
    """A value as its column's type has it; as it stands where it does not fit."""
    if not text.strip():
        return None
    try:
        if kind.startswith(("int", "uint")) and _is_whole(text):
            return int(text)
        if kind.startswith(("float", "number")):
            return float(text)
    except ValueError:
        return text
    if kind == "bool" and text in {"True", "False"}:
        return text == "True"
    return text


class _Plain(yaml.SafeLoader):  # type: ignore[misc, unused-ignore] # yaml may have no types
    """YAML whose own tags, as astropy's for units, are taken for what they hold."""


def _untagged(loader: _Plain, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Plain.add_multi_constructor("!", _untagged)


def _ecsv(comments: list[str], body: str, is_whole: bool) -> _Begin:
    lines = [line[1:].removeprefix(" ") for line in comments if not line.startswith(ECSV_BEGIN)]
    try:
        header = yaml.load("".join(lines), _Plain)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError):
        raise PreviewProblem("The header of this ECSV does not parse as YAML.") from None
    listed = header.get("datatype") if isinstance(header, dict) else None
    delimiter = header.get("delimiter", " ") if isinstance(header, dict) else " "
    if not isinstance(listed, list) or not all(isinstance(one, dict) and one.get("name") for one in listed):
        raise PreviewProblem(
            "The header of this ECSV does not list its columns: expected `datatype`, each with a name."
        )
    if delimiter not in (" ", ","):
        raise PreviewProblem("The delimiter of this ECSV is neither a comma nor a space.")
    rows = _records(body, delimiter, is_whole)
    if not rows or len(rows[0]) != len(listed):
        found = len(rows[0]) if rows else 0
        raise PreviewProblem(f"The header of this ECSV lists {len(listed)} columns, and the first line names {found}.")
    columns = [
        column(_text(one["name"]), _text(one.get("datatype")), _unit(one), _text(one.get("description")))
        for one in listed
    ]
    meta = header.get("meta")
    pairs = meta.items() if isinstance(meta, dict) else [pair for pair in meta or [] if isinstance(pair, tuple)]
    said = attributes((_text(name), value) for name, value in pairs if isinstance(value, str | int | float))
    return _Begin(delimiter, len(comments), True, columns, rows[1:], is_whole, said, is_ecsv=True)


def _text(value: Any) -> str:
    """Only scalars: what YAML makes of aliases may be large beyond measure in words."""
    return str(value) if isinstance(value, str | int | float) else ""


def _unit(listed: dict[str, Any]) -> str:
    unit = listed.get("unit")
    return _text(unit.get("unit") if isinstance(unit, dict) else unit)
