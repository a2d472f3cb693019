"""A previewed directory, on the parent's side: a child may read the objects below it and can name no others."""

from __future__ import annotations

from perijove.counting import Counts
from perijove.errors import InvalidPath, NotFound
from perijove.parallel import few_at_once
from perijove.paths import check_path
from perijove.replicas import ObjectInfo
from perijove.stores import DatasetReader

from ..listing import tree_page
from .recent import RecentBytes, moved_of

#: The objects that tell a directory is a Zarr array or group. Source: the specifications of Zarr, versions 2 and 3.
ZARR_MARKERS = ("zarr.json", ".zmetadata", ".zgroup", ".zarray")
#: As many names are listed of one directory.
NAMES_MAX = 500
IN_FLIGHT = 32


class Folder:
    """The directory ``path`` of a dataset ("": all of it), for one preview.

    Each object is opened anew, and of those that are as they were the bytes may be in ``recent``.
    """

    def __init__(self, reader: DatasetReader, recent: RecentBytes, path: str) -> None:
        self._reader = reader
        self._recent = recent
        self._path = path
        self._other_requests = 0
        self._opened: dict[str, ObjectInfo | None] = {}

    @property
    def moved(self) -> Counts:
        """What was asked of the store so far, and what it gave."""
        opened = (moved_of(info) for info in self._opened.values() if info is not None)
        return sum(opened, Counts(requests=self._other_requests))

    def may_hold(self, name: str) -> bool:
        """Whether ``name`` stays below the directory."""
        try:
            check_path(name)
            check_path(self._full(name))
        except InvalidPath:
            return False
        return True

    async def marker(self) -> ObjectInfo | None:
        """The object that tells that the directory is one of Zarr; None: it is not.

        Raises:
            PerijoveError: refused, or no replica answers.
        """
        return next((info for info in await self.open(list(ZARR_MARKERS)) if info is not None), None)

    async def open(self, names: list[str]) -> list[ObjectInfo | None]:
        """The objects of these names, which :meth:`may_hold`; None for what is not there."""
        new = sorted({name for name in names if name not in self._opened})
        found = await few_at_once(self._head, new, IN_FLIGHT)
        self._opened.update(zip(new, found, strict=True))
        return [self._opened[name] for name in names]

    async def read(self, spans: list[tuple[ObjectInfo, int, int]]) -> list[bytes]:
        """The bytes of each, in parallel."""
        return await few_at_once(lambda span: self._read(*span), spans, IN_FLIGHT)

    async def names(self, directory: str) -> list[str]:
        """The names in ``directory``, "" for the folder itself; of very many the first.

        Raises:
            PerijoveError: the store cannot be listed, or no replica answers.
        """
        self._other_requests += 1
        page = await tree_page(self._reader, self._full(directory), None, NAMES_MAX)
        return [entry.name for entry in page.items]

    def _full(self, name: str) -> str:
        return "/".join(filter(None, (self._path, name)))

    async def _head(self, name: str) -> ObjectInfo | None:
        try:
            return await self._reader.head(self._full(name))
        except NotFound:
            self._other_requests += 1
            return None

    async def _read(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        return await self._recent.read(self._reader, info, start, stop) if start < stop else b""
