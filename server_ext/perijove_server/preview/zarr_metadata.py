"""What the metadata of a Zarr array say: chunks, codecs, types, and which of them a preview does not touch.

Sources: "Zarr storage specification version 2" and "Zarr core specification (version 3.1)".
"""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import numpy as np

from .arrays import CHUNK_MAX_BYTES, Json
from .contents import EXACT_MAX

_NO_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
#: Codecs that unpack numbers. Version 3 has those of numcodecs by their names with ``numcodecs.`` in front.
_CODECS = {
    "zlib", "gzip", "bz2", "lzma", "blosc", "lz4", "zstd", "shuffle", "delta", "fixedscaleoffset", "quantize",
    "bitround", "astype", "packbits", "crc32", "crc32c", "adler32", "fletcher32", "bytes", "endian", "transpose",
    "sharding_indexed",
}  # fmt: skip


def is_name(name: str) -> bool:
    """Whether it can be a path below the directory; the parent looks again."""
    parts = name.split("/")
    return (
        len(name) < 500
        and name.isprintable()
        and not any(part in ("", ".", "..") for part in parts)
        and (not set(name) & set("\\%"))
    )


def are_counts(values: Any, least: int) -> bool:
    """Whether it is a list of whole numbers that are not less than ``least``."""
    return (
        isinstance(values, list | tuple)
        and len(values) <= 64
        and all(
            isinstance(value, int) and not isinstance(value, bool) and least <= value <= EXACT_MAX for value in values
        )
    )


def outer_chunks(node: Json) -> tuple[int, ...]:
    """The shape of what is in one object."""
    chunks = node.get("chunks")
    if chunks is None:
        grid = node.get("chunk_grid")
        configuration = grid.get("configuration") if isinstance(grid, dict) else None
        chunks = configuration.get("chunk_shape") if isinstance(configuration, dict) else None
    return tuple(chunks) if isinstance(chunks, list | tuple) else ()


def codecs_3(codecs: Any, depth: int = 0) -> tuple[list[str], tuple[int, ...]]:
    """The names of all codecs, and the shape of the chunks within shards, if there are any."""
    words: list[str] = []
    inner: tuple[int, ...] = ()
    for codec in codecs if isinstance(codecs, list) and depth < 4 else ():
        name = codec.get("name") if isinstance(codec, dict) else codec
        words.append(str(name))
        configuration = codec.get("configuration") if isinstance(codec, dict) else None
        if name == "sharding_indexed" and isinstance(configuration, dict):
            below, innermost = codecs_3(configuration.get("codecs"), depth + 1)
            words += below + codecs_3(configuration.get("index_codecs"), depth + 1)[0]
            chunks = configuration.get("chunk_shape")
            inner = innermost or (tuple(chunks) if isinstance(chunks, list) else ())
    return words, inner


def object_name(path: str, node: Json, place: list[int]) -> str:
    """The name of the object of a piece, by its place in the grid of pieces."""
    prefix = f"{path}/" if path else ""
    if "zarr_format" in node and node["zarr_format"] == 2:
        separator = node.get("dimension_separator") or "."
        return prefix + (separator.join(map(str, place)) or "0")
    encoding = node.get("chunk_key_encoding")
    name = encoding.get("name") if isinstance(encoding, dict) else encoding
    configuration = encoding.get("configuration") if isinstance(encoding, dict) else None
    said = configuration.get("separator") if isinstance(configuration, dict) else None
    if name == "v2":
        return prefix + ((said or ".").join(map(str, place)) or "0")
    return prefix + (said or "/").join(["c", *map(str, place)])


def dtype_of(said: Any) -> np.dtype[Any] | None:
    """The type of plain numbers; None: it is of another kind."""
    if not isinstance(said, str) or len(said) > 20 or "O" in said:
        return None
    try:
        dtype = np.dtype(said)
    except TypeError:
        return None
    return dtype if dtype.kind in "biufcSUV" else None


def refusal(path: str, dtype: np.dtype[Any] | None, codecs: list[str], node: Json) -> str | None:
    """Why the values of an array are not read, as a sentence; None: they are."""
    strange = [name for name in codecs if name.removeprefix("numcodecs.") not in _CODECS]
    if strange:
        shown = ascii(strange[0])[:60]
        return f"The array {path[:200]} uses the codec {shown}, which a preview does not run."
    if dtype is None:
        return f"The array {path[:200]} holds objects or is of a type that a preview does not unpack."
    unpacked_bytes = math.prod(outer_chunks(node)) * dtype.itemsize
    if "sharding_indexed" not in codecs and unpacked_bytes > CHUNK_MAX_BYTES:
        return f"The array {path[:200]} has chunks of {unpacked_bytes} bytes, too large for a preview."
    return None


def fill_value(value: Any) -> Any:
    """A fill value with what JSON has no number for.

    xarray writes the attribute ``_FillValue`` of version 3 as the Base64 of a number of eight bytes.
    """
    if not isinstance(value, str):
        return value
    if value in _NO_JSON:
        return _NO_JSON[value]
    try:
        return struct.unpack("<d", base64.b64decode(value, validate=True))[0]
    except (ValueError, struct.error):
        return value
