"""An opened file of ``perijove://``."""

from __future__ import annotations

import contextlib
from typing import Any

from fsspec.asyn import AsyncFileSystem, sync
from fsspec.spec import AbstractBufferedFile

from .access import Access, access_for
from .beginning import Beginning
from .blocks import Blocks
from .counting import Counts
from .errors import ObjectChanged
from .objects import ObjectInfo
from .stores import SPLIT_ABOVE_BYTES
from .straight import Straight

#: A read of more than this passes by the blocks of the file, straight into parallel ranges.
BYPASS_BYTES = SPLIT_ABOVE_BYTES
#: The name of our own way of reading by blocks, beside those of fsspec.
BY_FORMAT = "perijove"


class PerijoveFile(AbstractBufferedFile):  # type: ignore[misc] # fsspec has no types
    """One opened object, seekable. It stays the same bytes: if the object changes, reads raise ``ObjectChanged``.

    How much is read at a time goes by the file's name and by how it is read, see ``access``; ``block_size`` (bytes)
    sets the least. With a ``cache_type`` of fsspec's own, fsspec's ways are used instead.
    """

    def __init__(
        self,
        fs: AsyncFileSystem,
        path: str,
        beginning: Beginning,
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        cache_type: str = BY_FORMAT,
        **kwargs: Any,
    ) -> None:
        self._reader = beginning.reader
        self._info = info = beginning.info
        access = access_for(info.path)
        if block_size:
            access = Access(block_size, max(access.ahead_bytes, block_size))
        by_format = cache_type == BY_FORMAT
        self._loop = fs.loop
        self._straight = Straight()
        self._blocks = (
            Blocks(self._fetch, fs.loop, info.size_bytes, access, beginning.data, self) if by_format else None
        )
        super().__init__(
            fs,
            path,
            "rb",
            block_size=access.block_bytes,
            cache_type="none" if by_format else cache_type,
            cache_options=None if by_format else cache_options,
            size=info.size_bytes,
            **kwargs,
        )
        self.details = file_row(path, info)

    @property
    def counts(self) -> Counts:
        """What reading this file has moved so far."""
        return self._info.opened.counts

    def close(self) -> None:
        """Give up what is on its way; the file cannot be read any more."""
        if self._blocks is not None:
            self._blocks.close()
        with contextlib.suppress(RuntimeError):  # the loop has been closed before
            self._loop.call_soon_threadsafe(self._straight.close)
        super().close()
        if self._info.opened.whole is not None:
            self._info.opened.whole.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of this file in another process, opened anew at the same place."""
        cache_type = self.cache.name if self._blocks is None else BY_FORMAT
        return _reopened, (self.fs, self.path, self.blocksize, cache_type, self.loc, self._info.etag, self.size)

    def _fetch_range(self, start: int, end: int) -> bytes:
        if self._blocks is not None and end - start <= BYPASS_BYTES:
            return self._blocks.read(start, end)
        data: bytes = sync(self.fs.loop, self._fetch, start, end)
        return data

    async def _fetch(self, start: int, stop: int) -> bytes:
        return await self._reader.read(self._info, start, stop)

    def goes_straight(self) -> bool:
        """See :class:`blocks.Onward`."""
        return self._reader.goes_straight(self._info, self._straight)

    async def fetch_on(self, start: int, stop: int) -> bytes:
        """See :class:`blocks.Onward`."""
        return await self._reader.read_on(self._info, self._straight, start, stop, self._info.size_bytes)


def _reopened(
    fs: AsyncFileSystem, path: str, block_bytes: int, cache_type: str, place: int, etag: str | None, size_bytes: int
) -> PerijoveFile:
    file: PerijoveFile = fs.open(path, "rb", block_size=block_bytes, cache_type=cache_type)
    if (file.details["ETag"], file.size) != (etag, size_bytes):
        file.close()
        raise ObjectChanged(f"{path} has changed since it was opened elsewhere: open it again.")
    if place:
        file.seek(place)
    return file


def file_row(name: str, info: ObjectInfo) -> dict[str, Any]:
    """What fsspec tells of a file."""
    return {"name": name, "size": info.size_bytes, "type": "file", "ETag": info.etag, "modified": info.modified}
