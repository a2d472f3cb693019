"""Single requests to a store through obstore, and what its answers and errors mean.

obstore is a binding to the Rust object_store crate: it pools connections, retries dropped connections and 5xx answers
with back-off, goes on in the middle of a body that broke off, and checks that a range answer is the range asked for.
Answers that are whole but not what was asked for are asked for again here, and a body that hardly moves is given up.
What obstore raises is turned into one sentence each. Its own texts hold addresses, which for presigned URLs are
secrets, and are never passed on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    BaseError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from .errors import InvalidPath, NotFound, ObjectChanged, PerijoveError, Refused, StoreUnavailable
from .models import Dataset, Replica
from .objects import ObjectInfo
from .whole import Whole, collect, too_long

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta
    from obstore.store import HTTPStore, S3Store

#: How often obstore itself sends a request again.
RETRIES_MAX = 3

#: What obstore raises: its own errors, and built-in ones for "not found", time-outs and bad paths.
STORE_FAULTS = (BaseError, OSError, ValueError)

#: An answer that is not what was asked for is asked for so often in all.
ANSWER_TRIES = 3
#: A store whose answer, or whose next so many bytes of it, take longer than this, retries included, is as good as dead.
PATIENCE_SECONDS = 20.0
PATIENCE_BYTES = 1 << 20
#: A body up to this is short.
SHORT_BYTES = 256 << 10

_STATUS = re.compile(r"status code: (\d{3})")
_RETRIES = re.compile(r"after (\d{1,3}) retries")
_NO_PART = "non-partial response"
_UNFIT = re.compile(rf"{_NO_PART}|Requested \d+\.\.\d+, got")
_BROKEN_BODY = "response body error"
#: What obstore says of servers that send no Last-Modified.
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)


class UnfitAnswer(OSError):
    """A whole answer that is not what was asked for, ``tries`` times; ``is_whole``: the object instead of its part."""

    def __init__(self, tries: int, *, is_whole: bool = False) -> None:
        super().__init__()
        self.tries = tries
        self.is_whole = is_whole


@dataclass(frozen=True, slots=True)
class First:
    """The first bytes of an object that was asked for, and what the store says of it."""

    size_bytes: int
    etag: str | None
    modified: datetime | None
    data: bytes


async def head(store: S3Store, path: str) -> ObjectMeta:
    """What the store says of an object, in bounded time."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await obstore.head_async(store, path)


async def first_part(
    store: S3Store | HTTPStore, key: str, start: int, stop: int, unless_etag: str | None
) -> First | None:
    """The bytes ``start`` up to ``stop`` of an object of which nothing is known, and what the store says of it.

    Args:
        store: that is asked.
        key: of the object below the store's root.
        start: of the range; must lie within the object.
        stop: of the range, cut at the end of the object.
        unless_etag: if the object still has this ETag, nothing is sent.

    Returns:
        None if the object has that ETag.

    Raises:
        UnfitAnswer: the store sends the whole object, or another part, each time.
        STORE_FAULTS: as obstore does; with status 416 when ``start`` is not within the object.
    """
    options: GetOptions = {"range": (start, stop)}
    if unless_etag is not None:
        options["if_none_match"] = unless_etag
    is_whole = False
    for _ in range(ANSWER_TRIES):
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience:
                answer = await obstore.get_async(store, key, options=options)
                meta = answer.meta
                length = min(stop, meta["size"]) - start
                data = await _body(answer, length, PATIENCE_BYTES, patience)
        except NotModifiedError:
            if unless_etag is None:
                raise
            return None
        except BaseError as exc:
            if not _UNFIT.search(str(exc)):
                raise
            is_whole = _NO_PART in str(exc)
            continue
        if len(data) == length:
            return First(meta["size"], meta["e_tag"], known_date(meta), data)
    raise UnfitAnswer(ANSWER_TRIES, is_whole=is_whole)


async def part(
    store: S3Store | HTTPStore, key: str, info: ObjectInfo, start: int, stop: int, chunk_bytes: int
) -> bytes:
    """One range of exactly the object that ``info`` tells of, complete, or an error; in bounded time and tries.

    It is taken in chunks of ``chunk_bytes``, each of which may take as long as patience lasts. Few and large ones are
    put together faster.

    Raises:
        UnfitAnswer: the store sends something else each time.
        PreconditionError: it is another object by now.
        STORE_FAULTS: as obstore does.
    """
    options: GetOptions = {"range": (start, stop)}
    if info.version is not None:
        options["if_match"] = info.version  # weak ones never match by HTTP's rules
    for _ in range(ANSWER_TRIES):
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience:
                answer = await obstore.get_async(store, key, options=options)
                if not _is_same(answer.meta, info):
                    _hang_up(answer)
                    raise PreconditionError
                data = await _body(answer, stop - start, chunk_bytes, patience)
        except BaseError as exc:
            if not _UNFIT.search(str(exc)):
                raise
            continue
        if len(data) == stop - start:
            return data
    raise UnfitAnswer(ANSWER_TRIES)


async def all_of(store: S3Store, key: str, what: str, max_bytes: int) -> tuple[ObjectMeta, Whole]:
    """What a store that gives no parts says of an object, and all of it; its pace is watched as that of parts is.

    Raises:
        NotSupported: it is longer than ``max_bytes``, or there is no room.
        UnfitAnswer: the answer names no version, as stores do, so that it is of something else; or is not whole.
        STORE_FAULTS: as obstore does.
    """
    async with asyncio.timeout(PATIENCE_SECONDS) as patience:
        answer = await obstore.get_async(store, key)
        meta = answer.meta
        if not meta["e_tag"] or meta["size"] > max_bytes:
            _hang_up(answer)
            raise too_long(what, max_bytes) if meta["e_tag"] else UnfitAnswer(1)
        whole = await collect(_chunks(answer, PATIENCE_BYTES, patience), what, max_bytes)
    if whole.size_bytes != meta["size"]:
        whole.close()
        raise UnfitAnswer(1)
    return meta, whole


def known_date(meta: ObjectMeta) -> datetime | None:
    """When the object was written, if the store has said so."""
    return meta["last_modified"] if meta["last_modified"] != _NO_DATE else None


def _is_same(meta: ObjectMeta, info: ObjectInfo) -> bool:
    """Some stores ignore If-Match; what they say about the object tells all the same."""
    if meta["e_tag"] != info.etag or meta["size"] != info.size_bytes:
        return False
    return info.version is not None or info.modified in {None, meta["last_modified"]}


def _hang_up(answer: GetResult) -> None:
    """End the connection of an answer whose body is not wanted.

    Letting the answer go does not: a thread of obstore may hold it, too, until the next call of obstore. Its body,
    once taken out of it, is held by nobody else.
    """
    answer.stream()


async def _body(answer: GetResult, expected_bytes: int, chunk_bytes: int, patience: asyncio.Timeout) -> bytes:
    """All of a body. A short one in one go: a wait for a thread of obstore costs more than to copy it once more."""
    if expected_bytes <= SHORT_BYTES:
        return bytes(await answer.bytes_async())
    chunks = [chunk async for chunk in _chunks(answer, chunk_bytes, patience)]
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _chunks(answer: GetResult, chunk_bytes: int, patience: asyncio.Timeout) -> AsyncGenerator[bytes, None]:
    """A body; each chunk of it is waited for anew."""
    async for chunk in answer.stream(min_chunk_size=chunk_bytes):
        patience.reschedule(asyncio.get_running_loop().time() + PATIENCE_SECONDS)
        yield bytes(chunk)


def store_status(exc: BaseException) -> int | None:
    """The HTTP status behind an error of obstore, which tells it in its text only; None: no answer."""
    found = _STATUS.search(str(exc))
    return int(found[1]) if found else None


def store_error(exc: BaseException, dataset: Dataset, replica: Replica, path: str) -> PerijoveError:
    """One sentence of ours for what obstore raised; nothing of its text is taken over."""
    if isinstance(exc, PerijoveError):
        return exc
    what = f"{dataset.id}/{path}"
    where = f"copy {replica.id} at {address_of(replica)}"
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
            f"The {where} gave answers that are not the part of {what} that was asked for ({_times(exc.tries)})."
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
    retries = int(found[1]) if found else RETRIES_MAX if _BROKEN_BODY in text else 0
    return _times(retries + 1)


def _times(tries: int) -> str:
    return "tried once" if tries == 1 else f"tried {tries} times"


def address_of(replica: Replica) -> str:
    """Where a replica is, for people."""
    parts = urlsplit(replica.endpoint or replica.url)
    is_http = parts.scheme in {"http", "https"} and parts.hostname
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if is_http else replica.region
