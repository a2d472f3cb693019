"""The fsspec filesystem ``perijove://dataset/path``, read-only.

pandas, h5py, xarray, zarr and astropy take its URLs or the file objects that :meth:`PerijoveFileSystem.open` gives.
The root lists the datasets.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import warnings
import weakref
from concurrent.futures import Future, wait
from pathlib import Path
from typing import IO, Any

from fsspec.asyn import AsyncFileSystem, get_loop, sync
from fsspec.exceptions import FSTimeoutError

from .access import access_for
from .beginning import Beginning, begin, first_span
from .cache import block_cache
from .client import ITEMS_MAX, AsyncControlClient, Search
from .errors import BadRequest, InvalidPath, NoDataset, NotFound, NotSupported, PerijoveError, ReadOnly, Refused
from .files import PerijoveFile, file_row
from .listed import Found
from .models import PLATFORM_CATALOGUE, Dataset, TreeEntry
from .parallel import Haste, few_at_once
from .paths import PATH_MAX_BYTES, check_path, split_url
from .stores import Readers

#: What control says about a dataset is believed for so long.
DATASET_SECONDS = 60.0
#: Connections that are still open when Python ends get so long to be closed.
CLOSE_SECONDS = 1.0
#: The root lists all datasets up to so many.
ROOTS_MAX = 1000
#: Reads under way at once, see :class:`parallel.Haste`; fsspec's own way has 128 small files under way, too.
RANGES_IN_FLIGHT = (32, 64)
FILES_IN_FLIGHT = (64, 128)
#: Files are opened with no more of their first block than this: many are opened for a look at their kind only.
FIRST_BYTES = 1 << 20
#: Options of fsspec itself. There are none of our own: options come with catalogues that strangers wrote.
OPTIONS = frozenset({"asynchronous", "batch_size", "listings_expiry_time", "loop", "max_paths", "use_listings_cache"})


class _Connection:
    """The client of control and the readers with their credentials; belongs to one event loop."""

    def __init__(self) -> None:
        self.client = AsyncControlClient()
        self.readers = Readers(self.client, DATASET_SECONDS, block_cache())
        self._pid = os.getpid()

    def begin_to_close(self) -> Future[None] | None:
        """Have it closed by the loop that its sessions belong to; None: there are none, or that runs no more.

        Whoever waits for it must not be in that loop's thread, where garbage may be collected.
        """
        loop = self.client.loop
        if loop is None or not loop.is_running() or self._pid != os.getpid():  # a forked child has no such thread
            return None
        return asyncio.run_coroutine_threadsafe(self.client.aclose(), loop)


_connections: dict[tuple[int, str | None, str | None], _Connection] = {}
_connections_lock = threading.Lock()
#: Those of filesystems that belong to others' loops, each with its own.
_of_others: weakref.WeakSet[_Connection] = weakref.WeakSet()


def _shared_connection() -> _Connection:
    """One connection for all threads: fsspec makes a filesystem per thread, which would each fetch credentials.

    A forked child has connections of its own.
    """
    token = os.environ.get("JUPYTERHUB_API_TOKEN") or os.environ.get("PERIJOVE_LEASE_TOKEN")
    key = (os.getpid(), os.environ.get("PERIJOVE_CONTROL_URL"), token)
    with _connections_lock:
        if key not in _connections:
            _connections[key] = _Connection()
        return _connections[key]


def close_connections() -> None:
    """Close what all filesystems of this process share; files that are open do not work any more."""
    with _connections_lock:
        connections = list(_connections.values())
        _connections.clear()
        PerijoveFileSystem.clear_instance_cache()
    for connection in connections:
        sync(get_loop(), connection.client.aclose)


def _close_at_exit() -> None:
    """In good order, or aiohttp complains; but nobody waits long for it."""
    with _connections_lock:
        connections = [connection for key, connection in _connections.items() if key[0] == os.getpid()]
    for connection in connections:
        with contextlib.suppress(FSTimeoutError):
            sync(get_loop(), connection.client.aclose, timeout=CLOSE_SECONDS)
    closings = [closing for each in tuple(_of_others) if (closing := each.begin_to_close())]
    wait(closings, timeout=CLOSE_SECONDS)


atexit.register(_close_at_exit)


class PerijoveFileSystem(AsyncFileSystem):  # type: ignore[misc] # fsspec has no types
    """The datasets of the platform as a read-only filesystem.

    It takes no options but fsspec's own. Control's address and the hub token always come from the environment: fsspec
    keeps options, prints them and sends them to Dask workers, and takes them from catalogues, which must not choose
    where the token goes.

    All methods of fsspec that read work; those that write raise ``ReadOnly``. Errors are ``PerijoveError``s, which
    are also ``FileNotFoundError``, ``PermissionError`` or ``OSError`` where libraries look for those.

    Raises:
        BadRequest: an unknown option, whose name the text has, and not its value.
        NotConfigured: the environment does not say where control is.
    """

    protocol = "perijove"
    async_impl = True
    mirror_sync_methods = True

    def __init__(self, **kwargs: Any) -> None:
        if unknown := sorted(set(kwargs) - OPTIONS):
            raise BadRequest(
                f"perijove:// does not take the option {unknown[0]!r}: where the platform is and who asks come from "
                f"the environment; expected only {', '.join(sorted(OPTIONS))}."
            )
        super().__init__(**kwargs)
        self._connection = _Connection() if self.asynchronous else _shared_connection()
        if self.asynchronous:
            # zarr makes one for each dataset that it opens, and closes none
            _of_others.add(self._connection)
            weakref.finalize(self, self._connection.begin_to_close).atexit = False
        self._client = self._connection.client
        self._readers = self._connection.readers

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(item) for item in path]
        return str(path).removeprefix("perijove://").rstrip("/")

    async def _begin(self, path: str, start: int, stop: int) -> Beginning:
        dataset_id, inner = split_url(self._strip_protocol(path))
        return await begin(await self._readers.get(dataset_id), inner, start, stop)

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if not path:
            return _directory("")
        dataset_id, inner = split_url(path)
        reader = await self._readers.get(dataset_id)
        if not inner:
            return _directory(path)
        check_path(inner)
        try:
            return file_row(path, await reader.head(inner))
        except NotFound:
            if not await reader.has_directory(inner):
                raise
        return _directory(path)

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        path = self._strip_protocol(path)
        if not path:
            rows = [_directory(dataset.id) for dataset in await self._roots(**kwargs)]
        else:
            dataset_id, inner = split_url(path)
            reader = await self._readers.get(dataset_id)
            found = await reader.list_directory(inner)
            _tell_skipped(path, found)
            rows = [_row(dataset_id, entry) for entry in found.entries]
            if not rows and inner:  # a file lists itself; what is neither a file nor a directory raises
                rows = [row for row in [await self._info(path)] if row["type"] == "file"]
        return rows if detail else [row["name"] for row in rows]

    async def _roots(self, catalogue: str | None = None, **kwargs: Any) -> list[Dataset]:
        """The datasets of the root, or of one catalogue."""
        search = Search(catalogue=(catalogue,)) if catalogue else None
        found, more = await self._client.some_datasets(ITEMS_MAX if catalogue else ROOTS_MAX, None, search)
        if more is None:
            return found
        if catalogue:
            raise NotSupported(
                f"The catalogue {catalogue} has more than {ITEMS_MAX:,} datasets: search with perijove.datasets(...)."
            )
        warnings.warn(
            f"There are more than {ROOTS_MAX:,} datasets: perijove:// lists those of the platform's own catalogue "
            "only. Those of another are listed by ls('', catalogue=...), and searched by perijove.datasets(...).",
            stacklevel=2,
        )
        return await self._roots(PLATFORM_CATALOGUE)

    async def _find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: Any
    ) -> Any:
        path = self._strip_protocol(path)
        if not path or maxdepth is not None or withdirs:
            return await super()._find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **kwargs)
        dataset_id, inner = split_url(path)
        reader = await self._readers.get(dataset_id)
        found = await reader.list_below(inner)
        _tell_skipped(path, found)
        rows = [_row(dataset_id, entry) for entry in found.entries]
        if not rows and inner:
            rows = [row for row in [await self._info(path)] if row["type"] == "file"]
        return {row["name"]: row for row in rows} if detail else [row["name"] for row in rows]

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        try:
            beginning = await self._begin(path, *first_span(start, end))
            first, last, _ = slice(start, end).indices(beginning.info.size_bytes)
            return await beginning.read(first, last)
        except NoDataset as exc:
            raise _refused(exc) from None

    async def _cat(
        self,
        path: str | list[str],
        recursive: bool = False,
        on_error: str = "raise",
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """The contents of files, a bounded number of them at once: fsspec's own way opens more than a thousand."""
        paths = await self._expand_path(path, recursive=recursive)
        haste = Haste(*FILES_IN_FLIGHT)

        async def one(name: str) -> Any:
            try:
                data = await self._cat_file(name, **kwargs)
                haste.came(len(data))
                return data
            except PerijoveError as exc:
                if on_error == "raise":
                    raise
                return exc

        found = await few_at_once(one, paths, batch_size or self.batch_size or haste.at_once)
        if isinstance(path, str) and paths == [self._strip_protocol(path)]:
            return found[0]
        kept = zip(paths, found, strict=True)
        return {name: data for name, data in kept if on_error != "omit" or not isinstance(data, PerijoveError)}

    async def _get_file(self, rpath: str, lpath: Any, **kwargs: Any) -> None:
        """Write an object to a local file; directories are made as needed."""
        try:
            beginning = await self._begin(rpath, *first_span(None, None))
        except (InvalidPath, NotFound):
            if not await self._isdir(rpath):
                raise
            await asyncio.to_thread(os.makedirs, lpath, exist_ok=True)
            return
        file = await asyncio.to_thread(_created, lpath) if isinstance(lpath, str | os.PathLike) else lpath
        try:
            async for piece in beginning.stream(0, beginning.info.size_bytes):
                await asyncio.to_thread(file.write, piece)
        finally:
            if file is not lpath:
                await asyncio.to_thread(file.close)

    async def _cat_ranges(
        self,
        paths: list[str],
        starts: list[int | None] | int | None,
        ends: list[int | None] | int | None,
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Many ranges, each file opened once; ``max_gap`` is not used: each range is one request.

        The first range of each file opens it, so that a file is asked for as often as it has ranges.
        """
        firsts = starts if isinstance(starts, list) else [starts] * len(paths)
        lasts = ends if isinstance(ends, list) else [ends] * len(paths)
        opened: dict[str, asyncio.Task[Beginning]] = {}
        haste = Haste(*RANGES_IN_FLIGHT)

        async def one(asked: tuple[str, int | None, int | None]) -> Any:
            path, start, end = asked
            try:
                if path not in opened:
                    opened[path] = asyncio.ensure_future(self._begin(path, *first_span(start, end)))
                opening = opened[path]
                beginning = opening.result() if opening.done() else await asyncio.shield(opening)
                first, last, _ = slice(start, end).indices(beginning.info.size_bytes)
                data = await beginning.read(first, last)
                haste.came(len(data))
                return data
            except PerijoveError as exc:
                error = _refused(exc) if isinstance(exc, NoDataset) else exc
                if on_error == "return":
                    return error
                raise error from None

        try:
            asked = list(zip(paths, firsts, lasts, strict=True))
            return await few_at_once(one, asked, batch_size or haste.at_once)
        finally:
            for task in opened.values():
                task.cancel()
            await asyncio.gather(*opened.values(), return_exceptions=True)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> PerijoveFile:
        if mode != "rb":
            raise ReadOnly(f"{path} cannot be opened with mode {mode!r}: datasets are read-only, use 'rb' or 'r'.")
        block_bytes = block_size or access_for(self._strip_protocol(path)).block_bytes
        beginning = sync(self.loop, self._begin, path, 0, min(block_bytes, FIRST_BYTES))
        return PerijoveFile(self, path, beginning, block_size, cache_options, **kwargs)

    def created(self, path: str) -> Any:
        """Not known to object stores."""
        raise NotSupported("Object stores do not remember when an object was created, only when it was modified.")

    def modified(self, path: str) -> Any:
        """When the object was last written, in UTC."""
        return self.info(path).get("modified")

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        raise _read_only(path)

    async def _put_file(self, lpath: str, rpath: str, mode: str = "overwrite", **kwargs: Any) -> None:
        raise _read_only(rpath)

    async def _cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        raise _read_only(path2)

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        raise _read_only(path)

    async def _mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        raise _read_only(path)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        raise _read_only(path)


def _refused(error: NoDataset) -> Refused:
    """Zarr takes a chunk that is not found for one never written: of a dataset that was taken back it made zeros."""
    return Refused(error.detail)


def _created(path: str | os.PathLike[str]) -> IO[bytes]:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place.open("wb")


def _read_only(path: str) -> ReadOnly:
    return ReadOnly(f"{path} cannot be changed: datasets are read-only.")


def _tell_skipped(path: str, found: Found) -> None:
    """Warn of names that are in the store and not in the answer."""
    if found.skipped:
        names = "1 name" if found.skipped == 1 else f"{found.skipped:,} names"
        warnings.warn(
            f"{names} in {path} cannot be shown here: a key has at most {PATH_MAX_BYTES:,} bytes. Ask whoever "
            "keeps the dataset to store them by shorter names.",
            stacklevel=2,
        )


def _directory(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def _row(dataset_id: str, entry: TreeEntry) -> dict[str, Any]:
    name = f"{dataset_id}/{entry.path}"
    if entry.type == "directory":
        return _directory(name)
    return {"name": name, "size": entry.size_bytes, "type": "file", "modified": entry.modified}
