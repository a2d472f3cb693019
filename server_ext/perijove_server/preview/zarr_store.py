"""Zarr, versions 2 and 3: the arrays and groups of a directory, and a drawing of one.

The hierarchy is read from its metadata here; pieces of arrays are unpacked by zarr-python, which is only given codecs
that do nothing but numbers: what needs pickle, or any codec that is not listed, is not read.
Sources: "Zarr storage specification version 2" and "Zarr core specification (version 3.1)".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.sync import sync

from .answers import LISTINGS_MAX
from .arrays import ArrayFile, Json, Part, Tree, Variable, best, look_at_tree, storage_note
from .source import PreviewProblem, Source
from .tables import cell
from .zarr_metadata import (
    are_counts,
    codecs_3,
    dtype_of,
    fill_value,
    is_name,
    object_name,
    outer_chunks,
    refusal,
)  # fmt: skip
from .zarr_objects import DirectoryStore

if TYPE_CHECKING:
    from .look import Look, Wish

#: What is kept of the objects that may be read, for the pieces that are drawn.
METADATA_OBJECTS_MAX = 250
DEPTH_MAX = 32
_SCALARS_MAX = 20
#: So many pieces are fetched at the same time.
PIECES_AT_ONCE = 64
BAD_ARRAY = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RuntimeError, OSError, AssertionError,
    NotImplementedError, EOFError,
)  # fmt: skip


def look(source: Source, wish: Wish) -> Look:
    """The hierarchy, and a drawing of one array.

    Raises:
        PreviewProblem: its metadata do not read, or there is no such node.
    """
    file = _ZarrFile(source)
    return look_at_tree(source, file, f"Zarr {file.version}", wish)


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """Which array is worth opening, and whether its axes have names; raises as :func:`look`."""
    file = _ZarrFile(source)
    listed = {node["path"] for node in file.tree.nodes}
    found = best(file.tree)
    node = wish.node if wish.node in listed else found.path if found is not None else None
    variable = file.tree.variables.get(node or "")
    # xarray opens groups of arrays whose axes have names, and nothing else
    labelled = node != "/" and any(one.dimensions and all(one.dimensions) for one in file.tree.variables.values())
    if variable is not None and variable.shape and not variable.dimensions:
        labelled = False
    return {"node": node, "is_labelled": labelled, "is_group": variable is None}


class _ZarrFile(ArrayFile):
    def __init__(self, source: Source) -> None:
        self.tree = Tree()
        self.pieces_max = 300  # an object each
        self.version = 3
        self._store = DirectoryStore(source)
        self._listings = 0
        self._kept: dict[str, Json] = {}
        self._unpacked: dict[tuple[str, str], NDArray[Any]] = {}
        self._read_hierarchy()

    def fetch(self, variable: Variable, parts: Sequence[Part]) -> int:
        """See :class:`ArrayFile`."""
        if not parts:
            return 0
        if variable.chunks != outer_chunks(self._kept[variable.path]):
            return self._fetch_of_shards(variable, parts)
        keys = [list(self._keys(variable, part)) for part in parts]
        if self._store.bring([keys[0]]) == 0:
            return 0
        # by the first piece the others are guessed; those that turn out to be too much are left out
        size_bytes = max(1, sum(len(self._store.kept.get(key) or b"") for key in keys[0]))
        objects = max(1, max(map(len, keys)))
        most = min(len(parts), 1 + self._store.source.left_bytes // size_bytes, self._store.left_objects // objects)
        count = 1
        while count < most:
            some = keys[count : min(most, count + max(1, PIECES_AT_ONCE // objects))]
            brought = self._store.bring(some)
            count += brought
            if brought < len(some):
                break
        return count

    def _fetch_of_shards(self, variable: Variable, parts: Sequence[Part]) -> int:
        """Of shards zarr-python reads what it needs: the index, then the pieces."""
        before = self._store.source.left_bytes
        count = self._unpack(variable, parts[:1])
        if count == 0:
            return 0
        size_bytes = max(1, before - self._store.source.left_bytes)
        most = min(len(parts), 1 + self._store.source.left_bytes // size_bytes)
        while count < most and self._store.left_objects > 2:
            some = parts[count : min(most, count + PIECES_AT_ONCE, count + self._store.left_objects // 2)]
            unpacked = self._unpack(variable, some)
            count += unpacked
            if unpacked < len(some):
                break
        return count

    def _unpack(self, variable: Variable, parts: Sequence[Part]) -> int:
        """Read parts at the same time; how many of them, in their order, are here then."""
        found = self._read_many(variable, parts)
        for count, (part, values) in enumerate(zip(parts, found, strict=True)):
            if isinstance(values, BaseException):
                if not isinstance(values, PreviewProblem):
                    raise self._problem(variable, values)
                return count
            self._unpacked[variable.path, repr(part)] = values
        return len(parts)

    def read(self, variable: Variable, part: Part) -> NDArray[Any]:
        """See :class:`ArrayFile`."""
        if (unpacked := self._unpacked.pop((variable.path, repr(part)), None)) is not None:
            return unpacked
        values = self._read_many(variable, [part])[0]
        if isinstance(values, BaseException):
            raise values if isinstance(values, PreviewProblem) else self._problem(variable, values)
        return values

    def _read_many(self, variable: Variable, parts: Sequence[Part]) -> list[NDArray[Any] | BaseException]:
        async def read(part: Part) -> NDArray[Any]:
            return np.asarray(await array.async_array.getitem(part))

        async def read_all() -> list[NDArray[Any] | BaseException]:
            return await asyncio.gather(*map(read, parts), return_exceptions=True)

        try:
            array = zarr.open_array(
                self._store, path=variable.path.strip("/"), mode="r", zarr_format=3 if self.version == 3 else 2
            )
            with zarr.config.set({"async.concurrency": PIECES_AT_ONCE}):
                return sync(read_all())
        except BAD_ARRAY as error:
            raise self._problem(variable, error) from None

    def _problem(self, variable: Variable, error: BaseException) -> PreviewProblem:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return PreviewProblem(f"{variable.name} does not read: {first[:200].rstrip('.')}.")

    def _keys(self, variable: Variable, part: Part) -> Iterable[str]:
        """The objects that a part needs."""
        metadata = self._kept[variable.path]
        outer = outer_chunks(metadata)
        spans = [slice(index, index + 1) if isinstance(index, int) else index for index in part]
        ranges = [
            range(span.start // size, (span.stop - 1) // size + 1) for span, size in zip(spans, outer, strict=True)
        ]
        for place in np.ndindex(*[len(one) for one in ranges]):
            yield object_name(
                variable.path.strip("/"), metadata, [one[at] for one, at in zip(ranges, place, strict=True)]
            )

    def _read_hierarchy(self) -> None:
        root = self._store.metadata(["zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs"])
        if (found := root["zarr.json"]) is not None:
            inline = found.get("consolidated_metadata")
            below = inline.get("metadata") if isinstance(inline, dict) else None
            self._add_3("", found)
            if isinstance(below, dict):
                self._store.keep({f"{name}/zarr.json": node for name, node in below.items()})
                for name in sorted(below):
                    if isinstance(below[name], dict) and is_name(name):
                        self._add_3(name, below[name])
            elif found.get("node_type") == "group":
                self._walk("", 0)
            return
        self.version = 2
        if (consolidated := root[".zmetadata"]) is not None and isinstance(consolidated.get("metadata"), dict):
            self._add_consolidated_2(consolidated["metadata"])
            return
        self._add_2("", root[".zarray"], root[".zattrs"])
        if root[".zarray"] is None:
            self._walk("", 0)

    def _add_consolidated_2(self, metadata: Json) -> None:
        names = {name.rpartition("/")[0] for name in metadata if name.rpartition("/")[2] in (".zgroup", ".zarray")}
        self._store.keep(metadata)
        for name in sorted(names | {""}):
            if name and not is_name(name):
                continue
            prefix = f"{name}/" if name else ""
            array, said = metadata.get(f"{prefix}.zarray"), metadata.get(f"{prefix}.zattrs")
            self._add_2(name, array if isinstance(array, dict) else None, said if isinstance(said, dict) else None)

    def _walk(self, group: str, depth: int) -> None:
        """Add what is in a group whose metadata are not consolidated."""
        self._listings += 1
        if self._listings > LISTINGS_MAX or depth > DEPTH_MAX or self.tree.truncated:
            self.tree.truncated = True
            return
        try:
            names = [name for name in self._store.source.names(group) if is_name(name) and not name.startswith(".")]
        except PreviewProblem as problem:
            self.tree.truncated = True
            self.tree.note = f"The groups below are not listed: {problem.detail}"
            return
        below = [f"{group}/{name}" if group else name for name in names if name not in ("zarr.json", "c")]
        ends = ["zarr.json"] if self.version == 3 else [".zarray", ".zgroup", ".zattrs"]
        room = max(0, METADATA_OBJECTS_MAX - self._store.used_objects) // len(ends)
        if len(below) > room:
            self.tree.truncated = True
            below = below[:room]
        found = self._store.metadata([f"{name}/{end}" for name in below for end in ends])
        for name in below:
            if self.version == 3:
                node = found[f"{name}/zarr.json"]
                is_group = node is not None and node.get("node_type") == "group"
                if node is not None:
                    self._add_3(name, node)
            else:
                array, is_group = found[f"{name}/.zarray"], found[f"{name}/.zgroup"] is not None
                if array is not None or is_group:
                    self._add_2(name, array, found[f"{name}/.zattrs"])
            if is_group:
                self._walk(name, depth + 1)

    def _add_2(self, name: str, array: Json | None, said: Json | None) -> None:
        said = dict(said or {})
        names = said.pop("_ARRAY_DIMENSIONS", ())
        if array is None:
            self.tree.add_group(f"/{name}", said)
            return
        codecs = [*(array.get("filters") or []), array.get("compressor")]
        words = [str(codec.get("id")) if isinstance(codec, dict) else str(codec) for codec in codecs if codec]
        if names and (fill := array.get("fill_value")) is not None:
            said.setdefault("_FillValue", fill_value(fill))
        self._add(name, array, array.get("dtype"), said, names, array.get("chunks"), words)

    def _add_3(self, name: str, node: Json) -> None:
        said = dict(node.get("attributes") or {}) if isinstance(node.get("attributes"), dict) else {}
        if node.get("node_type") != "array":
            self.tree.add_group(f"/{name}", said)
            return
        if isinstance(said.get("_FillValue"), str):
            said["_FillValue"] = fill_value(said["_FillValue"])
        words, inner = codecs_3(node.get("codecs"))
        chunks = inner or outer_chunks(node)
        self._add(name, node, node.get("data_type"), said, node.get("dimension_names") or (), chunks, words)

    def _add(
        self, name: str, node: Json, data_type: Any, said: Json, names: Any, chunks: Any, codecs: list[str]
    ) -> None:
        path = f"/{name}"
        shape = node.get("shape")
        if shape is None or not (are_counts(shape, 0) and are_counts(chunks, 1) and len(shape) == len(chunks)):
            raise PreviewProblem(f"The metadata of {path[:200]} are broken: expected a shape and a shape of chunks.")
        dtype = dtype_of(data_type)
        variable = Variable(
            path=path,
            dtype=dtype,
            shape=tuple(shape),
            attributes=said,
            dimensions=tuple(str(one or "") for one in names) if isinstance(names, list) else (),
            chunks=tuple(chunks),
            refused=refusal(path, dtype, codecs, node),
            type_words=str(dtype) if dtype is not None else str(data_type),
            note=storage_note(tuple(chunks), codecs),
        )
        if self.tree.add_variable(variable):
            self._kept[path] = node
            if not shape and variable.refused is None and dtype is not None and len(self._kept) <= _SCALARS_MAX:
                self._tell_value(variable)

    def _tell_value(self, variable: Variable) -> None:
        try:
            self.tree.tell(variable.path, f"value {cell(self.read(variable, ()).item())}")
        except PreviewProblem:
            return
