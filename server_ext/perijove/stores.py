"""Reading a dataset: from the best replica that works, one object at a time, large reads in parallel pieces.

An object that was opened on one replica goes on from another when that one fails, if it is the same object there: the
same strong ETag and the same size, which are checked with every single answer.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

from . import direct, linked, proxied
from .answers import PATIENCE_BYTES
from .cache import BlockCache, BlockKey, cache_scope
from .client import AsyncControlClient, dataset_call
from .copies import Copies
from .counting import Counts, counts_of
from .errors import ControlUnavailable, NoDataset, NotFound, ObjectChanged, PerijoveError, Refused, StoreUnavailable
from .listed import AskPage, Found, Listed, all_pages, any_page
from .models import Copy, Dataset, PresignListRequest, Replica
from .objects import ObjectInfo, Version
from .parallel import few_at_once
from .paths import check_path
from .replicas import DirectReader, PresignedReader, ReplicaReader
from .straight import Asked, Straight, is_straight_way
from .whole import LOOK_MAX_BYTES

Result = TypeVar("Result")

#: Reads of more than this are split: one stream of a cloud store gives some 60 MB/s, eight give seven times that.
SPLIT_ABOVE_BYTES = 16 << 20
PIECE_BYTES = 8 << 20
PIECES_IN_FLIGHT = 8
#: A stream to one reader keeps fewer pieces in memory.
STREAM_PIECES = 3
#: A replica that sent so fast that a chunk took no longer than this is waited for by such chunks.
CHUNK_SECONDS = 0.2


class DatasetReader:
    """Reads the objects of one dataset. Belongs to one event loop.

    A new look at an object goes to the best replica that works, see ``choice``. An opened object is guarded by its
    ETag and size: if it changes, reads fail with ``ObjectChanged`` and never mix two versions.

    Args:
        client: asks control for credentials and addresses.
        dataset: what is read.
        cache: blocks on disk, if any are to be kept.
        known: what is known of the dataset's replicas already.
    """

    def __init__(
        self, client: AsyncControlClient, dataset: Dataset, cache: BlockCache | None = None, known: Copies | None = None
    ) -> None:
        self.dataset = dataset
        self.known = known.renewed(dataset.replicas) if known else Copies(dataset.replicas)
        self._client = client
        self._cache = cache
        self._readers: dict[str, ReplicaReader] = {}

    def copies(self) -> list[Copy]:
        """The replicas in the order in which they are asked, with what this process has measured of each."""
        return self.known.views()

    async def head(self, path: str, whole_max_bytes: int = LOOK_MAX_BYTES) -> ObjectInfo:
        """Open one object: its size, ETag and the replica that answered.

        Args:
            path: of the object.
            whole_max_bytes: the most that is fetched of it where its server gives no parts: without more said, as much
                as a look is worth; who will read it says ``WHOLE_MAX_BYTES``.

        Raises:
            PerijoveError: bad path, no such file, refused, no replica answers; or its server gives no parts, and it is
                longer than that.
        """
        check_path(path)
        info = await self.on_a_replica(lambda replica: self._reader(replica).head(path, whole_max_bytes))
        self._count(info, 1)
        return info

    async def open(self, path: str, start: int, stop: int) -> tuple[ObjectInfo, bytes]:
        """Open one object by its first bytes: one request where :meth:`head` and a read would be two.

        Args:
            path: of the object.
            start: of the bytes that are wanted with it.
            stop: of them, cut at the end of the object; at least ``start + 1``.

        Returns:
            The object, and those of these bytes that it has.

        Raises:
            PerijoveError: bad path, no such file, refused, no replica answers; or its server gives no parts, and it is
                too long to be fetched whole.
        """
        check_path(path)
        known = await asyncio.to_thread(self._recalled, self._cache, path) if self._cache else None
        info, data = await self.on_a_replica(
            lambda replica: self._reader(replica).open(path, start, stop, known), lambda found: len(found[1] or b"")
        )
        if data is None:  # it is as it was when it was last opened: its blocks may be on disk
            self._count(info, 1)
            return info, await self.read(info, start, stop)
        self._count(info, 1, len(data))
        if self._cache and info.version and not info.opened.whole:
            seen = Version(info.version, info.size_bytes, info.modified)
            key = self._key(info, info.version, start, start + len(data))
            await asyncio.to_thread(_keep, self._cache, seen, key, data)
        return info, data

    async def read(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        """The bytes ``start`` up to ``stop`` (cut at the end) of an opened object.

        Raises:
            ObjectChanged: it is no longer the object that was opened.
            PerijoveError: refused, gone, or no replica that holds this very object answers.
        """
        start, stop = max(start, 0), min(stop, info.size_bytes)
        if stop <= start:
            return b""
        if info.opened.whole is not None:
            return await asyncio.to_thread(info.opened.whole.read, start, stop)
        if stop - start <= SPLIT_ABOVE_BYTES:
            return await self._piece(info, start, stop)
        pieces = _pieces(start, stop)
        return b"".join(await few_at_once(lambda span: self._piece(info, *span), pieces, PIECES_IN_FLIGHT))

    async def read_on(self, info: ObjectInfo, straight: Straight, start: int, stop: int, until: int) -> bytes:
        """The same, of a reader that goes on from piece to piece, each asked for before the next, up to ``until``.

        What one stream gives faster than several is taken from ``straight``.
        """
        if not self.goes_straight(info, straight):
            return await self.read(info, start, stop)
        async with straight.turn:
            kept = await self._kept(info, start, stop)
            if kept is not None:
                straight.leave()
                return kept
            piece = await self._next_of(straight, info, start, stop, until)
        data = await piece if piece is not None else None
        if data is None:
            return await self.read(info, start, stop)
        self._count(info, 0, len(data))
        await self._keep(info, start, stop, data)
        return data

    def goes_straight(self, info: ObjectInfo, straight: Straight) -> bool:
        """Whether :meth:`read_on` takes what it gives from one stream, as far as is known."""
        replica_id = info.opened.replica or info.replica
        is_comparable = info.version is not None and info.opened.whole is None
        is_good = not self.known.is_down(replica_id) and self.known.is_enough_alone(replica_id)
        return straight.is_of_use and is_comparable and is_good

    async def stream(self, info: ObjectInfo, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The same bytes in order, piece by piece, with the next pieces already on their way."""
        spans = iter(_pieces(start, stop))
        tasks: list[asyncio.Task[bytes]] = []
        straight, is_long = Straight(), stop - start > SPLIT_ABOVE_BYTES
        try:
            while True:
                while len(tasks) < STREAM_PIECES and (span := next(spans, None)) is not None:
                    piece = self.read_on(info, straight, *span, stop) if is_long else self.read(info, *span)
                    tasks.append(asyncio.ensure_future(piece))
                if not tasks:
                    return
                yield await tasks[0]
                del tasks[0]
        finally:
            for task in tasks:
                task.cancel()
            straight.close()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def list_directory(self, path: str) -> Found:
        """All entries of one directory, sorted by path. For a paged listing see the server extension's tree.

        Raises:
            PerijoveError: bad path, refused, or no replica answers.
        """
        path = check_path(path, directory=True)
        if self.dataset.delivery == "linked":
            return Found(await linked.entries(self._client, self.dataset.id, path), 0)
        return await self._list(all_pages, PresignListRequest(path=path))

    async def list_below(self, path: str) -> Found:
        """Every file at any depth below a directory. Raises as :meth:`list_directory`."""
        path = check_path(path, directory=True)
        if self.dataset.delivery == "linked":
            return Found(await linked.files_below(self._client, self.dataset.id, path), 0)
        return await self._list(all_pages, PresignListRequest(path=path, delimiter=""))

    async def has_directory(self, path: str) -> bool:
        """Whether anything lies below ``path``: one name of it is asked for. Raises as :meth:`list_directory`."""
        path = check_path(path, directory=True)
        if self.dataset.delivery == "linked":
            return await linked.has_entries(self._client, self.dataset.id, path)
        return await self._list(any_page, PresignListRequest(path=path, limit=1))

    async def page(self, replica: Replica, wish: PresignListRequest) -> Listed:
        """One page of what ``replica`` lists for ``wish``; not of ``linked`` datasets.

        Raises:
            PerijoveError: refused, the replica does not answer, or the cursor is not its own.
        """
        if self.dataset.delivery == "proxied":
            return await proxied.list_page(self._client, self.dataset, replica, wish)
        credentials = self._direct_reader(replica).credentials
        return await direct.list_page(self._client, self.dataset, replica, credentials, wish)

    async def _list(
        self, ask: Callable[[AskPage, PresignListRequest], Awaitable[Result]], wish: PresignListRequest
    ) -> Result:
        """Pages of a listing, all of them from one replica: a store's cursor means nothing to another."""
        return await self.on_a_replica(lambda replica: ask(partial(self.page, replica), wish))

    async def on_a_replica(
        self, ask: Callable[[Replica], Awaitable[Result]], size_bytes: Callable[[Result], int] = lambda _: 0
    ) -> Result:
        """Do ``ask`` with the best replica that answers; replicas that failed of late come last.

        One that has it not, or refuses it, is passed by: it may not have been filled yet, or its keys may be wrong.
        That is said when no other has it either. Those that are away are not waited for then.

        ``size_bytes`` tells of a result how long the body was that came with it.
        """
        failure: StoreUnavailable | None = None
        missing: NotFound | Refused | None = None
        for replica in self.known.ordered():
            if missing is not None and self.known.is_down(replica.id):
                break
            try:
                return await self.known.measured(replica, ask(replica), size_bytes)
            except NoDataset:
                raise
            except (NotFound, Refused) as exc:
                missing = missing or exc
            except StoreUnavailable as exc:
                failure = failure or exc
        raise missing or failure or StoreUnavailable(f"The dataset {self.dataset.id} has no replica that you may read.")

    def _direct_reader(self, replica: Replica) -> DirectReader:
        """The reader that holds the credentials of ``replica``; of ``direct`` datasets only."""
        reader = self._reader(replica)
        if not isinstance(reader, DirectReader):
            raise TypeError(f"there are no keys for a dataset that is {self.dataset.delivery}")
        return reader

    async def _piece(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        """One range, from the cache on disk if it is there, else from a store."""
        if self._cache is None:
            return await self._get(info, start, stop)
        kept = await self._kept(info, start, stop)
        if kept is not None:
            return kept
        data = await self._get(info, start, stop)
        await self._keep(info, start, stop, data)
        return data

    def _recalled(self, cache: BlockCache, path: str) -> Version | None:
        return cache.recall(cache_scope(self._client.url), self.dataset.id, path)

    async def _kept(self, info: ObjectInfo, start: int, stop: int) -> bytes | None:
        if self._cache is None or info.version is None:
            return None
        kept = await asyncio.to_thread(self._cache.get, self._key(info, info.version, start, stop))
        if kept is not None:
            self._count_more(info, Counts(cache_hits=1, cache_bytes=len(kept)))
        return kept

    async def _keep(self, info: ObjectInfo, start: int, stop: int, data: bytes) -> None:
        if self._cache is not None and info.version is not None:
            await asyncio.to_thread(self._cache.put, self._key(info, info.version, start, stop), data)

    def _key(self, info: ObjectInfo, version: str, start: int, stop: int) -> BlockKey:
        scope = cache_scope(self._client.url)
        return BlockKey(scope, self.dataset.id, info.path, version, info.size_bytes, start, stop)

    async def _next_of(
        self, straight: Straight, info: ObjectInfo, start: int, stop: int, until: int
    ) -> asyncio.Future[bytes | None] | None:
        """A piece of the long answer, which is asked for if there is none; None: it is to be read otherwise."""
        if straight.continues_at(start):
            return straight.take(stop)
        replica = self.known.find(info.opened.replica or info.replica)
        if replica is None or info.version is None or not self.goes_straight(info, straight):
            return None
        # an answer up to the end would bring what follows on disk again, and is not begun
        following = self._key(info, info.version, stop, min(2 * stop - start, until))
        if self._cache is not None and await asyncio.to_thread(self._cache.seems_to_have, following):
            straight.leave()
            return None
        try:
            url = await self._reader(replica).address(info.path)
        except PerijoveError:  # it is read otherwise, which tells what is wrong
            return None
        if url is None or not is_straight_way(url):
            straight.is_of_use = False
            return None
        asked = Asked(url, start, min(until, info.size_bytes), info.version, info.size_bytes)
        self._count(info, 1)
        straight.begin(asked, partial(self.known.mark_slow_alone, replica.id))
        return straight.take(stop)

    async def _get(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        """One range from the replica that the object is read from, or from the next that holds this very object."""
        current = info.opened.replica or info.replica
        failure: StoreUnavailable | None = None
        gone: NotFound | Refused | None = None
        for replica in self._sources(info, current):
            if gone is not None and self.known.is_down(replica.id):
                continue
            self._count(info, 1)
            try:
                ask = self._reader(replica).get(info, start, stop, self._chunk_bytes(replica))
                data = await self.known.measured(replica, ask, len)
            except StoreUnavailable as exc:
                failure = exc if failure is None or replica.id == current else failure
            except NoDataset:
                raise
            except (NotFound, Refused) as exc:
                gone = exc if replica.id == current else gone
            except (ControlUnavailable, ObjectChanged):
                if replica.id == current:
                    raise
            else:
                is_first = replica.id != current and info.opened.replica != replica.id
                if is_first:  # pieces that are read at the same time fail over together
                    info.opened.replica = replica.id
                self._count(info, 0, len(data))
                if is_first:
                    self._count_more(info, Counts(fail_overs=1))
                return data
        raise gone or self._explained(info, failure)

    def _chunk_bytes(self, replica: Replica) -> int:
        """What a replica has sent of late in a moment that is far below anybody's patience, or the least."""
        return max(int((self.known.bytes_per_second(replica.id) or 0) * CHUNK_SECONDS), PATIENCE_BYTES)

    def _sources(self, info: ObjectInfo, current: str) -> Iterator[Replica]:
        """Where to look for an opened object: where it is read now, unless that has failed of late, then elsewhere."""
        now_at = None if self.known.is_down(current) else self.known.find(current)
        if now_at is not None:
            yield now_at
        replicas = [one for one in self.known.ordered() if one.id == current or info.version is not None]
        rest = [one for one in replicas if one is not now_at]
        yield from sorted(rest, key=lambda one: (self.known.is_down(one.id), one.id != current))

    def _explained(self, info: ObjectInfo, failure: StoreUnavailable | None) -> StoreUnavailable:
        what = f"{self.dataset.id}/{info.path}"
        if failure is None:
            return StoreUnavailable(f"The copy {info.replica} that {what} was opened on is gone: open it again.")
        if len(self.known.replicas) == 1:
            return failure
        if info.version is None:
            return StoreUnavailable(
                f"{failure.detail.removesuffix('.')}, and without a strong ETag it cannot be compared with the other "
                "copies: open it again."
            )
        return StoreUnavailable(f"{failure.detail.removesuffix('.')}, and no other copy gives the same version of it.")

    def _count(self, info: ObjectInfo, requests: int, size_bytes: int = 0) -> None:
        """What every read counts; of ten thousand small files, most of the time is spent in between."""
        for counts in (info.opened.counts, counts_of(self.dataset.id)):
            counts.requests += requests
            counts.bytes += size_bytes

    def _count_more(self, info: ObjectInfo, more: Counts) -> None:
        for counts in (info.opened.counts, counts_of(self.dataset.id)):
            counts.add(more)

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

    def __init__(self, client: AsyncControlClient, believed_seconds: float, cache: BlockCache | None = None) -> None:
        self._client = client
        self._cache = cache
        self._believed_seconds = believed_seconds
        self._kept: dict[str, tuple[DatasetReader, float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, dataset_id: str) -> DatasetReader:
        """The reader of one dataset.

        Raises:
            PerijoveError: no such dataset, refused, or control is away and nothing is at hand.
        """
        kept = self._kept.get(dataset_id)
        if kept is not None and time.monotonic() < kept[1]:
            return kept[0]
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
        if kept is not None and kept.dataset == dataset:
            return kept
        return DatasetReader(self._client, dataset, self._cache, kept.known if kept else None)


def _keep(cache: BlockCache, seen: Version, key: BlockKey, data: bytes) -> None:
    cache.remember(key.scope, key.dataset, key.path, seen)
    if data:
        cache.put(key, data)


def _pieces(start: int, stop: int) -> list[tuple[int, int]]:
    """Ranges that end where pieces end, so that reads from different places share blocks of the cache."""
    cuts = [start, *range((start // PIECE_BYTES + 1) * PIECE_BYTES, stop, PIECE_BYTES), stop]
    return list(itertools.pairwise(cuts)) if stop > start else []
