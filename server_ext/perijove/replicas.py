"""Reading single objects from one replica: with credentials (``direct``) or by URLs that control names (the others)."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import obstore
from obstore.store import HTTPStore, S3Store

from . import answers, direct, short, web
from .answers import RETRIES_MAX, STORE_FAULTS, UnfitAnswer, address_of, known_date, store_error, store_status
from .client import AsyncControlClient, credentials_call
from .credentials import CredentialSource
from .errors import NotSupported, PerijoveError, Refused
from .inflight import in_flight
from .keys import is_odd
from .models import Credentials, Dataset, Replica
from .objects import ObjectInfo as ObjectInfo
from .objects import Opened, Version
from .places import Allowed
from .signed import Signed, SignedUrls, clock
from .whole import WHOLE_MAX_BYTES

if TYPE_CHECKING:
    import aiohttp
    from obstore.store import ClientConfig, RetryConfig

Result = TypeVar("Result")

#: One request moves at most 16 MiB; that it moves at all is watched apart.
REQUEST_TIMEOUT = timedelta(seconds=300)
CONNECT_TIMEOUT = timedelta(seconds=3)
RETRIES: RetryConfig = {
    "max_retries": RETRIES_MAX,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}

#: An address of our own that is kept, for reads of one object after the other.
SIGNED_FOR = timedelta(seconds=direct.SIGNED_SECONDS)
SIGNED_KEPT_SECONDS = direct.SIGNED_SECONDS / 2
#: How many stores of one URL, and how many addresses of our own, are kept.
STORES_KEPT = 512


class ReplicaReader(Protocol):
    """Reads the objects of one replica. Raises only ``PerijoveError``s."""

    async def head(self, path: str, whole_max_bytes: int) -> ObjectInfo:
        """Size and ETag of one object; see :meth:`stores.DatasetReader.head`."""

    async def open(self, path: str, start: int, stop: int, known: Version | None) -> tuple[ObjectInfo, bytes | None]:
        """An object and its bytes from ``start`` up to, not including, ``stop``, as far as it has any.

        No bytes, None, if it is the version ``known``.
        """

    async def get(self, info: ObjectInfo, start: int, stop: int, chunk_bytes: int) -> bytes:
        """The bytes from ``start`` up to, not including, ``stop``, of exactly the object that ``info`` tells of.

        ``chunk_bytes``: see :func:`answers.part`.
        """

    async def address(self, path: str) -> str | None:
        """A URL that reads one object now by a GET of any client, which may be secret; None: there is none."""


class Urls(Protocol):
    """Where the URLs come from by which objects are read."""

    async def get(self, path: str) -> str:
        """The URL of :meth:`signed`."""

    async def signed(self, path: str) -> Signed:
        """A URL that reads ``path`` now. Raises PerijoveError: there is none."""

    def forget(self, path: str) -> None:
        """The URL did not work."""


class DirectReader:
    """Reads straight from the store, with credentials from control.

    Keys that are no paths are read by URLs that are signed here: obstore cleans such keys up, or refuses them.
    """

    def __init__(self, client: AsyncControlClient, dataset: Dataset, replica: Replica) -> None:
        self._client = client
        self._dataset = dataset
        self._replica = replica
        #: Addresses with until when they serve, and the credentials by which they were signed.
        self._signed: OrderedDict[str, tuple[str, float, Credentials]] = OrderedDict()
        self.credentials = CredentialSource(lambda: client.send(credentials_call(dataset.id, replica.id)))
        self._store: tuple[Credentials, S3Store] | None = None
        self._odd = PresignedReader(client, dataset, replica, _OwnUrls(self._address))

    async def store(self) -> S3Store:
        """An obstore store whose root is the dataset's prefix, with credentials that are valid now."""
        return self._store_with(await self.credentials.get())

    def _store_with(self, told: Credentials) -> S3Store:
        """Made anew for other credentials: obstore could ask for them by itself, but would do so at each request."""
        if self._store is None or self._store[0] is not told:
            keys: dict[str, Any] = {"skip_signature": True}
            if told.kind != "anonymous":
                keys = {"access_key_id": told.access_key_id or "", "secret_access_key": told.secret_access_key or ""}
                keys |= {"session_token": told.session_token} if told.session_token else {}
            if told.endpoint:
                keys["endpoint"] = told.endpoint
            store = S3Store(
                told.bucket,
                prefix=told.prefix.strip("/") or None,
                region=told.region,
                virtual_hosted_style_request=False,
                client_options=_client_options(told.endpoint),
                retry_config=RETRIES,
                **keys,
            )
            self._store = told, store
        return self._store[1]

    async def head(self, path: str, whole_max_bytes: int) -> ObjectInfo:
        """See :class:`ReplicaReader`."""
        if is_odd(path):
            return await self._oddly(lambda: self._odd.head(path, whole_max_bytes))
        meta = await self._guarded(path, lambda store: answers.head(store, path))
        return ObjectInfo(path, meta["size"], meta["e_tag"], known_date(meta), self._replica.id)

    async def open(self, path: str, start: int, stop: int, known: Version | None) -> tuple[ObjectInfo, bytes | None]:
        """See :class:`ReplicaReader`. One request, but for empty objects and stores that give no parts."""
        if is_odd(path):
            return await self._oddly(lambda: self._odd.open(path, start, stop, known))
        url = await self._address(path)
        seen = await short.look(self._client.connections(), url, start, stop, known.etag if known else None)
        if seen is None:
            return await self._guarded(path, lambda store: self._first(store, path, start, stop, known))
        return _as_looked(seen, self._dataset, self._replica, path, known)

    async def get(self, info: ObjectInfo, start: int, stop: int, chunk_bytes: int) -> bytes:
        """See :class:`ReplicaReader`."""
        path = info.path
        if is_odd(path):
            return await self._oddly(lambda: self._odd.get(info, start, stop, chunk_bytes))
        if short.is_short(info, start, stop):
            data = await short.part(self._client.connections(), await self._address(path), info, start, stop)
            if data is not None:
                return data
        return await self._guarded(path, lambda store: answers.part(store, path, info, start, stop, chunk_bytes))

    async def address(self, path: str) -> str | None:
        """See :class:`ReplicaReader`."""
        return await self._address(path)

    async def _address(self, path: str) -> str:
        """Signed here, which asks nobody."""
        told = await self.credentials.get()
        kept, now = self._signed.get(path), time.monotonic()
        if kept is not None and kept[2] is told and now < kept[1]:
            return kept[0]
        url = self._sign(told, path)
        self._signed[path] = (url, now + SIGNED_KEPT_SECONDS, told)
        self._signed.move_to_end(path)
        if len(self._signed) > STORES_KEPT:
            self._signed.popitem(last=False)
        return url

    def _sign(self, told: Credentials, path: str) -> str:
        if told.kind == "anonymous" or is_odd(path):
            return direct.object_url(told, path)
        try:
            # not by its asynchronous call, which takes longer than to sign
            return obstore.sign(self._store_with(told), "GET", path, SIGNED_FOR)
        except STORE_FAULTS as exc:
            raise store_error(exc, self._dataset, self._replica, path) from None

    async def _first(
        self, store: S3Store, path: str, start: int, stop: int, known: Version | None
    ) -> tuple[ObjectInfo, bytes | None]:
        try:
            first = await answers.first_part(store, path, start, stop, known.etag if known else None)
        except UnfitAnswer as exc:
            if not exc.is_whole:
                raise
            return await self._whole(store, path, start, stop)
        except STORE_FAULTS as exc:
            if store_status(exc) != 416:
                raise
            meta = await answers.head(store, path)  # there is no such part: it is empty, or shorter
            if meta["size"] > start:
                raise UnfitAnswer(1) from None
            return ObjectInfo(path, meta["size"], meta["e_tag"], known_date(meta), self._replica.id), b""
        if first is None:
            return _as_known(path, known, self._replica)
        return ObjectInfo(path, first.size_bytes, first.etag, first.modified, self._replica.id), first.data

    async def _whole(self, store: S3Store, path: str, start: int, stop: int) -> tuple[ObjectInfo, bytes]:
        """All of an object of a store that gives no parts."""
        meta, whole = await answers.all_of(store, path, f"{self._dataset.id}/{path}", WHOLE_MAX_BYTES)
        info = ObjectInfo(
            path, whole.size_bytes, meta["e_tag"], known_date(meta), self._replica.id, Opened(whole=whole)
        )
        return info, await asyncio.to_thread(whole.read, min(start, info.size_bytes), min(stop, info.size_bytes))

    async def _oddly(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Do ``read``; if the store refuses our credentials, once more with new ones."""
        used = await self.credentials.get()
        try:
            return await read()
        except Refused:
            if used.kind == "anonymous" or not self.credentials.forget(used):
                raise
        return await read()

    async def _guarded(self, path: str, action: Callable[[S3Store], Awaitable[Result]]) -> Result:
        """Do ``action`` with the store; if it refuses our credentials, once more with new ones."""
        used = await self.credentials.get()
        try:
            with in_flight():
                return await action(self._store_with(used))
        except STORE_FAULTS as exc:
            doubtful = used.kind != "anonymous" and store_status(exc) in {400, 401, 403}
            if not (doubtful and self.credentials.forget(used)):
                raise store_error(exc, self._dataset, self._replica, path) from None
        try:
            with in_flight():
                return await action(await self.store())
        except STORE_FAULTS as exc:
            raise store_error(exc, self._dataset, self._replica, path) from None


class _OwnUrls:
    """URLs that are signed here, by ``address``."""

    def __init__(self, address: Callable[[str], Awaitable[str]]) -> None:
        self._address = address

    async def get(self, path: str) -> str:
        """See :class:`Urls`."""
        return await self._address(path)

    async def signed(self, path: str) -> Signed:
        """See :class:`Urls`."""
        return Signed(await self.get(path), clock(), clock(), Allowed())

    def forget(self, path: str) -> None:
        """See :class:`Urls`: the next is of other credentials, if there are any."""


class PresignedReader:
    """Reads by URLs that control names for one object each, or that ``urls`` gives.

    Those of ``proxied`` datasets it signs, because the credentials stay with control. Those of ``linked`` ones are the
    public addresses at plain web servers, which may have weak ETags or none: then size and date tell the version; they
    are read by :mod:`web` alone, which goes to no private place. Servers that give no parts send all of an object,
    which is then kept on disk while it is open.
    """

    def __init__(
        self, client: AsyncControlClient, dataset: Dataset, replica: Replica, urls: Urls | None = None
    ) -> None:
        self._client = client
        self._dataset = dataset
        self._replica = replica
        self._is_store = dataset.delivery != "linked"
        self._urls = urls or SignedUrls(client, dataset, replica)
        self._where = f"copy {replica.id} at {address_of(replica)}"
        self._stores: OrderedDict[str, tuple[str, HTTPStore]] = OrderedDict()

    async def head(self, path: str, whole_max_bytes: int) -> ObjectInfo:
        """See :class:`ReplicaReader`. The URL is signed for GET, so the first byte is asked for instead of a HEAD."""
        return (await self._look(path, 0, 1, None, whole_max_bytes))[0]

    async def open(self, path: str, start: int, stop: int, known: Version | None) -> tuple[ObjectInfo, bytes | None]:
        """See :class:`ReplicaReader`."""
        return await self._look(path, start, stop, known, WHOLE_MAX_BYTES)

    async def get(self, info: ObjectInfo, start: int, stop: int, chunk_bytes: int) -> bytes:
        """See :class:`ReplicaReader`."""
        if short.is_short(info, start, stop) and (url := await self.address(info.path)) is not None:
            data = await short.part(self._client.connections(), url, info, start, stop)
            if data is not None:
                return data
        if not self._is_store or is_odd(info.path):  # obstore would clean such an address up
            return await self._in_one(info, start, stop)
        try:
            store = await self._store(info.path)
            with in_flight():
                return await answers.part(store, "", info, start, stop, chunk_bytes)
        except STORE_FAULTS as exc:
            self._urls.forget(info.path)  # the URL may be what is wrong
            raise store_error(exc, self._dataset, self._replica, info.path) from None

    async def address(self, path: str) -> str | None:
        """See :class:`ReplicaReader`."""
        return await self._urls.get(path) if self._is_store else None

    async def _look(
        self, path: str, start: int, stop: int, known: Version | None, whole_max_bytes: int
    ) -> tuple[ObjectInfo, bytes | None]:
        etag = known.etag if known else None
        http, asked = await self._asked(path, start, stop, etag, whole_max_bytes)
        if asked.is_store:
            found = await short.look(self._client.connections(), asked.url, start, stop, etag)
            if found is not None:
                return _as_looked(found, self._dataset, self._replica, path, known)
        try:
            seen = await web.look(http, asked)
        except PerijoveError:
            self._urls.forget(path)
            raise
        if seen is None:
            return _as_known(path, known, self._replica)
        if start > 0 and seen.size_bytes > 0 and not seen.data and seen.whole is None:
            # outside of it, of which the answer tells no version
            return (await self._look(path, 0, 1, None, whole_max_bytes))[0], b""
        if seen.etag is None and seen.modified is None and seen.whole is None and seen.size_bytes > 0:
            raise NotSupported(
                f"The server of {asked.what} tells neither an ETag nor a date of it, so reading it in "
                "parts could mix two versions: download it as a whole from its own pages."
            )
        opened = Opened(whole=seen.whole)
        return ObjectInfo(path, seen.size_bytes, seen.etag, seen.modified, self._replica.id, opened), seen.data

    async def _in_one(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        http, asked = await self._asked(info.path, start, stop)
        try:
            return await web.part(http, asked, info)
        except PerijoveError:
            self._urls.forget(info.path)  # the URL may be what is wrong
            raise

    async def _asked(
        self, path: str, start: int, stop: int, unless_etag: str | None = None, whole_max_bytes: int = 0
    ) -> tuple[aiohttp.ClientSession, web.Asked]:
        """A wish, and the way by which it is to be asked."""
        signed = await self._urls.signed(path)
        allowed = None if self._is_store else signed.allowed
        http = self._client.stores() if allowed is None else self._client.archives(allowed)
        what = f"{self._dataset.id}/{path}"
        return http, web.Asked(
            signed.url, what, self._where, start, stop, unless_etag, whole_max_bytes, self._is_store, allowed
        )

    async def _store(self, path: str) -> HTTPStore:
        """The whole address, query included, is the store's root: every read is of the empty path below it."""
        url = await self._urls.get(path)
        kept = self._stores.get(path)
        if kept is not None and kept[0] == url:
            self._stores.move_to_end(path)
            return kept[1]
        store = HTTPStore.from_url(url, client_options=_client_options(url), retry_config=RETRIES)
        self._stores[path] = (url, store)
        if len(self._stores) > STORES_KEPT:
            self._stores.popitem(last=False)
        return store


def _as_looked(
    seen: short.Look, dataset: Dataset, replica: Replica, path: str, known: Version | None
) -> tuple[ObjectInfo, bytes | None]:
    if seen.is_missing:
        raise store_error(FileNotFoundError(), dataset, replica, path)
    if seen.data is None:
        return _as_known(path, known, replica)
    return ObjectInfo(path, seen.size_bytes, seen.etag, seen.modified, replica.id), seen.data


def _as_known(path: str, known: Version | None, replica: Replica) -> tuple[ObjectInfo, None]:
    if known is None:
        raise AssertionError("nothing was known")
    return ObjectInfo(path, known.size_bytes, known.etag, known.modified, replica.id), None


def _client_options(address: str | None) -> ClientConfig:
    options: ClientConfig = {"timeout": REQUEST_TIMEOUT, "connect_timeout": CONNECT_TIMEOUT}
    if address is not None and address.startswith("http://"):
        options["allow_http"] = True
    return options
