"""Parquet: the schema from the footer, and the first rows of the row groups that they lie in.

A column is read by itself, page after page, so that a row group need not be moved for its first rows; when the budget
is used up, the columns that are left show no values, and the look says so.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .rangefile import RangeFile
from .source import PreviewProblem, Source
from .tables import ROWS_SHOWN, attributes, clipped, column, table_look

os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # Arrow's own ones take a GiB of addresses in advance
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from .look import Look, Wish

#: Of each column so much is fetched at once with the others.
FIRST_BYTES = 128 << 10
FOOTER_BYTES = 64 << 10
BUFFER_BYTES = 64 << 10
#: Snippets name at most so many columns.
NAMES_MAX = 20
#: And a note so many.
NAMES_SAID = 8
_BAD_PARQUET = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError)


def look(source: Source, wish: Wish) -> Look:
    """Rows from ``wish.first_row`` on.

    Raises:
        PreviewProblem: it is no Parquet, broken, encrypted, or its footer is larger than the budget.
    """
    file = RangeFile(source, BUFFER_BYTES)
    parquet = _open(source, file)
    metadata, schema = parquet.metadata, parquet.schema_arrow
    columns = [_column(one) for one in schema]
    values, notes = _rows(source, file, parquet, wish.first_row)
    shown = table_look(
        "Parquet",
        wish.path,
        columns,
        zip(*values, strict=True) if values else [],
        first_row=wish.first_row,
        total_rows=metadata.num_rows,
        notes=notes,
        attributes=attributes(_said(metadata, schema)),
    )
    return shown, b""


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """The first names of columns."""
    parquet = _open(source, RangeFile(source, BUFFER_BYTES))
    return {"names": [name for name in parquet.schema_arrow.names if len(name) <= 256][:NAMES_MAX]}


def _open(source: Source, file: RangeFile) -> pq.ParquetFile:
    if source.size_bytes == 0:
        raise PreviewProblem("The file is empty: expected Parquet.")
    file.prefetch([(source.size_bytes - FOOTER_BYTES, source.size_bytes)])
    file.seek(max(0, source.size_bytes - 4))
    ends = file.read(4)
    if ends == b"PARE":
        raise PreviewProblem("The footer of this Parquet file is encrypted.")
    if ends != b"PAR1":
        raise PreviewProblem("This is not a whole Parquet file: it does not end with PAR1.")
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    try:
        return pq.ParquetFile(pa.PythonFile(file, "r"), buffer_size=BUFFER_BYTES, pre_buffer=False)
    except _BAD_PARQUET:
        raise PreviewProblem("The footer of this Parquet file does not read: the file is broken.") from None


def _rows(
    source: Source, file: RangeFile, parquet: pq.ParquetFile, first_row: int
) -> tuple[list[list[Any]], list[str]]:
    """The values of the rows to show by column, as many as the budget allows, and what is to be said of that."""
    metadata, names = parquet.metadata, parquet.schema_arrow.names
    groups, skip = _groups(metadata, first_row)
    wanted = max(0, min(ROWS_SHOWN, metadata.num_rows - first_row))
    if not groups or not wanted:
        return [[] for _ in names], []
    _prefetch(source, file, metadata, groups[0])
    values: list[list[Any]] = []
    left_out: list[str] = []
    broken: list[str] = []
    for name in names:
        try:
            values.append(_values(parquet, name, groups, skip, wanted))
            continue
        except PreviewProblem:
            left_out.append(name)
        except _BAD_PARQUET:
            broken.append(name)
        values.append([None] * wanted)
    if broken and len(broken) == len(names):
        raise PreviewProblem("The rows of this Parquet file do not read: its data are broken.")
    if left_out and len(left_out) == len(names):
        raise PreviewProblem("Not even one column of these rows can be read within the budget of a preview.")
    notes = []
    if left_out:
        notes.append(
            f"To stay within the budget of a preview, {len(left_out)} of {len(names)} columns are not read: "
            f"{_listed(left_out)}."
        )
    if broken:
        notes.append(f"{len(broken)} of {len(names)} columns are broken or of an unknown kind: {_listed(broken)}.")
    return values, notes


def _listed(names: list[str]) -> str:
    said = ", ".join(clipped(name, 40) for name in names[:NAMES_SAID])
    return f"{said}, …" if len(names) > NAMES_SAID else said


def _groups(metadata: pq.FileMetaData, first_row: int) -> tuple[list[int], int]:
    """The row groups that hold the rows to show, and how many rows of the first of them go before."""
    groups: list[int] = []
    skip = start = 0
    for index in range(metadata.num_row_groups):
        stop = start + max(0, metadata.row_group(index).num_rows)
        if stop > first_row and start < first_row + ROWS_SHOWN:
            if not groups:
                skip = first_row - start
            groups.append(index)
        start = stop
    return groups, skip


def _prefetch(source: Source, file: RangeFile, metadata: pq.FileMetaData, group: int) -> None:
    """The beginnings of the columns of a row group, in one go and for half of the budget at most."""
    described = metadata.row_group(group)
    room = source.left_bytes // 2
    ranges = []
    for index in range(described.num_columns):
        chunk = described.column(index)
        start = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
        size = min(chunk.total_compressed_size, FIRST_BYTES, room)
        if size > 0 and 0 <= start < source.size_bytes:
            ranges.append((start, start + size))
            room -= size
    file.prefetch(ranges[:1000])


def _values(parquet: pq.ParquetFile, name: str, groups: list[int], skip: int, wanted: int) -> list[Any]:
    """One column's values of the rows to show."""
    values: list[Any] = []
    batches = parquet.iter_batches(batch_size=ROWS_SHOWN, row_groups=groups, columns=[name], use_threads=False)
    for batch in batches:
        if batch.num_columns == 0:
            break
        taken = batch.column(0).slice(min(skip, len(batch)), wanted - len(values))
        skip = max(0, skip - len(batch))
        values.extend(_plain(taken))
        if len(values) >= wanted:
            return values
    raise ValueError("fewer rows than the footer says")


def _plain(array: pa.Array) -> list[Any]:
    """Values as Python has them; nanoseconds, which it has not, are cut to microseconds."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        moments = array.cast(pa.timestamp("us"), safe=False).to_pylist()
        return [moment and moment.isoformat() + zone for moment in moments]
    if pa.types.is_duration(kind):
        return [span and str(span) for span in array.cast(pa.duration("us"), safe=False).to_pylist()]
    if pa.types.is_time64(kind):
        array = array.cast(pa.time64("us"), safe=False)
    if pa.types.is_decimal(kind):
        return [number and str(number) for number in array.to_pylist()]
    return list(array.to_pylist())


def _column(one: pa.Field) -> dict[str, Any]:
    about = {name.decode("utf-8", "replace"): value for name, value in (one.metadata or {}).items()}
    unit = about.get("unit", about.get("units"))
    description = about.get("description", about.get("doc"))
    return column(one.name, one.type, *(text and text.decode("utf-8", "replace") for text in (unit, description)))


def _said(metadata: pq.FileMetaData, schema: pa.Schema) -> list[tuple[str, Any]]:
    """What the file says of itself, if that reads."""
    try:
        return _about(metadata, schema)
    except _BAD_PARQUET:
        return []


def _about(metadata: pq.FileMetaData, schema: pa.Schema) -> list[tuple[str, Any]]:
    said: list[tuple[str, Any]] = [("row groups", metadata.num_row_groups), ("written by", metadata.created_by)]
    if metadata.num_row_groups and metadata.num_columns:
        said.append(("compression", metadata.row_group(0).column(0).compression))
    for name, value in (schema.metadata or {}).items():
        if name not in {b"pandas", b"ARROW:schema"}:
            said.append((name.decode("utf-8", "replace"), value))
    return said
