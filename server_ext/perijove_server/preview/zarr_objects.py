"""The objects of a Zarr, as zarr-python reads them: those asked for at a time go to the parent in one message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from .answers import OBJECTS_MAX
from .arrays import Json
from .source import ObjectPart, PreviewProblem, Source

METADATA_MAX_BYTES = 4 << 20


class DirectoryStore(Store):
    """What zarr-python reads from: objects below the directory, those asked for at a time in one message."""

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, source: Source) -> None:
        super().__init__(read_only=True)
        self.source = source
        self.used_objects = 0
        #: Whole objects that are here; None: not there.
        self.kept: dict[str, bytes | None] = {}
        self._asked: list[tuple[ObjectPart, asyncio.Future[bytes | None]]] = []
        self._is_open = True
        self._nothing: tuple[str, ...] = ()

    @property
    def left_objects(self) -> int:
        """How many more may be read."""
        return OBJECTS_MAX - self.used_objects

    def metadata(self, names: list[str]) -> dict[str, Json | None]:
        """JSON objects of these names; None for what is not there."""
        self._count(len(names))
        read = self.source.read_objects([(name, 0, METADATA_MAX_BYTES) for name in names]) if names else []
        found: dict[str, Json | None] = {}
        for name, data in zip(names, read, strict=True):
            self.kept[name] = data
            found[name] = None if data is None else _json(name, data)
        return found

    def keep(self, metadata: Json) -> None:
        """Metadata that were in another object."""
        for name, node in metadata.items():
            self.kept.setdefault(name, json.dumps(node).encode())

    def bring(self, groups: list[list[str]]) -> int:
        """Fetch whole objects; how many of the groups, in their order, are here then."""
        missing = [key for keys in groups for key in keys if key not in self.kept]
        self._count(len(missing))
        read = self.source.read_affordable([(key, 0, None) for key in missing]) if missing else []
        self.kept.update(zip(missing, read, strict=False))
        count = 0
        while count < len(groups) and all(key in self.kept for key in groups[count]):
            count += 1
        return count

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """An object or a part of it."""
        if key in self.kept:
            whole = self.kept[key]
            data = None if whole is None else _cut(whole, byte_range)
        elif key.rpartition("/")[2] in ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"):
            data = None  # what there is of these is here
        else:
            loop = asyncio.get_running_loop()
            if not self._asked:
                loop.call_soon(self._send)  # when all that read now have asked
            future: asyncio.Future[bytes | None] = loop.create_future()
            self._asked.append((_part(key, byte_range), future))
            data = await future
        return None if data is None else prototype.buffer.from_bytes(data)

    def _send(self) -> None:
        asked, self._asked = self._asked, []
        try:
            self._count(len(asked))
            parts: list[bytes | None] = self.source.read_affordable([part for part, _ in asked])
        except PreviewProblem:
            parts = []
        for at, (_, future) in enumerate(asked):
            if future.done():
                continue
            if at < len(parts):
                future.set_result(parts[at])
            else:
                future.set_exception(PreviewProblem("A piece of this array does not fit the budget of a preview."))

    def _count(self, objects: int) -> None:
        if objects > self.left_objects:
            raise PreviewProblem(
                f"This needs more than {OBJECTS_MAX} objects of the directory, too many for a preview."
            )

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Several parts."""
        return await asyncio.gather(*(self.get(key, prototype, byte_range) for key, byte_range in key_ranges))

    async def exists(self, key: str) -> bool:
        """Whether it is there, as far as that is known."""
        return self.kept.get(key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """It is read-only."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """It is read-only."""
        raise NotImplementedError

    async def list(self) -> AsyncIterator[str]:
        """It is not listed."""
        for name in self._nothing:
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """It is not listed."""
        for name in self._nothing:
            yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """It is not listed."""
        for name in self._nothing:
            yield name

    def __eq__(self, other: object) -> bool:
        """It is itself."""
        return self is other

    __hash__ = None  # type: ignore[assignment] # it changes


def _part(key: str, wanted: ByteRequest | None) -> ObjectPart:
    match wanted:
        case RangeByteRequest(start=start, end=end):
            return key, start, end
        case OffsetByteRequest(offset=offset):
            return key, offset, None
        case SuffixByteRequest(suffix=suffix):
            return key, -suffix, None
    return key, 0, None


def _cut(data: bytes, wanted: ByteRequest | None) -> bytes:
    _, start, stop = _part("", wanted)
    return data[start:stop]


def _json(name: str, data: bytes) -> Json:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PreviewProblem(f"The metadata in {name} are broken: expected a JSON object.")
    return found
