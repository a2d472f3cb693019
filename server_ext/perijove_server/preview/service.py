"""Previews as the routes want them: one child's work shared and kept for those who ask for the same."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from perijove.counting import Counts
from perijove.errors import InvalidPath, NotFound
from perijove.models import Preview
from perijove.parallel import few_at_once
from perijove.paths import check_path
from perijove.replicas import ObjectInfo
from perijove.stores import DatasetReader

from .answers import DESCRIBE, LOOK, Described, Looked, Made, Operation
from .folder import Folder
from .overviews import Overview, Overviews
from .pool import Limits, Outcome, PreviewPool
from .recent import RecentBytes, moved_of

RANGES_IN_FLIGHT = 64


@dataclass(frozen=True)
class Wish:
    """What to show and how; the child's ``Wish`` has the same fields, and tells of ``window`` and ``limits``.

    ``hdu`` is a unit of a FITS file, ``node`` the path of a node within a file that is a tree (None: the child picks
    one), ``index`` where the leading axes of that are cut, and ``first_row`` where the rows of a table begin.
    """

    path: str
    hdu: int | None
    stretch: str
    scale: str
    colormap: str
    node: str | None = None
    index: tuple[int, ...] = ()
    first_row: int = 0
    window: tuple[int, int, int, int] | None = None
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Shown:
    """A preview and its picture, empty for text."""

    preview: Preview
    picture: bytes
    etag: str | None


@dataclass(frozen=True)
class _Opened:
    """What a preview is of: an object, or a ``folder`` with the object that tells its format."""

    info: ObjectInfo
    folder: Folder | None = None

    @property
    def moved(self) -> Counts:
        """What was asked of the store so far, and what it gave."""
        return moved_of(self.info) if self.folder is None else self.folder.moved


class Previews:
    """Makes previews and keeps those made last, up to ``cache_bytes``. Belongs to one event loop.

    ``overviews`` has pictures of before, and ``recent_bytes`` is how much of what was read for them is kept for other
    looks at the same.
    """

    def __init__(self, limits: Limits, cache_bytes: int, recent_bytes: int, overviews: Overviews) -> None:
        self.pool = PreviewPool(limits)
        self._recent = RecentBytes(recent_bytes)
        self._overviews = overviews
        self._cache_bytes = cache_bytes
        self._kept: OrderedDict[tuple[Any, ...], Shown] = OrderedDict()
        self._kept_bytes = 0
        self._under_way: dict[tuple[Any, ...], asyncio.Task[Shown]] = {}

    async def look(self, reader: DatasetReader, wish: Wish) -> Shown:
        """A preview of the object, or of the directory of a Zarr, as it is now.

        Raises:
            PerijoveError: it cannot be read or shown; see ``DatasetReader.head`` and ``PreviewPool.run``.
        """
        opened = await self._open(reader, wish.path)
        info = opened.info
        if info.etag is None and info.modified is None:
            return await self._make(reader, opened, wish)  # nothing tells what was seen before from what is there now
        key = (reader.dataset.id, info.replica, info.etag, info.modified, info.size_bytes, wish)
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return replace(kept, preview=kept.preview.model_copy(update=_told(opened.moved) | {"kept": True}))
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.ensure_future(self._make(reader, opened, wish))
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)  # whoever goes away leaves the work to the others

    async def describe(self, reader: DatasetReader, path: str, hdu: int | None, node: str | None = None) -> Described:
        """What a snippet of code needs to know of a file; raises as :meth:`look`."""
        opened = await self._open(reader, path)
        wish = Wish(path, hdu, "linear", "minmax", "gray", node)
        return (await self._run(DESCRIBE, reader, opened, wish)).preview

    async def close(self) -> None:
        """End the children."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self.pool.close()

    async def _open(self, reader: DatasetReader, path: str) -> _Opened:
        try:
            return _Opened(await reader.head(check_path(path, directory=True)))
        except (NotFound, InvalidPath) as error:
            if path and isinstance(error, InvalidPath):
                raise
            folder = Folder(reader, self._recent, path)
            marker = await folder.marker()
            if marker is None:
                raise
            return _Opened(marker, folder)

    async def _make(self, reader: DatasetReader, opened: _Opened, wish: Wish) -> Shown:
        version, key, kept = opened.info.version, b"", None
        if version is not None and opened.folder is None:  # what is in a directory has no version together
            key = self._overviews.key(reader.dataset.id, version, opened.info.size_bytes, wish)
            kept = await asyncio.to_thread(self._overviews.get, key)
        if kept is not None:
            outcome: Outcome[Looked] = Outcome(kept.made, kept.picture)
        else:
            outcome = await self._run(LOOK, reader, opened, wish)
            if key and outcome.picture:
                await asyncio.to_thread(self._overviews.put, key, Overview(outcome.preview, outcome.picture))
        # What is not said stays out: only the text of a header has an HDU.
        preview = outcome.preview.model_dump(mode="json", exclude_unset=True)
        if outcome.picture:
            preview["content"] = preview["content"] | {"url": _picture_url(reader.dataset.id, wish)}
        preview |= _told(opened.moved) | {"kept": kept is not None}
        return Shown(Preview.model_validate(preview), outcome.picture, opened.info.etag)

    async def _run(
        self, operation: Operation[Made], reader: DatasetReader, opened: _Opened, wish: Wish
    ) -> Outcome[Made]:
        info, folder = opened.info, opened.folder

        async def fetch(ranges: list[tuple[int, int]]) -> list[bytes]:
            return await few_at_once(lambda span: self._recent.read(reader, info, *span), ranges, RANGES_IN_FLIGHT)

        size_bytes = info.size_bytes if folder is None else 0
        return await self.pool.run(operation, asdict(wish), size_bytes, fetch, folder)

    def _finished(self, key: tuple[Any, ...], task: asyncio.Task[Shown]) -> None:
        del self._under_way[key]
        if task.cancelled() or task.exception() is not None:
            return
        shown = task.result()
        self._kept[key] = shown
        self._kept_bytes += _size_bytes(shown)
        while self._kept_bytes > self._cache_bytes and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= _size_bytes(oldest)


def _told(moved: Counts) -> dict[str, Any]:
    return {"bytes_read": moved.bytes, "requests": moved.requests}


def _size_bytes(shown: Shown) -> int:
    return len(shown.picture) + len(shown.preview.model_dump_json())


def _picture_url(dataset_id: str, wish: Wish) -> str:
    """Where the picture is, relative to the extension's root."""
    asked = {name: value for name, value in asdict(wish).items() if value not in (None, (), 0)}
    if wish.hdu is not None:
        asked["hdu"] = wish.hdu
    for name in ("index", "window", "limits"):
        if name in asked:
            asked[name] = ",".join(map(repr, asked[name]))
    return f"datasets/{quote(dataset_id)}/preview/image?{urlencode(asked)}"
