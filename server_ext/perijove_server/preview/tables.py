"""What all tables share: values as cells, and a look at rows that stays within what a look may say."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .contents import ATTRIBUTES_MAX, COLUMNS_MAX, EXACT_MAX, ROWS_MAX

#: As many rows are shown at a time.
ROWS_SHOWN = 100
CELL_CHARS = 200
NAME_CHARS = 200
DESCRIPTION_CHARS = 1000
ATTRIBUTE_CHARS = 1000
#: As much of a vector is shown.
ITEMS_SHOWN = 6
#: What the rows may take as JSON: a message has room for twice as much.
ROWS_JSON_BYTES = 1 << 20

Json = dict[str, Any]


def clipped(value: Any, most_chars: int) -> str:
    """A text that is not longer, and that UTF-8 can hold."""
    text = str(value).encode("utf-8", "replace").decode()
    return text if len(text) <= most_chars else text[: most_chars - 1] + "…"


def cell(value: Any) -> str | int | float | bool | None:
    """A value of a table as JSON can hold it; what has no value is None, a vector is shortened to text."""
    if isinstance(value, np.generic):
        value = value.item() if value.dtype.kind not in "mM" else str(value)
    if value is None or value is np.ma.masked or isinstance(value, np.ma.core.MaskedConstant):
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT_MAX else clipped(value if value.bit_length() < 600 else hex(value), 200)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else str(value)
    return clipped(_words(value), CELL_CHARS)


def column(name: Any, kind: Any, unit: Any = None, description: Any = None) -> Json:
    """A column as JSON; texts are cut to bounds, an empty unit or description is none."""
    return {
        "name": clipped(name, NAME_CHARS),
        "type": clipped(kind, NAME_CHARS),
        "unit": clipped(unit, NAME_CHARS) if unit else None,
        "description": clipped(description, DESCRIPTION_CHARS) if description else None,
    }


def attributes(pairs: Iterable[tuple[Any, Any]]) -> list[Json]:
    """Names and values in words, as many as may be said."""
    return [
        {"name": clipped(name, NAME_CHARS), "value": clipped(_words(value), ATTRIBUTE_CHARS)}
        for name, value in list(pairs)[:ATTRIBUTES_MAX]
    ]


def table_look(
    file_format: str,
    path: str,
    columns: Sequence[Json],
    rows: Iterable[Sequence[Any]],
    *,
    first_row: int,
    total_rows: int | None,
    notes: Iterable[str | None] = (),
    **more: Any,
) -> Json:
    """A look at ``rows`` of raw values; what is too much to say is left out, and said so.

    ``more`` are other parts of ``contents.TableContent``.
    """
    said = [note for note in notes if note]
    if len(columns) > COLUMNS_MAX:
        said.append(f"The first {COLUMNS_MAX} of {len(columns)} columns.")
    shown: list[list[Any]] = []
    room_bytes = ROWS_JSON_BYTES
    for row in rows:
        cells = [cell(value) for value in row[:COLUMNS_MAX]]
        room_bytes -= len(json.dumps(cells))
        if room_bytes < 0 or len(shown) == min(ROWS_SHOWN, ROWS_MAX):
            break
        shown.append(cells)
    content = {
        "columns": list(columns[:COLUMNS_MAX]),
        "rows": shown,
        "first_row": first_row,
        "total_rows": total_rows,
        "note": " ".join(said) or None,
        **more,
    }
    return {"kind": "table", "format": file_format, "title": path.rsplit("/", 1)[-1], "content": content}


def _words(value: Any) -> str:
    """A value that is no number as text; of what is long, the beginning."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return _of_bytes(bytes(value))
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return _words(value.item())
        return _of_items(list(value[: ITEMS_SHOWN + 1]), len(value))
    if isinstance(value, list | tuple):
        return _of_items(value, len(value))
    if isinstance(value, dict):
        begun = list(value.items())[:ITEMS_SHOWN]
        inner = ", ".join(f"{_words(name)}: {_item(item)}" for name, item in begun)
        return f"{{{inner}{', …' if len(value) > ITEMS_SHOWN else ''}}}"
    return str(value)


def _of_items(items: Sequence[Any], length: int) -> str:
    inner = ", ".join(_item(item) for item in items[:ITEMS_SHOWN])
    return f"[{inner}, … {length} in all]" if length > ITEMS_SHOWN else f"[{inner}]"


def _item(value: Any) -> str:
    if isinstance(value, list | tuple | dict | np.ndarray):
        return clipped(_words(value), CELL_CHARS)
    plain = cell(value)
    return "null" if plain is None else str(plain).lower() if isinstance(plain, bool) else str(plain)


def _of_bytes(value: bytes) -> str:
    """Text if it is printable, else its bytes in hexadecimal."""
    try:
        text = value[: 4 * CELL_CHARS].decode("utf-8").rstrip("\0 ")
    except UnicodeDecodeError:
        text = "\0"
    return text if text.isprintable() else f"0x{value[:CELL_CHARS].hex()}"
