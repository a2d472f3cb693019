"""HDF5 and NetCDF-4: groups, datasets and a drawing, by h5py over the ranges of an object.

What a file says is elsewhere (external links, external storage, virtual datasets) is not followed, and no filter is
loaded from the machine's disk.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arrays import (
    DRAW_BYTES,
    ArrayFile,
    Part,
    Tree,
    Variable,
    best,
    look_at_tree,
    plain,
    storage_note,
    words,
)
from .contents import ATTRIBUTES_MAX, EXACT_MAX
from .rangefile import RangeFile
from .source import PreviewProblem, Source
from .tables import cell

# Before the library is loaded: filters of strangers stay out ("::" is how HDF5 spells "no plug-ins").
os.environ["HDF5_PLUGIN_PRELOAD"] = "::"
import h5py

if TYPE_CHECKING:
    from .look import Look, Wish

BLOCK_BYTES = 256 << 10
DEPTH_MAX = 32
#: A coordinate of NetCDF-4 that has only a size (netCDF-C, nc4internal.h: DIM_WITHOUT_VARIABLE).
_ONLY_A_SIZE = "This is a netCDF dimension but not a netCDF variable"
#: Names that the libraries of NetCDF-4 keep their own books by.
_INNER = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties"}
#: Attributes of that size are told by their shape.
_ATTRIBUTE_BYTES = 64 << 10
_SCALARS_MAX = 50
_BAD_FILE = (
    OSError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, SystemError,
    NotImplementedError, AssertionError,
)  # fmt: skip


def look(source: Source, wish: Wish) -> Look:
    """The groups and datasets of a file, and a drawing of one.

    Raises:
        PreviewProblem: it is empty, cut off or broken, or has no such node.
    """
    file = _Hdf5File(source)
    return look_at_tree(source, file, "NetCDF-4" if file.is_netcdf else "HDF5", wish)


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """Which dataset is worth opening, and whether its axes have names; raises as :func:`look`."""
    file = _Hdf5File(source)
    listed = {node["path"] for node in file.tree.nodes}
    found = best(file.tree)
    node = wish.node if wish.node in listed else found.path if found is not None else None
    return {
        "node": node,
        "is_labelled": file.is_netcdf,
        "is_group": node is not None and node not in file.tree.variables,
    }


class _RangeFile(RangeFile):
    """Keeps why a read has failed: HDF5 makes another error of it."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, BLOCK_BYTES)
        self.problem: PreviewProblem | None = None

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except PreviewProblem as problem:
            self.problem = problem
            raise


class _Hdf5File(ArrayFile):
    def __init__(self, source: Source) -> None:
        if source.size_bytes == 0:
            raise PreviewProblem("The file is empty: expected HDF5.")
        self.tree = Tree()
        self.pieces_max = 2048
        self.is_netcdf = False
        self._source = source
        self._file = _RangeFile(source)
        self._scalars = 0
        try:
            self._h5 = h5py.File(self._file, "r")
        except _BAD_FILE:
            if self._file.problem is not None:
                raise self._file.problem from None
            raise PreviewProblem(
                "This is not HDF5, or it is cut off: its superblock or root group does not read."
            ) from None
        try:
            self._list("", self._h5, 0, set())
        except _BAD_FILE as error:
            self.tree.truncated = True
            self.tree.note = self._reason(error, "The rest of the file does not read")

    def fetch(self, variable: Variable, parts: Sequence[Part]) -> int:
        """See :class:`ArrayFile`."""
        try:
            return self._fetch(self._h5[variable.path], variable, parts)
        except _BAD_FILE as error:
            raise PreviewProblem(self._reason(error, f"{variable.name} does not read")) from None

    def read(self, variable: Variable, part: Part) -> NDArray[Any]:
        """See :class:`ArrayFile`."""
        try:
            values: NDArray[Any] = np.asarray(self._h5[variable.path][part])
        except _BAD_FILE as error:
            raise PreviewProblem(self._reason(error, f"{variable.name} does not read")) from None
        return values

    def _fetch(self, dataset: Any, variable: Variable, parts: Sequence[Part]) -> int:
        ranges: list[tuple[int, int]] = []
        spare_bytes, wanted_bytes = self._source.left_bytes - BLOCK_BYTES, 0
        for count, part in enumerate(parts):
            needed = self._ranges(dataset, variable, part)
            wanted_bytes += sum(stop - start for start, stop in needed)
            # what looking up chunks has moved counts too
            if wanted_bytes > min(spare_bytes, self._source.left_bytes):
                self._file.prefetch(ranges)
                return count
            ranges += needed
        self._file.prefetch(ranges)
        return len(parts)

    def _ranges(self, dataset: Any, variable: Variable, part: Part) -> list[tuple[int, int]]:
        starts = [index if isinstance(index, int) else index.start for index in part]
        if variable.chunks is None:
            base = dataset.id.get_offset()
            if base is None:  # in the header, or never written
                return []
            # a part is a range: rows of whole width, or a stretch of one row
            first = int(np.ravel_multi_index(starts, variable.shape)) * variable.item_bytes
            lasts = [index if isinstance(index, int) else index.stop - 1 for index in part]
            last = int(np.ravel_multi_index(lasts, variable.shape)) * variable.item_bytes + variable.item_bytes
            return [(base + first, base + last)]
        ranges = []
        for origin in _origins(part, variable.chunks):
            info = dataset.id.get_chunk_info_by_coord(origin)
            if info.byte_offset is not None:
                if not 0 <= info.byte_offset <= info.byte_offset + info.size <= self._source.size_bytes:
                    raise PreviewProblem("The file is cut off or broken: pieces of arrays lie outside of it.")
                ranges.append((info.byte_offset, info.byte_offset + info.size))
        return ranges

    def _list(self, path: str, group: Any, depth: int, seen: set[Any]) -> None:
        """Add a group and all below it; hard links that lead back are not followed."""
        said = _attributes(group)
        if depth == 0:
            self.is_netcdf = "_NCProperties" in group.attrs or "Conventions" in said
            seen.add(h5py.h5o.get_info(group.id).addr)
        if not self.tree.add_group(path or "/", said):
            return
        for name in group:
            if self._source.left_bytes < DRAW_BYTES:
                self.tree.truncated = True
                self.tree.note = "Only as much of the file is listed as the budget of a preview allows."
                return
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue  # elsewhere in the file, where it is listed, or in another file
            info = h5py.h5o.get_info(group.id, name.encode("utf-8", "surrogateescape"))
            if info.type == h5py.h5o.TYPE_GROUP:
                if depth < DEPTH_MAX and info.addr not in seen:
                    seen.add(info.addr)
                    self._list(f"{path}/{name}", group[name], depth + 1, seen)
            elif info.type == h5py.h5o.TYPE_DATASET:
                self._add(f"{path}/{name}", group[name])
            if self.tree.truncated:
                return

    def _add(self, path: str, dataset: Any) -> None:
        raw = dataset.attrs
        if plain(raw.get("NAME")) is not None and words(raw.get("NAME")).startswith(_ONLY_A_SIZE):
            self.is_netcdf = True
            return
        shape = tuple(dataset.shape) if dataset.shape is not None else (0,)
        if max(shape, default=0) > EXACT_MAX:
            raise PreviewProblem(f"The dataset {path} has an axis that is too long.")
        said = _attributes(dataset)
        if "CLASS" in raw:
            said["CLASS"] = raw["CLASS"]  # says that it is a coordinate
        self.is_netcdf |= "DIMENSION_LIST" in raw
        variable = Variable(
            path=path,
            dtype=dataset.dtype,
            shape=shape,
            attributes=said,
            dimensions=_dimensions(dataset, path, shape),
            chunks=dataset.chunks,
            refused=_refusal(dataset),
            type_words=_type_words(dataset.dtype),
            note=storage_note(dataset.chunks, _compression(dataset)),
        )
        if self.tree.add_variable(variable) and dataset.shape == () and variable.refused is None:
            self._tell_value(variable, dataset)

    def _tell_value(self, variable: Variable, dataset: Any) -> None:
        self._scalars += 1
        if self._scalars <= _SCALARS_MAX and variable.item_bytes <= _ATTRIBUTE_BYTES:
            self.tree.tell(variable.path, f"value {cell(plain(np.asarray(dataset[()])))}")

    def _reason(self, error: Exception, what: str) -> str:
        if self._file.problem is not None:
            return self._file.problem.detail
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"{what}: {first[:200].rstrip('.')}."


def _origins(part: Part, chunks: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Where the chunks begin that a part needs."""
    spans = [slice(index, index + 1) if isinstance(index, int) else index for index in part]
    axes = [range(span.start // size * size, span.stop, size) for span, size in zip(spans, chunks, strict=True)]
    counts = [len(axis) for axis in axes]
    return [tuple(int(axis[at]) for axis, at in zip(axes, place, strict=True)) for place in np.ndindex(*counts)]


def _attributes(item: Any) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name in item.attrs:
        if name in _INNER or len(said) == ATTRIBUTES_MAX:
            continue
        kept = item.attrs.get_id(name)
        size_bytes = int(np.prod(kept.shape, dtype=float)) * kept.dtype.itemsize if kept.shape is not None else 0
        if size_bytes > _ATTRIBUTE_BYTES:
            said[name] = f"an array of {' × '.join(map(str, kept.shape))}"
            continue
        try:
            said[name] = item.attrs[name]
        except _BAD_FILE:
            said[name] = "does not read"
        if isinstance(said[name], h5py.Empty):
            said[name] = ""
    return said


def _dimensions(dataset: Any, path: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Names of axes, from the scales that HDF5's "Dimension Scales" attach to them."""
    if words(dataset.attrs.get("CLASS")) == "DIMENSION_SCALE" and len(shape) == 1:
        return (path.rsplit("/", 1)[-1],)
    if "DIMENSION_LIST" not in dataset.attrs:
        return tuple(dimension.label for dimension in dataset.dims) if dataset.dims else ()
    names = []
    for listed in dataset.attrs["DIMENSION_LIST"]:
        scale = dataset.file[listed[0]].name if len(listed) and listed[0] else ""
        names.append((scale or "").rsplit("/", 1)[-1])
    return tuple(names)


def _refusal(dataset: Any) -> str | None:
    plist = dataset.id.get_create_plist()
    if plist.get_layout() == h5py.h5d.VIRTUAL or plist.get_external_count():
        return "The values of this dataset are in other files, which a preview does not open."
    for at in range(plist.get_nfilters()):
        code = plist.get_filter(at)[0]
        if not h5py.h5z.filter_avail(code):
            return f"This dataset is compressed by a filter that a preview does not have (number {code})."
    return None


def _compression(dataset: Any) -> list[str]:
    plist = dataset.id.get_create_plist()
    names = {1: "gzip", 2: "shuffle", 3: "Fletcher-32", 4: "szip", 5: "n-bit", 6: "scale-offset", 32000: "LZF"}
    codes = [plist.get_filter(at)[0] for at in range(plist.get_nfilters())]
    return [names.get(code, f"filter {code}") for code in codes]


def _type_words(dtype: np.dtype[Any]) -> str:
    if h5py.check_string_dtype(dtype) is not None:
        return "text"
    if h5py.check_ref_dtype(dtype) is not None:
        return "reference"
    if (inner := h5py.check_vlen_dtype(dtype)) is not None:
        return f"{inner}[]"
    return str(dtype.newbyteorder("=")) if dtype.names is None else f"records of {', '.join(dtype.names[:20])}"
