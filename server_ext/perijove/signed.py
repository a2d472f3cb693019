"""The URLs by which objects are read that the user has no credentials for: asked of control, kept for a short time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .client import AsyncControlClient, dataset_call, presign_call
from .errors import ControlUnavailable, NoDataset, NotFound, PerijoveError, StoreUnavailable
from .models import Dataset, Presigned, Replica
from .places import Allowed

#: How many URLs are kept, and how long before their end they are replaced.
URLS_KEPT = 4096
URL_RENEW_BEFORE = timedelta(minutes=2)
#: A signed URL is asked for anew after this time, long before its end: so reads stop within a minute of the moment
#: when the user may not read any more, of which half a minute is what control believes the hub.
URL_KEPT = timedelta(seconds=25)
#: So many are asked for in one call.
PATHS_AT_ONCE = 100
#: While control was asked less than so long ago, the next call waits for more to ask: as long as more come.
BUSY_SECONDS = 0.1
LINGER_SECONDS = 0.001
LINGERS_MAX = 5


@dataclass(frozen=True)
class Signed:
    """A URL; control is asked for another at ``ask_at``, and this one serves until ``ends_at``.

    ``allowed``: what it may lead to of private networks, if it is of an archive.
    """

    url: str
    ask_at: datetime
    ends_at: datetime
    allowed: Allowed


class SignedUrls:
    """URLs of the objects of one replica. Those that are asked for while a call is under way share the next one.

    Belongs to one event loop.
    """

    def __init__(self, client: AsyncControlClient, dataset: Dataset, replica: Replica) -> None:
        self._client = client
        self._dataset = dataset
        self._replica = replica
        self._kept: OrderedDict[str, Signed] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Signed]] = {}
        self._task: asyncio.Task[None] | None = None
        self._asked_at = -BUSY_SECONDS

    async def get(self, path: str) -> str:
        """The URL of :meth:`signed`."""
        return (await self.signed(path)).url

    async def signed(self, path: str) -> Signed:
        """A URL that reads ``path`` now.

        Raises:
            PerijoveError: control refuses; or it or the store is away, and there is none at hand that still serves.
        """
        kept, now = self._kept.get(path), clock()
        if kept is not None and now < kept.ask_at:
            return kept
        try:
            signed = await self._ask(path)
        except (ControlUnavailable, StoreUnavailable):
            if kept is None or now >= kept.ends_at:
                raise
            return kept  # a pause of control, or of what mints keys, must not stop running work
        except PerijoveError:
            self.forget(path)
            raise
        self._kept[path] = signed
        self._kept.move_to_end(path)
        if len(self._kept) > URLS_KEPT:
            self._kept.popitem(last=False)
        return signed

    def forget(self, path: str) -> None:
        """The URL did not work: the next is asked for."""
        self._kept.pop(path, None)

    async def _ask(self, path: str) -> Signed:
        if self._dataset.delivery != "proxied":  # an archive is asked for each, and may not know one of many
            return self._signed(await self._call([path]))[path]
        future = self._waiting.get(path)
        if future is None:
            future = self._waiting[path] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._ask_all())
        return await asyncio.shield(future)

    async def _ask_all(self) -> None:
        while self._waiting:
            await self._linger()
            batch = {path: self._waiting.pop(path) for path in list(self._waiting)[:PATHS_AT_ONCE]}
            try:
                await self._ask_for(batch)
            except BaseException:
                for future in batch.values():
                    future.cancel()
                raise
            finally:
                self._asked_at = time.monotonic()

    async def _linger(self) -> None:
        """For those who ask at the same moment, or when many do one after the other, soon after."""
        if time.monotonic() - self._asked_at >= BUSY_SECONDS:
            await asyncio.sleep(0)
            return
        for _ in range(LINGERS_MAX):
            waiting = len(self._waiting)
            await asyncio.sleep(LINGER_SECONDS)
            if not waiting < len(self._waiting) < PATHS_AT_ONCE:
                return

    async def _ask_for(self, batch: dict[str, asyncio.Future[Signed]]) -> None:
        try:
            signed = self._signed(await self._call(list(batch)))
        except PerijoveError as error:
            if len(batch) > 1 and not isinstance(error, ControlUnavailable | StoreUnavailable):
                for path, future in batch.items():  # one of them is at fault
                    await self._ask_for({path: future})
                return
            for future in batch.values():
                future.set_exception(error)
                future.exception()  # who asked may have gone
            return
        for path, future in batch.items():
            if path in signed:
                future.set_result(signed[path])
            else:
                future.set_exception(StoreUnavailable(f"Control gave no address of {self._dataset.id}/{path}."))
                future.exception()

    async def _call(self, paths: list[str]) -> Presigned:
        try:
            return await self._client.send(presign_call(self._dataset.id, paths, self._replica.id))
        except NotFound as exc:
            if self._dataset.delivery == "proxied":  # what is signed is not looked at
                raise NoDataset(exc.detail) from None
            await self._client.send(dataset_call(self._dataset.id))  # raises if it is not the file that is missing
            raise

    def _signed(self, answer: Presigned) -> dict[str, Signed]:
        ends_at = answer.expires - URL_RENEW_BEFORE
        ask_at = min(ends_at, clock() + URL_KEPT) if self._dataset.delivery == "proxied" else ends_at
        allowed = Allowed.of(answer.private_origin or "", answer.private_origin is not None)
        return {item.path: Signed(item.url, ask_at, ends_at, allowed) for item in answer.items}


def clock() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)
