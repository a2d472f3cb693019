"""Reading single objects from one replica: with credentials (``direct``) or by URLs that control names (the others).

Both ways end in obstore, a binding to the Rust object_store crate: it pools connections, retries dropped connections
and 5xx answers with back-off, goes on in the middle of a body that broke off, and checks that a range answer is the
range asked for. Answers that are whole but not what was asked for are asked for again here, and a body that hardly
moves is given up. What obstore raises is turned into one sentence each. Its own texts hold addresses, which for
presigned URLs are secrets, and are never passed on.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import HTTPStore, S3Store

from .client import AsyncControlClient, credentials_call, presign_call
from .counting import Counts
from .credentials import CredentialSource
from .errors import (
    ControlUnavailable,
    InvalidPath,
    NotFound,
    NotSupported,
    ObjectChanged,
    PerijoveError,
    Refused,
    StoreUnavailable,
)
from .inflight import in_flight
from .models import Dataset, Replica

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta
    from obstore.store import ClientConfig, RetryConfig, S3Credential

Result = TypeVar("Result")

#: One request moves at most 16 MiB; that it moves at all is watched apart.
REQUEST_TIMEOUT = timedelta(seconds=300)
CONNECT_TIMEOUT = timedelta(seconds=3)
RETRIES: RetryConfig = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}

#: obstore asks a credential provider again once less than this is left of what it gave.
OBSTORE_RENEWS_BEFORE = timedelta(seconds=300)

#: How many presigned URLs are kept, and how long before their end they are replaced.
URLS_KEPT = 512
URL_RENEW_BEFORE = timedelta(minutes=2)
#: A signed URL is asked for anew after this time, long before its end: so reads stop within a minute of the moment
#: when the user may not read any more, of which half a minute is what control believes the hub.
URL_KEPT = timedelta(seconds=25)

#: What obstore raises: its own errors, and built-in ones for "not found", time-outs and bad paths.
STORE_FAULTS = (BaseError, OSError, ValueError)

#: An answer that is not what was asked for is asked for so often in all.
ANSWER_TRIES = 3
#: A store whose answer, or whose next so many bytes of it, take longer than this, retries included, is as good as dead.
PATIENCE_SECONDS = 20.0
PATIENCE_BYTES = 1 << 20

_STATUS = re.compile(r"status code: (\d{3})")
_RETRIES = re.compile(r"after (\d{1,3}) retries")
_UNFIT = re.compile(r"non-partial response|Requested \d+\.\.\d+, got")
_BROKEN_BODY = "response body error"
#: What obstore says of servers that send no Last-Modified.
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Opened:
    """What happens to an opened object: where it is read now, when not where it was opened, and what was moved."""

    replica: str | None = None
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True)
class ObjectInfo:
    """One object of one replica as it was when it was opened. ``etag`` and size guard all further reads of it."""

    path: str
    size_bytes: int
    etag: str | None
    modified: datetime | None
    replica: str
    opened: Opened = field(default_factory=Opened, compare=False, repr=False)

    @property
    def version(self) -> str | None:
        """The ETag if it is a strong one: the same bytes wherever it is the same. None: copies cannot be compared."""
        return self.etag if self.etag and not self.etag.startswith("W/") else None


class UnfitAnswer(OSError):
    """A whole answer that is not what was asked for, ``tries`` times."""

    def __init__(self, tries: int) -> None:
        super().__init__()
        self.tries = tries


class ReplicaReader(Protocol):
    """Reads the objects of one replica. Raises only ``PerijoveError``s."""

    async def head(self, path: str) -> ObjectInfo:
        """Size and ETag of one object."""

    async def get(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to, not including, ``stop``, of exactly the object that ``info`` tells of."""


class DirectReader:
    """Reads straight from the store, with credentials from control."""

    def __init__(self, client: AsyncControlClient, dataset: Dataset, replica: Replica) -> None:
        self._dataset = dataset
        self._replica = replica
        self.credentials = CredentialSource(lambda: client.send(credentials_call(dataset.id, replica.id)))
        self._store: S3Store | None = None

    async def store(self) -> S3Store:
        """An obstore store whose root is the dataset's prefix and which renews its own credentials."""
        # Fetched here and not only in the provider, so that control's refusals arrive as our own errors.
        first = await self.credentials.get()
        if self._store is None:
            keys: dict[str, Any] = {"skip_signature": True}
            if first.kind != "anonymous":
                keys = {"credential_provider": self._provide}
            if first.endpoint:
                keys["endpoint"] = first.endpoint
            self._store = S3Store(
                first.bucket,
                prefix=first.prefix.strip("/") or None,
                region=first.region,
                virtual_hosted_style_request=False,
                client_options=_client_options(first.endpoint),
                retry_config=RETRIES,
                **keys,
            )
        return self._store

    async def head(self, path: str) -> ObjectInfo:
        """See :class:`ReplicaReader`."""
        meta = await self._guarded(path, lambda store: _head(store, path))
        return ObjectInfo(path, meta["size"], meta["e_tag"], meta["last_modified"], self._replica.id)

    async def get(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        """See :class:`ReplicaReader`."""
        return await self._guarded(info.path, lambda store: _get(store, info.path, info, start, stop))

    async def _guarded(self, path: str, action: Callable[[S3Store], Awaitable[Result]]) -> Result:
        """Do ``action`` with the store; if it refuses our credentials, once more with new ones."""
        used = await self.credentials.get()
        try:
            with in_flight():
                return await action(await self.store())
        except STORE_FAULTS as exc:
            doubtful = used.kind != "anonymous" and store_status(exc) in {400, 401, 403}
            if not (doubtful and self.credentials.forget(used)):
                raise store_error(exc, self._dataset, self._replica, path) from None
        self._store = None  # obstore keeps credentials of its own accord
        try:
            with in_flight():
                return await action(await self.store())
        except STORE_FAULTS as exc:
            raise store_error(exc, self._dataset, self._replica, path) from None

    async def _provide(self) -> S3Credential:
        current = await self.credentials.get()
        now = datetime.now(UTC)
        renew_at = max(self.credentials.renew_at or now, now)  # when that has passed, it shall ask every time
        return {
            "access_key_id": current.access_key_id or "",
            "secret_access_key": current.secret_access_key or "",
            "token": current.session_token,
            "expires_at": renew_at + OBSTORE_RENEWS_BEFORE,
        }


@dataclass(frozen=True)
class _Signed:
    """A store of one URL; control is asked for another at ``ask_at``, and this one serves until ``ends_at``."""

    store: HTTPStore
    ask_at: datetime
    ends_at: datetime


class PresignedReader:
    """Reads by URLs that control names for one object each.

    Those of ``proxied`` datasets it signs, because the credentials stay with control. Those of ``linked`` ones are the
    public addresses at plain web servers, which may have weak ETags or none: then size and date tell the version.
    """

    def __init__(self, client: AsyncControlClient, dataset: Dataset, replica: Replica) -> None:
        self._client = client
        self._dataset = dataset
        self._replica = replica
        self._stores: OrderedDict[str, _Signed] = OrderedDict()

    async def head(self, path: str) -> ObjectInfo:
        """See :class:`ReplicaReader`. The URL is signed for GET, so the first byte is asked for instead of a HEAD."""
        try:
            with in_flight():
                async with asyncio.timeout(PATIENCE_SECONDS):
                    meta = (await self._first_answer(path)).meta
        except STORE_FAULTS as exc:
            raise store_error(exc, self._dataset, self._replica, path) from None
        modified = meta["last_modified"] if meta["last_modified"] != _NO_DATE else None
        if meta["e_tag"] is None and modified is None:
            raise NotSupported(
                f"The server of {self._dataset.id}/{path} tells neither an ETag nor a date of it, so reading it in "
                "parts could mix two versions: download it as a whole from its own pages."
            )
        return ObjectInfo(path, meta["size"], meta["e_tag"], modified, self._replica.id)

    async def get(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        """See :class:`ReplicaReader`."""
        try:
            with in_flight():
                return await _get(await self._store(info.path), "", info, start, stop)
        except STORE_FAULTS as exc:
            self._stores.pop(info.path, None)  # the URL may be what is wrong
            raise store_error(exc, self._dataset, self._replica, info.path) from None

    async def _first_answer(self, path: str) -> GetResult:
        store = await self._store(path)
        try:
            return await obstore.get_async(store, "", options={"range": (0, 1)})
        except STORE_FAULTS as exc:
            if store_status(exc) != 416:
                raise
        return await obstore.get_async(store, "")  # an empty object has no first byte

    async def _store(self, path: str) -> HTTPStore:
        kept, now = self._stores.get(path), datetime.now(UTC)
        if kept is not None and now < kept.ask_at:
            self._stores.move_to_end(path)
            return kept.store
        try:
            answer = await self._client.send(presign_call(self._dataset.id, [path], self._replica.id))
        except ControlUnavailable:
            if kept is None or now >= kept.ends_at:
                raise
            return kept.store  # a pause of control must not stop running work
        url = answer.items[0].url
        # The whole address, query included, is the store's root: every read is of the empty path below it.
        store = HTTPStore.from_url(url, client_options=_client_options(url), retry_config=RETRIES)
        ends_at = answer.expires - URL_RENEW_BEFORE
        ask_at = min(ends_at, now + URL_KEPT) if self._dataset.delivery == "proxied" else ends_at
        self._stores[path] = _Signed(store, ask_at, ends_at)
        if len(self._stores) > URLS_KEPT:
            self._stores.popitem(last=False)
        return store


async def _head(store: S3Store, path: str) -> ObjectMeta:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await obstore.head_async(store, path)


async def _get(store: S3Store | HTTPStore, key: str, info: ObjectInfo, start: int, stop: int) -> bytes:
    """One range of exactly the object that ``info`` tells of, complete, or an error; in bounded time and tries."""
    for _ in range(ANSWER_TRIES):
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience:
                data = await _get_once(store, key, info, start, stop, patience)
        except BaseError as exc:
            if not _UNFIT.search(str(exc)):
                raise
            continue
        if len(data) == stop - start:
            return data
    raise UnfitAnswer(ANSWER_TRIES)


async def _get_once(
    store: S3Store | HTTPStore, key: str, info: ObjectInfo, start: int, stop: int, patience: asyncio.Timeout
) -> bytes:
    options: GetOptions = {"range": (start, stop)}
    if info.version is not None:
        options["if_match"] = info.version  # weak ones never match by HTTP's rules
    answer = await obstore.get_async(store, key, options=options)
    # Some stores ignore If-Match; what they say about the object tells all the same.
    meta = answer.meta
    has_changed = meta["e_tag"] != info.etag or meta["size"] != info.size_bytes
    if has_changed or (info.version is None and info.modified not in {None, meta["last_modified"]}):
        raise PreconditionError
    chunks: list[bytes] = []
    async for chunk in answer.stream(min_chunk_size=PATIENCE_BYTES):
        patience.reschedule(asyncio.get_running_loop().time() + PATIENCE_SECONDS)
        chunks.append(bytes(chunk))
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def store_status(exc: BaseException) -> int | None:
    """The HTTP status behind an error of obstore, which tells it in its text only; None: no answer."""
    found = _STATUS.search(str(exc))
    return int(found[1]) if found else None


def store_error(exc: BaseException, dataset: Dataset, replica: Replica, path: str) -> PerijoveError:
    """One sentence of ours for what obstore raised; nothing of its text is taken over."""
    if isinstance(exc, PerijoveError):
        return exc
    what = f"{dataset.id}/{path}"
    where = f"copy {replica.id} at {_address(replica)}"
    status = store_status(exc)
    if isinstance(exc, PreconditionError) or status in {412, 416}:
        return ObjectChanged(f"{what} has changed in the {where} while it was being read: open it again.")
    if isinstance(exc, FileNotFoundError) or status in {404, 410}:
        return NotFound(f"There is no file {what} in the {where}.")
    if isinstance(exc, PermissionDeniedError | UnauthenticatedError) or status in {401, 403}:
        return Refused(f"The {where} refuses to let you read {what}.")
    if isinstance(exc, TimeoutError):
        pace = f"{PATIENCE_BYTES >> 20} MiB in {PATIENCE_SECONDS:g} s"
        return StoreUnavailable(f"The {where} sends {what} too slowly, less than {pace} (tried once).")
    if isinstance(exc, UnfitAnswer):
        return StoreUnavailable(
            f"The {where} gave answers that are not the part of {what} that was asked for (tried {exc.tries} times)."
        )
    if isinstance(exc, ValueError):
        return InvalidPath(f"{what} is not a name that can be read from an object store.")
    if status is not None:
        return StoreUnavailable(f"The {where} answered {status} to reads of {what} ({_tried(exc)}).")
    return StoreUnavailable(f"The {where} did not give a whole answer when reading {what} ({_tried(exc)}).")


def _tried(exc: BaseException) -> str:
    """How often obstore has tried, which it tells in its text only."""
    text = str(exc)
    found = _RETRIES.search(text)
    retries = int(found[1]) if found else RETRIES["max_retries"] if _BROKEN_BODY in text else 0
    return f"tried {retries + 1} times" if retries else "tried once"


def _address(replica: Replica) -> str:
    parts = urlsplit(replica.endpoint or replica.url)
    is_http = parts.scheme in {"http", "https"} and parts.hostname
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if is_http else replica.region


def _client_options(address: str | None) -> ClientConfig:
    options: ClientConfig = {"timeout": REQUEST_TIMEOUT, "connect_timeout": CONNECT_TIMEOUT}
    if address is not None and address.startswith("http://"):
        options["allow_http"] = True
    return options
