"""The bed itself: an S3 server on loopback for tests, with orders for bad weather and a record of what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from .errors import S3Error
from .faults import OF_LISTINGS, Fault, FaultKind, Faults
from .index import Bucket, StoredObject, object_from_bytes, object_from_file
from .listing import list_buckets_xml, list_objects_xml
from .policy import Ask, parse_policy
from .reading import reset_connection, send_object
from .request import S3Request, read_request
from .sts import Caller, Identities, Session, User, assume_role_xml, body_sha256
from .writing import Uploads, put_object, xml_response

STATS_PATH = "/-/stats"
_RECORDED_REQUESTS = 10_000
#: What is under way gets so long to be written down.
SETTLE_SECONDS = 1.0
_MAX_BODY_BYTES = 6 << 30
_ANONYMOUS_OPS = frozenset({"GetObject", "HeadObject", "HeadBucket", "ListObjects", "ListObjectsV2"})


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request that the bed answered. ``access_key`` is empty for anonymous ones."""

    op: str
    bucket: str
    key: str
    byte_range: str
    status: int
    access_key: str


class S3Bed:
    """An S3 server for tests.

    ``users`` maps access keys to secrets (or to a :class:`User` with a policy). ``latency_seconds`` is waited before
    every answer and ``stream_bytes_per_second`` caps each connection's body, both may be changed while it runs. Use
    as ``async with S3Bed() as bed``; in tests without a loop take :func:`threaded_bed`.
    """

    def __init__(
        self,
        users: Mapping[str, str | User] | None = None,
        *,
        port: int = 0,
        latency_seconds: float = 0.0,
        stream_bytes_per_second: float | None = None,
    ) -> None:
        named = users if users is not None else {"admin": "admin-secret"}
        self.identities = Identities(
            {name: user if isinstance(user, User) else User(user) for name, user in named.items()}
        )
        self.latency_seconds = latency_seconds
        self.stream_bytes_per_second = stream_bytes_per_second
        #: Moves the clock by which sessions and presigned URLs die, so that tests need not wait.
        self.clock_offset_seconds = 0.0
        self.faults = Faults()
        self.buckets: dict[str, Bucket] = {}
        #: Buckets that anybody may list and read.
        self.public_buckets: set[str] = set()
        #: How many requests, by operation.
        self.counters: Counter[str] = Counter()
        #: The most requests that were under way at one moment.
        self.most_at_once = 0
        self._under_way = 0
        self._bytes_out = 0
        self._requests: deque[Recorded] = deque(maxlen=_RECORDED_REQUESTS)
        self._uploads = Uploads()
        self._port = port
        self._runner: web.AppRunner | None = None

    # --- life ---------------------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> str:
        """The address to give to clients."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Begins to answer. With port 0 a free one is taken."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_route("*", r"/{path:[\s\S]*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Ends, with whatever is under way. What it holds stays; it may be started again at the same port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    # --- what a test puts in, takes out and asks ----------------------------------------------------------------

    def make_bucket(self, name: str, *, public: bool = False) -> Bucket:
        """A bucket by this name, made unless it is there. ``public``: anybody may list and read it."""
        if public:
            self.public_buckets.add(name)
        return self.buckets.setdefault(name, Bucket())

    def put(self, bucket: str, key: str, data: bytes, *, content_type: str = "binary/octet-stream") -> StoredObject:
        """Stores an object behind the clients' backs."""
        stored = object_from_bytes(data, content_type=content_type)
        self.make_bucket(bucket).put(key, stored)
        return stored

    def put_file(self, bucket: str, key: str, path: Path) -> StoredObject:
        """Stores an object that reads from a file, for what is too big for memory."""
        stored = object_from_file(path)
        self.make_bucket(bucket).put(key, stored)
        return stored

    def put_many(self, bucket: str, keys: Iterable[str], *, size_bytes: int = 0) -> None:
        """Stores synthetic objects, of zeros, that take no memory but their keys."""
        self.make_bucket(bucket).put_many(keys, size_bytes)

    def get(self, bucket: str, key: str) -> bytes:
        """The bytes of an object. Raises KeyError."""
        stored = self.buckets[bucket].get(key)
        if stored is None:
            raise KeyError(key)
        return bytes(stored.body.read(0, stored.size_bytes))

    def new_session(self, user: str = "admin", *, life_seconds: float = 3600, policy: str | None = None) -> Session:
        """Short-lived credentials without a call to STS, of any life."""
        parsed = parse_policy(policy) if policy else None
        return self.identities.new_session(user, expires=self._lives_now() + life_seconds, policy=parsed)

    def wait_until_idle(self, seconds: float = 30) -> None:
        """Wait until nothing is under way, as what nobody wants any more may be; from another thread than the bed's.

        Raises:
            AssertionError: something still is.
        """
        ends_at = time.monotonic() + seconds
        while self._under_way:
            assert time.monotonic() < ends_at, f"{self._under_way} requests do not end"
            time.sleep(0.01)

    @property
    def requests(self) -> deque[Recorded]:
        """What was asked, oldest first."""
        self._settle()
        return self._requests

    @property
    def bytes_out(self) -> int:
        """How many bytes of bodies were sent."""
        self._settle()
        return self._bytes_out

    def _settle(self) -> None:
        """Who has read an answer may look here before the bed has written down that it was given."""
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            return  # it may be the bed's own, and to wait would hold it up
        ends_at = time.monotonic() + SETTLE_SECONDS
        while self._under_way and time.monotonic() < ends_at:  # some are to hang for ever
            time.sleep(0.001)

    def reset_counters(self) -> None:
        """Forgets what was asked so far."""
        self.counters.clear()
        self._requests.clear()
        self._bytes_out = 0
        self.most_at_once = 0

    # --- answering ----------------------------------------------------------------------------------------------

    async def _answer(self, http: web.Request) -> web.StreamResponse:
        if http.path == STATS_PATH:
            return web.json_response({"requests": dict(self.counters), "bytes_out": self._bytes_out})
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            return await self._answer_counted(http)
        finally:
            self._under_way -= 1

    async def _answer_counted(self, http: web.Request) -> web.StreamResponse:
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        try:
            request = read_request(http)
        except S3Error as error:
            return _error_response(error, http)
        self.counters[request.op] += 1
        access_key = ""
        try:
            caller = await self._authorise(request)
            access_key = caller.access_key if caller else ""
            response = await self._answer_with_faults(request, caller)
        except S3Error as error:
            response = _error_response(error, http, self._size_of(request))
        self._requests.append(
            Recorded(request.op, request.bucket, request.key, request.byte_range, response.status, access_key)
        )
        return response

    async def _answer_with_faults(self, request: S3Request, caller: Caller | None) -> web.StreamResponse:
        fault = self.faults.pick(request.op, request.bucket, request.key, request.byte_range)
        match fault.kind if fault else None:
            case FaultKind.DROP:
                await reset_connection(request.http)
                return web.Response(status=499)
            case FaultKind.HANG:
                await asyncio.Event().wait()
            case FaultKind.HTML:
                return web.Response(content_type="text/html", text="<html><title>Sign in</title></html>")
        if fault and fault.kind is FaultKind.ERROR:
            raise S3Error(fault.code, "Ordered by the test.")
        if fault and fault.kind is FaultKind.DELAY:
            await asyncio.sleep(fault.delay_seconds)
        if fault and fault.kind is FaultKind.REPLACE:
            self._replace(request)
        return await self._perform(request, caller, fault)

    async def _perform(self, request: S3Request, caller: Caller | None, fault: Fault | None) -> web.StreamResponse:
        if request.op == "AssumeRole":
            return await self._assume_role(request, caller)
        if request.op == "ListBuckets":
            return xml_response(list_buckets_xml(self.buckets, datetime.now(UTC)))
        if request.op == "CreateBucket":
            return self._create_bucket(request)
        bucket = self.buckets.get(request.bucket)
        if bucket is None:
            raise S3Error("NoSuchBucket", "The specified bucket does not exist")
        match request.op:
            case "HeadBucket":
                return web.Response()
            case "GetBucketLocation":
                return xml_response('<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>')
            case "ListObjects" | "ListObjectsV2":
                text = list_objects_xml(request.bucket, bucket, request.http.query)
                return await self._send_listing(request, text, fault)
            case "GetObject" | "HeadObject":
                return await self._read(request, bucket, caller, fault)
            case "PutObject":
                return await put_object(request, bucket)
            case "DeleteObject":
                bucket.delete(request.key)
                return web.Response(status=204)
            case "CreateMultipartUpload":
                return self._uploads.create(request)
            case "UploadPart":
                return await self._uploads.put_part(request)
            case "CompleteMultipartUpload":
                return await self._uploads.complete(request, bucket)
            case _:
                return self._uploads.abort(request)

    async def _authorise(self, request: S3Request) -> Caller | None:
        http = request.http
        is_anonymous = "Authorization" not in http.headers and "X-Amz-Signature" not in http.query
        if is_anonymous and request.bucket in self.public_buckets and request.op in _ANONYMOUS_OPS:
            return None
        body_hash = body_sha256(await http.read()) if request.op == "AssumeRole" else ""
        caller = self.identities.identify(
            http.method, http.raw_path, http.headers, now=time.time(), lives_now=self._lives_now(), body_hash=body_hash
        )
        if request.op != "AssumeRole" and not caller.may(request.ask()):
            raise S3Error("AccessDenied", "Access Denied.")
        return caller

    async def _assume_role(self, request: S3Request, caller: Caller | None) -> web.Response:
        if caller is None:
            raise S3Error("AccessDenied", "Access Denied.")
        session = self.identities.assume_role(await request.http.read(), caller, lives_now=self._lives_now())
        return web.Response(content_type="text/xml", text=assume_role_xml(session))

    def _create_bucket(self, request: S3Request) -> web.Response:
        if request.bucket in self.buckets:
            raise S3Error("BucketAlreadyOwnedByYou", "You already own this bucket.")
        self.make_bucket(request.bucket)
        return web.Response(headers={"Location": f"/{request.bucket}"})

    async def _read(
        self, request: S3Request, bucket: Bucket, caller: Caller | None, fault: Fault | None
    ) -> web.StreamResponse:
        stored = bucket.get(request.key)
        if stored is None:
            may_list = caller is None or caller.may(Ask("s3:ListBucket", request.bucket, {"s3:prefix": request.key}))
            if not may_list:  # who may not list does not learn what is missing
                raise S3Error("AccessDenied", "Access Denied.")
            raise S3Error("NoSuchKey", "The specified key does not exist.")
        return await send_object(
            request, stored, fault=fault, stream_bytes_per_second=self.stream_bytes_per_second, count=self._count_bytes
        )

    async def _send_listing(self, request: S3Request, text: str, fault: Fault | None) -> web.StreamResponse:
        if fault is None or fault.kind not in OF_LISTINGS:
            return xml_response(text)
        body = object_from_bytes(text.encode(), content_type="application/xml")
        return await send_object(request, body, fault=fault, stream_bytes_per_second=None, count=self._count_bytes)

    def _replace(self, request: S3Request) -> None:
        bucket = self.buckets[request.bucket]
        stored = bucket.get(request.key)
        if stored is not None:
            data = bytes(byte ^ 0xFF for byte in stored.body.read(0, stored.size_bytes))
            bucket.put(request.key, object_from_bytes(data, content_type=stored.content_type))

    def _size_of(self, request: S3Request) -> int | None:
        stored = self.buckets[request.bucket].get(request.key) if request.bucket in self.buckets else None
        return stored.size_bytes if stored else None

    def _count_bytes(self, sent: int) -> None:
        self._bytes_out += sent

    def _lives_now(self) -> float:
        return time.time() + self.clock_offset_seconds


def _error_response(error: S3Error, http: web.Request, size_bytes: int | None = None) -> web.Response:
    is_sts = http.method == "POST" and http.path == "/"
    headers = {"Content-Range": f"bytes */{size_bytes}"} if error.code == "InvalidRange" else {}
    if error.code == "SlowDown":
        headers["Retry-After"] = "1"
    return web.Response(
        status=error.status,
        headers=headers,
        content_type="application/xml",
        text="" if http.method == "HEAD" else error.to_sts_xml() if is_sts else error.to_xml(http.path),
    )
