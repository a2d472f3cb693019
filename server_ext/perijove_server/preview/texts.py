"""JSON, laid out, and notebooks as plain text: nothing of them is run, and nothing is shown as HTML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .source import PreviewProblem, Source

if TYPE_CHECKING:
    from .look import Look, Wish

#: Only a JSON file that is not longer is laid out, and the text of a notebook is cut there.
WHOLE_BYTES = 256 << 10
INDENT = 2
#: Deeper, the spaces in front of lines would be most of the text.
DEPTH_MAX = 64
OUTPUT_CHARS = 4000
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
#: The colours of terminals, and other signs that move a cursor.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def look(source: Source, wish: Wish) -> Look:
    """A notebook's cells, or a JSON text; what is too long or does not parse is shown as it stands.

    Raises:
        PreviewProblem: it is no text, or a notebook that is none.
    """
    if wish.path.lower().endswith(".ipynb"):
        return _look_at_notebook(source, wish.path), b""
    from .look import look_at_text  # it is loaded by then, and loads this module

    shown = look_at_text(source, wish.path, "JSON", is_named_so=True)
    content = shown["content"]
    if not content["text"].strip():
        raise PreviewProblem("The file is empty: expected JSON.")
    if content["truncated"]:
        return shown, b""
    try:
        json.loads(content["text"])
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        return shown | {"format": f"JSON that does not parse{where}"}, b""
    return shown | {"content": content | {"text": _laid_out(content["text"])}}, b""


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """Nothing beside its format.

    Raises:
        PreviewProblem: it does not parse, as far as that is seen without reading much.
    """
    raw = source.read_at(0, WHOLE_BYTES, WHOLE_BYTES)
    if source.size_bytes <= len(raw):
        try:
            json.loads(raw)
        except (ValueError, RecursionError):
            raise PreviewProblem("The file does not parse: expected JSON.") from None
    return {}


def _laid_out(text: str) -> str:
    """JSON that parses with a line for each value: its own numbers and strings, not what a parser makes of them."""
    parts: list[str] = []
    depth = 0
    before = ""
    for part in _TOKEN.findall(text):
        closes = part in ("]", "}")
        opened = before in ("[", "{")
        depth -= closes
        if before == "," or (opened != closes and (opened or closes)):
            parts.append("\n" + " " * (INDENT * depth))
        parts.append(": " if part == ":" else part)
        depth += part in ("[", "{")
        before = part
        if depth > DEPTH_MAX:
            return text
    laid_out = "".join(parts) + "\n"
    return laid_out if len(laid_out) <= 2 * WHOLE_BYTES else text


def _look_at_notebook(source: Source, path: str) -> dict[str, Any]:
    if source.size_bytes > source.left_bytes:
        raise PreviewProblem(
            f"This notebook has {source.size_bytes} bytes, more than a preview may move ({source.left_bytes})."
        )
    raw = source.read_at(0, source.size_bytes, 0)
    try:
        notebook = json.loads(raw)
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        text = "\n".join(line for cell in cells for line in _cell(cell))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise PreviewProblem("This notebook does not parse: expected JSON with a list of cells.") from None
    text = text.encode("utf-8", "replace").decode()
    content = {"text": text[:WHOLE_BYTES], "truncated": len(text) > WHOLE_BYTES, "total_bytes": source.size_bytes}
    return {"kind": "text", "format": "Notebook", "title": path.rsplit("/", 1)[-1], "content": content}


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    """The lines of a cell and of what it has put out."""
    kind = str(cell["cell_type"])
    number = cell.get("execution_count", cell.get("prompt_number"))
    said = number if isinstance(number, int) else " "
    yield f"[{said}] {kind}" if kind == "code" else f"[ ] {kind}"
    yield from _indented(_joined(cell.get("source", cell.get("input", ""))))
    for output in cell.get("outputs", []) if kind == "code" else []:
        yield f"[{said}] output"
        yield from _indented(_output(output))
    yield ""


def _output(output: dict[str, Any]) -> str:
    """An output in plain text; pictures and pages are only named."""
    if output.get("output_type") == "error":
        return f"{output.get('ename')}: {output.get('evalue')}"
    bundle = output.get("data", output)
    text = _joined(bundle.get("text/plain", bundle.get("text", "")))
    others = [kind for kind in bundle if "/" in kind and kind != "text/plain"]
    named = f"({', '.join(others)})" if others else ""
    shown = text if len(text) <= OUTPUT_CHARS else text[:OUTPUT_CHARS] + "…"
    return "\n".join(part for part in (shown, named) if part)


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(str(part) for part in text)


def _indented(text: str) -> Iterator[str]:
    for line in _CONTROL.sub("", text).split("\n"):
        yield f"    {line}".rstrip()
