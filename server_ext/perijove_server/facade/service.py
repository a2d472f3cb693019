"""What the façade answers: buckets are datasets, keys are paths, bytes come through the readers of ``perijove``."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Mapping

from aiohttp import web

from perijove.beginning import Beginning, begin
from perijove.client import AsyncControlClient, next_cursor, tree_call
from perijove.errors import NoDataset, NotSupported, ObjectChanged, PerijoveError
from perijove.keys import key_of_path, path_of_key
from perijove.listed import Listed, ListedObject
from perijove.models import PresignListRequest
from perijove.objects import ObjectInfo
from perijove.paths import dataset_of_bucket
from perijove.stores import DatasetReader, Readers
from perijove.whole import WHOLE_MAX_BYTES

from ..listing import listed_page
from .errors import S3Error, as_s3
from .listing import buckets_wish, buckets_xml, list_wish, location_xml, objects_xml
from .ranges import asks_for_news, byte_range, http_date, not_modified, wanted_span

#: What control says about a dataset is believed for so long; control believes the hub for half a minute, so that who
#: may not read any more cannot after a minute.
DATASET_SECONDS = 20.0
#: What a store has said of an object is believed by reads for so long; each of them is guarded by the ETag.
OBJECT_SECONDS = 10.0
OBJECTS_KEPT = 4096
#: An object of which nothing is known is asked for so much of what is wanted of it.
BEGINNING_BYTES = 1 << 20
#: Answers of up to this are short: what they take is the processor of each request. They are sent with their headers in
#: one go; longer ones would be copied for that, and are sent piece by piece, as the client takes them.
SHORT_BYTES = 256 << 10

#: Parameters of operations that are not reads of objects and listings.
_OTHER_OPERATIONS = frozenset(
    {
        "accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
        "legal-hold", "lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy",
        "policyStatus", "publicAccessBlock", "replication", "requestPayment", "retention", "select", "tagging",
        "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    }
)  # fmt: skip


class Facade:
    """Answers requests that have been let in. Belongs to one event loop.

    Args:
        client: carries out calls to control; closed with the façade.
    """

    def __init__(self, client: AsyncControlClient) -> None:
        self._client = client
        self._readers = Readers(client, DATASET_SECONDS)
        self._objects: OrderedDict[tuple[str, str], tuple[ObjectInfo, float]] = OrderedDict()

    async def answer(
        self, request: web.BaseRequest, bucket: str, key: str, query: Mapping[str, str]
    ) -> web.StreamResponse:
        """The answer to a GET or HEAD of a key of a bucket; each may be empty.

        Raises:
            S3Error: there is none, and why.
        """
        if named := sorted(_OTHER_OPERATIONS.intersection(query)):
            raise S3Error("NotImplemented", f"{named[0]} is not served here: datasets are read and listed.")
        if not bucket:
            try:
                found, following = await self._client.some_datasets(*buckets_wish(query))
                return _xml(buckets_xml(found, query, following))
            except PerijoveError as error:
                raise as_s3(error, "NoSuchBucket") from error
        try:
            reader = await self._readers.get(dataset_of_bucket(bucket))
        except PerijoveError as error:
            raise _of_object(error, key) or as_s3(error, "NoSuchBucket") from error
        try:
            if key:
                # archives' own paths are the keys, other keys have paths
                path = key if reader.dataset.delivery == "linked" else path_of_key(key)
                return await self._object(request, reader, path)
            if request.method == "HEAD":
                return web.Response()
            if "location" in query:
                return _xml(location_xml())
            return await self._listing(reader, bucket, query)
        except PerijoveError as error:
            raise _of_object(error, key) or as_s3(error, "NoSuchKey") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _listing(self, reader: DatasetReader, bucket: str, query: Mapping[str, str]) -> web.Response:
        is_linked = reader.dataset.delivery == "linked"
        path_of, key_of = (str, str) if is_linked else (path_of_key, key_of_path)
        wish, cursor = list_wish(query, path_of), query.get("continuation-token")
        if is_linked:
            page, cursor = await self._linked(reader, wish, cursor)
        else:
            page, cursor = await listed_page(reader, wish, cursor)
        return _xml(objects_xml(bucket, query, wish, page, cursor, key_of))

    async def _linked(
        self, reader: DatasetReader, wish: PresignListRequest, cursor: str | None
    ) -> tuple[Listed, str | None]:
        """A page of a directory that control lists; an archive knows no more of an object than its name and size."""
        if not wish.delimiter or wish.start_after:
            raise NotSupported(
                f"{reader.dataset.id} lies in an archive of others, which lists one directory at a time: "
                "ask with the delimiter '/' and without a start."
            )
        page = await self._client.send(tree_call(reader.dataset.id, wish.path, cursor, wish.limit))
        begun = [each for each in page.items if each.name.startswith(wish.begins)]
        objects = [
            ListedObject(each.path, each.size_bytes or 0, each.modified, None) for each in begun if each.type == "file"
        ]
        directories = [each.path for each in begun if each.type == "directory"]
        return Listed(objects, directories, None), next_cursor(page.next)

    async def _object(self, request: web.BaseRequest, reader: DatasetReader, path: str) -> web.StreamResponse:
        is_fresh = request.method == "HEAD" or asks_for_news(request.headers)
        kept = None if is_fresh else self._kept(reader, path)
        if kept is not None and not _is_opened_as_fast(request, kept):
            try:
                return await self._send(request, kept)
            except (ObjectChanged, S3Error):
                kept = None  # what is known of the object is seconds old: it has been replaced since
        beginning = await self._begin(request, reader, path, is_fresh=is_fresh)
        if kept is not None and _is_of_another_copy(kept.info, beginning.info):
            return await self._send(request, kept)
        self._keep(reader, beginning.info)
        return await self._send(request, beginning)

    async def _send(self, request: web.BaseRequest, beginning: Beginning) -> web.StreamResponse:
        info = beginning.info
        headers = _headers(info)
        if not_modified(request.headers, info.etag, info.modified):
            return web.Response(status=304, headers=headers)
        asked = byte_range(request.headers.get("Range"), info.size_bytes)
        start, stop = asked or (0, info.size_bytes)
        headers["Content-Length"] = str(stop - start)
        if asked:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{info.size_bytes}"
        status = 206 if asked else 200
        if request.method == "HEAD":
            return web.Response(status=status, headers=headers)
        if stop - start <= SHORT_BYTES:
            return web.Response(status=status, headers=headers, body=await beginning.read(start, stop))
        return await _streamed(request, web.StreamResponse(status=status, headers=headers), beginning, start, stop)

    def _kept(self, reader: DatasetReader, path: str) -> Beginning | None:
        """What is known of an object; its bytes are not kept."""
        name = (reader.dataset.id, path)
        kept = self._objects.get(name)
        if kept is None or time.monotonic() >= kept[1]:
            return None
        self._objects.move_to_end(name)
        return Beginning(reader, kept[0], 0, b"")

    async def _begin(self, request: web.BaseRequest, reader: DatasetReader, path: str, *, is_fresh: bool) -> Beginning:
        """Look at an object, by the bytes of it that are asked for: mostly nothing else has to be asked then."""
        span = None if is_fresh else wanted_span(request.headers.get("Range"), BEGINNING_BYTES)
        if span:
            return await begin(reader, path, *span)
        # who asks for its size is about to read it
        return Beginning(reader, await reader.head(path, WHOLE_MAX_BYTES), 0, b"")

    def _keep(self, reader: DatasetReader, info: ObjectInfo) -> None:
        name = (reader.dataset.id, info.path)
        self._objects[name] = (info, time.monotonic() + OBJECT_SECONDS)
        self._objects.move_to_end(name)
        if len(self._objects) > OBJECTS_KEPT:
            self._objects.popitem(last=False)
        if info.opened.whole is not None:
            asyncio.get_running_loop().call_later(OBJECT_SECONDS, self._let_go, name, info)

    def _let_go(self, name: tuple[str, str], info: ObjectInfo) -> None:
        """Forget an object that lies on this disk as a whole: it is not believed any more, and others need the room."""
        kept = self._objects.get(name)
        if kept is not None and kept[0] is info:
            del self._objects[name]


def _of_object(error: PerijoveError, key: str) -> S3Error | None:
    """What to say when an object is read of a dataset that is not there, or not any more; None: it is something else.

    Zarr takes "no such bucket" for a chunk that was never written, and its reader would go on with zeros.
    """
    return S3Error("AccessDenied", error.detail) if key and isinstance(error, NoDataset) else None


def _is_opened_as_fast(request: web.BaseRequest, kept: Beginning) -> bool:
    """Whether what is asked for of a known object is better had by opening it anew, in one request either way.

    By the plain way they cost the same; where that is not taken, opening by a URL takes half the processor of a short
    read by obstore, and no store has to be made for it.
    """
    info = kept.info
    if kept.reader.dataset.delivery == "direct" or info.opened.whole is not None:
        return False
    span = wanted_span(request.headers.get("Range"), BEGINNING_BYTES)
    return span is not None and span[0] < info.size_bytes and min(span[1], info.size_bytes) - span[0] <= SHORT_BYTES


def _is_of_another_copy(kept: ObjectInfo, found: ObjectInfo) -> bool:
    """Whether the copies hold two versions: who is reading one goes on with it."""
    return found.replica != (kept.opened.replica or kept.replica) and found.etag != kept.etag


async def _streamed(
    request: web.BaseRequest, response: web.StreamResponse, beginning: Beginning, start: int, stop: int
) -> web.StreamResponse:
    async with contextlib.aclosing(beginning.stream(start, stop)) as pieces:
        piece = await anext(pieces)  # what can go wrong mostly does here, where it can still be said
        await response.prepare(request)
        try:
            await response.write(piece)
            async for piece in pieces:
                await response.write(piece)  # waits while the client is slower than the store
            await response.write_eof()
        except PerijoveError:
            if request.transport is not None:
                request.transport.abort()  # the client must see that this is not the whole
    return response


def _headers(info: ObjectInfo) -> dict[str, str]:
    headers = {"Accept-Ranges": "bytes", "Content-Type": "binary/octet-stream"}
    headers |= {"ETag": info.etag} if info.etag else {}
    return headers | ({"Last-Modified": http_date(info.modified)} if info.modified else {})


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/xml")
