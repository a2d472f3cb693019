"""Reading a dataset: the nearest healthy replica, one object at a time, large reads in parallel pieces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import obstore

from .client import AsyncControlClient, dataset_call
from .errors import ControlUnavailable, NotFound, NotSupported, Refused, StoreUnavailable
from .inflight import in_flight
from .models import Dataset, Replica, TreeEntry
from .paths import check_path
from .replicas import STORE_FAULTS, DirectReader, ObjectInfo, PresignedReader, ReplicaReader, store_error

Result = TypeVar("Result")

#: Reads of more than this are split: one stream of a cloud store gives some 60 MB/s, eight give seven times that.
SPLIT_ABOVE_BYTES = 16 << 20
PIECE_BYTES = 8 << 20
PIECES_IN_FLIGHT = 8
#: A stream to one reader keeps fewer pieces in memory.
STREAM_PIECES = 3
#: A replica that failed is asked last for so long.
DOWN_SECONDS = 60.0


class DatasetReader:
    """Reads the objects of one dataset. Belongs to one event loop.

    A new look at an object goes to the nearest replica that works. An opened object stays with the replica that it
    was opened on, guarded by its ETag: if it changes, reads fail with ``ObjectChanged`` and never mix two versions.
    """

    def __init__(self, client: AsyncControlClient, dataset: Dataset) -> None:
        self.dataset = dataset
        self._client = client
        self._readers: dict[str, ReplicaReader] = {}
        self._down_until: dict[str, float] = {}

    async def head(self, path: str) -> ObjectInfo:
        """Open one object: its size, ETag and the replica that answered.

        Raises:
            PerijoveError: bad path, no such file, refused, or no replica answers.
        """
        check_path(path)
        return await self.on_a_replica(lambda replica: self._reader(replica).head(path))

    async def read(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        """The bytes ``start`` up to ``stop`` (cut at the end) of an opened object.

        Raises:
            ObjectChanged: it is no longer the object that was opened.
            PerijoveError: refused, gone, or its replica does not answer.
        """
        start, stop = max(start, 0), min(stop, info.size_bytes)
        if stop <= start:
            return b""
        if stop - start <= SPLIT_ABOVE_BYTES:
            return await self._get(info, start, stop)
        gate = asyncio.Semaphore(PIECES_IN_FLIGHT)

        async def piece(offset: int) -> bytes:
            async with gate:
                return await self._get(info, offset, min(offset + PIECE_BYTES, stop))

        return b"".join(await gather_or_cancel([piece(offset) for offset in range(start, stop, PIECE_BYTES)]))

    async def stream(self, info: ObjectInfo, start: int, stop: int) -> AsyncIterator[bytes]:
        """The same bytes in order, piece by piece, with the next pieces already on their way."""
        offsets = iter(range(start, stop, PIECE_BYTES))
        tasks: list[asyncio.Task[bytes]] = []
        try:
            while True:
                while len(tasks) < STREAM_PIECES and (offset := next(offsets, None)) is not None:
                    tasks.append(asyncio.ensure_future(self._get(info, offset, min(offset + PIECE_BYTES, stop))))
                if not tasks:
                    return
                yield await tasks[0]
                del tasks[0]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def list_directory(self, path: str) -> list[TreeEntry]:
        """All entries of one directory, sorted by name. For a paged listing see the server extension's tree.

        Raises:
            NotSupported: the dataset is ``proxied``; its store cannot be listed from here.
            PerijoveError: bad path, refused, or no replica answers.
        """
        path = check_path(path, directory=True)

        async def ask(replica: Replica) -> list[TreeEntry]:
            store = await self.direct_reader(replica).store()
            try:
                with in_flight():
                    found = await obstore.list_with_delimiter_async(store, path or None)
            except STORE_FAULTS as exc:
                raise store_error(exc, self.dataset, replica, path) from None
            directories = [
                TreeEntry(name=_name(p), path=p, type="directory", size_bytes=None, modified=None)
                for p in found["common_prefixes"]
            ]
            files = [_file_entry(meta["path"], meta["size"], meta["last_modified"]) for meta in found["objects"]]
            return sorted(directories + files, key=lambda entry: entry.name)

        return await self.on_a_replica(ask)

    async def list_below(self, path: str) -> list[TreeEntry]:
        """Every file at any depth below a directory. Raises as :meth:`list_directory`."""
        path = check_path(path, directory=True)

        async def ask(replica: Replica) -> list[TreeEntry]:
            store = await self.direct_reader(replica).store()
            files: list[TreeEntry] = []
            try:
                with in_flight():
                    async for chunk in obstore.list(store, path or None, chunk_size=1000):
                        files += [_file_entry(meta["path"], meta["size"], meta["last_modified"]) for meta in chunk]
            except STORE_FAULTS as exc:
                raise store_error(exc, self.dataset, replica, path) from None
            return files

        return await self.on_a_replica(ask)

    async def on_a_replica(self, ask: Callable[[Replica], Awaitable[Result]]) -> Result:
        """Do ``ask`` with the nearest replica that answers; replicas that failed of late come last."""
        now = time.monotonic()
        by_rank = sorted(self.dataset.replicas, key=lambda replica: replica.rank)
        order = sorted(by_rank, key=lambda replica: self._down_until.get(replica.id, 0.0) > now)
        failure: StoreUnavailable | None = None
        for replica in order:
            try:
                return await ask(replica)
            except StoreUnavailable as exc:
                self.mark_down(replica.id)
                failure = failure or exc
        raise failure or StoreUnavailable(f"The dataset {self.dataset.id} has no replica that you may read.")

    def mark_down(self, replica_id: str) -> None:
        """Let other replicas be asked first for a while."""
        self._down_until[replica_id] = time.monotonic() + DOWN_SECONDS

    def direct_reader(self, replica: Replica) -> DirectReader:
        """The reader that holds the credentials of ``replica``, for listings.

        Raises:
            NotSupported: the dataset is ``proxied``.
        """
        reader = self._reader(replica)
        if not isinstance(reader, DirectReader):
            raise NotSupported(
                f"The dataset {self.dataset.id} is delivered through the platform and cannot be listed yet: "
                "open its files by their paths."
            )
        return reader

    async def _get(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        replica = next((found for found in self.dataset.replicas if found.id == info.replica), None)
        if replica is None:
            raise StoreUnavailable(f"The replica that {info.path} was opened on is gone: open it again.")
        try:
            return await self._reader(replica).get(info, start, stop)
        except StoreUnavailable:
            self.mark_down(replica.id)
            raise

    def _reader(self, replica: Replica) -> ReplicaReader:
        reader = self._readers.get(replica.id)
        if reader is None:
            kind = DirectReader if self.dataset.delivery == "direct" else PresignedReader
            reader = self._readers[replica.id] = kind(self._client, self.dataset, replica)
        return reader


class Readers:
    """The readers of all datasets that were asked for; what control says about each is believed for a while.

    When control is away, a reader at hand goes on: its replicas and credentials may well still work.
    """

    def __init__(self, client: AsyncControlClient, believed_seconds: float) -> None:
        self._client = client
        self._believed_seconds = believed_seconds
        self._kept: dict[str, tuple[DatasetReader, float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, dataset_id: str) -> DatasetReader:
        """The reader of one dataset.

        Raises:
            PerijoveError: no such dataset, refused, or control is away and nothing is at hand.
        """
        async with self._locks.setdefault(dataset_id, asyncio.Lock()):
            kept = self._kept.get(dataset_id)
            if kept is not None and time.monotonic() < kept[1]:
                return kept[0]
            try:
                reader = await self._ask(dataset_id, kept[0] if kept else None)
            except (NotFound, Refused):
                self._kept.pop(dataset_id, None)  # taken back: what is at hand must not go on
                raise
            self._kept[dataset_id] = (reader, time.monotonic() + self._believed_seconds)
            return reader

    async def _ask(self, dataset_id: str, kept: DatasetReader | None) -> DatasetReader:
        try:
            dataset = await self._client.send(dataset_call(dataset_id))
        except ControlUnavailable:
            if kept is None:
                raise
            return kept
        return kept if kept is not None and kept.dataset == dataset else DatasetReader(self._client, dataset)


async def gather_or_cancel(work: list[Awaitable[Result]]) -> list[Result]:
    """Results in order; when one fails, the others are cancelled before the error goes on."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _file_entry(path: str, size_bytes: int, modified: object) -> TreeEntry:
    return TreeEntry.model_validate(
        {"name": _name(path), "path": path, "type": "file", "size_bytes": size_bytes, "modified": modified}
    )
