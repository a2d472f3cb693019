"""NetCDF-3: classic, with 64-bit offsets, and with 64-bit data (CDF-5), by its own header and ranges.

Source: "NetCDF File Format Specifications", Unidata; for CDF-5 the format of PnetCDF.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arrays import ArrayFile, Part, Tree, Variable, best, look_at_tree
from .contents import ATTRIBUTES_MAX, AXES_MAX, EXACT_MAX
from .rangefile import RangeFile
from .source import PreviewProblem, Source
from .tables import cell

if TYPE_CHECKING:
    from .look import Look, Wish

BLOCK_BYTES = 64 << 10
#: No sensible file has more of either.
ITEMS_MAX = 10_000
_ATTRIBUTE_BYTES = 64 << 10
_SCALARS_MAX = 50
_DIMENSION, _VARIABLE, _ATTRIBUTE = 10, 11, 12
_TYPES = {1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8", 7: "u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8"}


def look(source: Source, wish: Wish) -> Look:
    """The variables of a file, and a drawing of one.

    Raises:
        PreviewProblem: it is empty, cut off or broken, or has no such variable.
    """
    return look_at_tree(source, _NetCdf3File(source), "NetCDF-3", wish)


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """Which variable is worth opening; raises as :func:`look`."""
    file = _NetCdf3File(source)
    found = file.tree.variables.get(wish.node or "") or best(file.tree)
    return {"node": found.path if found is not None else None, "is_labelled": True}


class _NetCdf3File(ArrayFile):
    def __init__(self, source: Source) -> None:
        if source.size_bytes == 0:
            raise PreviewProblem("The file is empty: expected NetCDF.")
        self.tree = Tree()
        self.pieces_max = 2048
        self._source = source
        self._file = RangeFile(source, BLOCK_BYTES)
        #: Where each variable begins, and whether its first axis grows with the records.
        self._begins: dict[str, tuple[int, bool]] = {}
        self._record_bytes = 0
        self._version = 1
        self._described: list[tuple[str, tuple[int, ...], np.dtype[Any], dict[str, Any], tuple[str, ...]]] = []
        self._read_header()
        self._tell_scalars()
        ends = (self._end(variable) for variable in self.tree.variables.values())
        if (end := max(ends, default=0)) > source.size_bytes:
            self.tree.note = f"The file is cut off: it should have {end} bytes, and has {source.size_bytes}."

    def fetch(self, variable: Variable, parts: Sequence[Part]) -> int:
        """See :class:`ArrayFile`."""
        ranges: list[tuple[int, int]] = []
        left_bytes = self._source.left_bytes - BLOCK_BYTES
        count = 0
        for count, part in enumerate(parts):  # noqa: B007 - used after the loop
            needed = self._ranges(variable, part)
            left_bytes -= sum(stop - start for start, stop in needed)
            if left_bytes < 0:
                break
            ranges += needed
        else:
            count = len(parts)
        self._file.prefetch(ranges)
        return count

    def read(self, variable: Variable, part: Part) -> NDArray[Any]:
        """See :class:`ArrayFile`."""
        raw = []
        for start, stop in self._ranges(variable, part):
            self._file.seek(start)
            raw.append(self._file.read(stop - start))
        shape = [index.stop - index.start for index in part if isinstance(index, slice)]
        values = np.frombuffer(b"".join(raw), variable.dtype)
        if values.size != math.prod(shape):
            raise PreviewProblem(f"The file is cut off: the values of {variable.name} are not all in it.")
        return values.reshape(shape).astype(values.dtype.newbyteorder("="))

    def _ranges(self, variable: Variable, part: Part) -> list[tuple[int, int]]:
        """Where a part is: rows of whole width or stretches of one row are one range, records one each."""
        begin, is_record = self._begins[variable.path]
        spans = [slice(index, index + 1) if isinstance(index, int) else index for index in part]
        shape = variable.shape
        first_record, records = 0, 1
        if is_record:
            first_record, records = spans[0].start, spans[0].stop - spans[0].start
            spans, shape = spans[1:], shape[1:]
        first = last = 0
        if shape:
            first = int(np.ravel_multi_index([span.start for span in spans], shape))
            last = int(np.ravel_multi_index([span.stop - 1 for span in spans], shape))
        size = variable.item_bytes
        ranges = []
        for record in range(first_record, first_record + records):
            base = begin + record * self._record_bytes
            ranges.append((base + first * size, base + (last + 1) * size))
        if ranges and ranges[-1][1] > self._source.size_bytes:
            raise PreviewProblem(
                f"The file is cut off: the values of {variable.name} go on to byte {ranges[-1][1]}, and the file has "
                f"{self._source.size_bytes}."
            )
        return ranges

    def _end(self, variable: Variable) -> int:
        begin, is_record = self._begins[variable.path]
        if 0 in variable.shape:
            return 0
        last_record_bytes = self._record_bytes * (variable.shape[0] - 1) if is_record else 0
        return begin + last_record_bytes + math.prod(variable.shape[is_record:]) * variable.item_bytes

    def _read_header(self) -> None:
        magic = self._take(4)
        if magic[:3] != b"CDF" or magic[3] not in (1, 2, 5):
            raise PreviewProblem("This is not NetCDF: expected a file that begins with CDF or is HDF5.")
        self._version = magic[3]
        records = self._count()
        dimensions = [(self._name(), self._count()) for _ in range(self._list(_DIMENSION))]
        self.tree.add_group("/", self._attributes())
        found = [self._variable(dimensions) for _ in range(self._list(_VARIABLE))]
        sizes = [size for _, is_record, size in found if is_record]
        # a single record variable is packed without padding
        self._record_bytes = sizes[0] if len(sizes) == 1 else sum(size + -size % 4 for size in sizes)
        if records >= 2 ** (64 if self._version == 5 else 32) - 1:  # a file that is still being written
            begin = min((begin for begin, is_record, _ in found if is_record), default=0)
            records = max(0, self._source.size_bytes - begin) // max(1, self._record_bytes)
        for (begin, is_record, _), (name, shape, dtype, said, names) in zip(found, self._described, strict=True):
            whole = (records, *shape[1:]) if is_record else shape
            # a plane that lies across the records is read a row at a time
            chunks = (1, *shape[1:]) if is_record and len(shape) < 3 else None
            variable = Variable(f"/{name}", dtype, whole, said, names, chunks, None, _type_words(dtype))
            if variable.path not in self._begins and self.tree.add_variable(variable):
                self._begins[variable.path] = (begin, is_record)

    def _variable(self, dimensions: list[tuple[str, int]]) -> tuple[int, bool, int]:
        """Where the next variable begins, whether it grows with the records, and what it takes of one of these."""
        name = self._name()
        numbers = [self._count() for _ in range(self._few(AXES_MAX * 64, "axes"))]
        if any(number >= len(dimensions) for number in numbers):
            raise PreviewProblem(f"The header is broken: the variable {name} has an axis that is not defined.")
        said = self._attributes()
        dtype = self._type()
        self._count()  # its size, which is not always right
        begin = int.from_bytes(self._take(4 if self._version == 1 else 8), "big")
        shape = tuple(dimensions[number][1] for number in numbers)
        is_record = bool(shape) and shape[0] == 0
        if 0 in shape[1:] or begin > EXACT_MAX or math.prod(shape[is_record:]) > EXACT_MAX:
            raise PreviewProblem(f"The header is broken: the variable {name} has a size that cannot be.")
        self._described.append((name, shape, dtype, said, tuple(dimensions[number][0] for number in numbers)))
        return begin, is_record, math.prod(shape[is_record:]) * dtype.itemsize

    def _tell_scalars(self) -> None:
        scalars = [variable for variable in self.tree.variables.values() if variable.shape == ()]
        for variable in scalars[:_SCALARS_MAX]:
            try:
                self.tree.tell(variable.path, f"value {cell(self.read(variable, ()).item())}")
            except PreviewProblem:
                continue

    def _attributes(self) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for _ in range(self._list(_ATTRIBUTE)):
            name, dtype, count = self._name(), self._type(), self._count()
            size_bytes = count * dtype.itemsize
            if size_bytes > _ATTRIBUTE_BYTES:
                value: Any = f"an array of {count}"
                self._skip(size_bytes)
            else:
                raw = self._take(size_bytes)
                value = raw if dtype.kind == "S" else np.frombuffer(raw, dtype)
            self._skip(-size_bytes % 4)
            if len(said) < ATTRIBUTES_MAX:
                said[name] = value.decode("utf-8", "replace").rstrip("\0") if isinstance(value, bytes) else value
        return said

    def _list(self, expected: int) -> int:
        tag, count = int.from_bytes(self._take(4), "big"), self._few(ITEMS_MAX, "entries in a list")
        if tag not in (0, expected) or (tag == 0 and count):
            raise PreviewProblem("The header is broken: a list of it is of another kind than expected.")
        return count

    def _few(self, most: int, what: str) -> int:
        count = self._count()
        if count > most:
            raise PreviewProblem(f"The header is broken: it tells of {count} {what}.")
        return count

    def _type(self) -> np.dtype[Any]:
        code = int.from_bytes(self._take(4), "big")
        if code not in _TYPES:
            raise PreviewProblem(f"The header is broken: there is no type of number {code}.")
        return np.dtype(_TYPES[code])

    def _name(self) -> str:
        size_bytes = self._few(4096, "bytes in a name")
        name = self._take(size_bytes).decode("utf-8", "replace")
        self._skip(-size_bytes % 4)
        return name

    def _count(self) -> int:
        return int.from_bytes(self._take(8 if self._version == 5 else 4), "big")

    def _take(self, size_bytes: int) -> bytes:
        data = self._file.read(size_bytes)
        if len(data) < size_bytes:
            raise PreviewProblem("The file is cut off within its header.")
        return data

    def _skip(self, size_bytes: int) -> None:
        self._file.seek(min(self._file.tell() + size_bytes, self._source.size_bytes))


def _type_words(dtype: np.dtype[Any]) -> str:
    return "text" if dtype.kind == "S" else str(dtype.newbyteorder("="))
