"""The clients that read in measurements, each as its users are told to use it; without a method, it cannot.

Each gives all ranges or files that it was asked for, as ``cat`` and ``cat_ranges`` of fsspec do: they are in memory
together at the end. To drop each as soon as it has come would be less work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import boto3
import obstore
import s3fs
from botocore.config import Config
from obstore.store import S3Store

import perijove
from benchmarks.processes import Processes
from perijove.client import AsyncControlClient
from perijove.filesystem import PerijoveFileSystem, close_connections
from perijove.stores import Readers
from perijove_server.listing import tree_page

KEY, SECRET, REGION = "admin", "admin-secret", "eu-test-1"
CHUNK_BYTES = 8 << 20
IN_FLIGHT = 32

DIRECT = "perijove://, direct"
PROXIED = "perijove://, proxied"
#: The façade is read by the clients of others.
FACADES = ("obstore through our façade", "boto3 through our façade")
OURS = (DIRECT, PROXIED, *FACADES)


@dataclass(frozen=True)
class Store:
    """Where the store is, and where clients that are processes of their own run."""

    endpoint: str
    processes: Processes
    #: A listing that takes longer is given up.
    list_seconds: float


class Client(Protocol):
    """What all have; the tasks are ``read_through``, ``read_ranges``, ``read_files`` and ``list_first``.

    ``cannot`` has the reason for each task that there is no method for, and ``share`` of which tasks only one part in
    so many is done, and its time multiplied: what would take minutes.
    """

    cannot: ClassVar[Mapping[str, str]]
    share: ClassVar[Mapping[str, int]]

    async def close(self) -> None:
        """Let go of connections."""


def _read_through(file: Any) -> int:
    count = 0
    with file:
        while chunk := file.read(CHUNK_BYTES):
            count += len(chunk)
    return count


def _length(parts: Any) -> int:
    return sum(map(len, parts.values() if isinstance(parts, dict) else parts))


class _OverFsspec:
    """A filesystem of fsspec, in a thread as in a kernel."""

    cannot: ClassVar[Mapping[str, str]] = {"list_first": "a directory is listed to its end before any of it is given"}
    share: ClassVar[Mapping[str, int]] = {}

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem, self._root = filesystem, root

    async def read_through(self, path: str) -> int:
        """Read one object from beginning to end; how many bytes."""
        return await asyncio.to_thread(lambda: _read_through(self._filesystem.open(f"{self._root}/{path}", "rb")))

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> int:
        """Read ranges of one object at once; how many bytes."""
        starts, stops = zip(*ranges, strict=True)
        paths = [f"{self._root}/{path}"] * len(ranges)
        return _length(await asyncio.to_thread(self._filesystem.cat_ranges, paths, list(starts), list(stops)))

    async def read_files(self, paths: Sequence[str]) -> int:
        """Read whole objects at once; how many bytes."""
        return _length(await asyncio.to_thread(self._filesystem.cat, [f"{self._root}/{path}" for path in paths]))


class Perijove(_OverFsspec):
    """Ours; the listing is what the Jupyter server does for the Data panel."""

    cannot: ClassVar[Mapping[str, str]] = {}

    def __init__(self, dataset: str) -> None:
        super().__init__(PerijoveFileSystem(), dataset)
        self._dataset, self._client = dataset, AsyncControlClient()
        self._readers = Readers(self._client, 3600)

    async def list_first(self, path: str, count: int) -> int:
        """List the first entries of a directory; how many."""
        reader = await self._readers.get(self._dataset)
        return len((await tree_page(reader, path, None, count)).items)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()
        await asyncio.to_thread(close_connections)


class S3fs(_OverFsspec):
    """s3fs with its defaults."""

    def __init__(self, store: Store) -> None:
        told = {"endpoint_url": store.endpoint, "region_name": REGION}
        super().__init__(
            s3fs.S3FileSystem(key=KEY, secret=SECRET, client_kwargs=told, skip_instance_cache=True), "data"
        )

    async def close(self) -> None:
        """Let go of connections."""
        self._filesystem.invalidate_cache()


class Obstore:
    """obstore by itself, asynchronous, ranges in parallel as its users read them."""

    cannot: ClassVar[Mapping[str, str]] = {}
    share: ClassVar[Mapping[str, int]] = {}

    def __init__(self, store: S3Store) -> None:
        self._store = store

    async def read_through(self, path: str) -> int:
        """Read one object from beginning to end; how many bytes."""
        answer = await obstore.get_async(self._store, path)
        count = 0
        async for chunk in answer.stream(CHUNK_BYTES):
            count += len(bytes(chunk))
        return count

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> int:
        """Read ranges of one object at once; how many bytes."""
        gate = asyncio.Semaphore(IN_FLIGHT)

        async def one(start: int, stop: int) -> bytes:
            async with gate:
                return bytes(await obstore.get_range_async(self._store, path, start=start, end=stop))

        return _length(await asyncio.gather(*(one(*each) for each in ranges)))

    async def read_files(self, paths: Sequence[str]) -> int:
        """Read whole objects at once; how many bytes."""
        gate = asyncio.Semaphore(2 * IN_FLIGHT)

        async def one(path: str) -> bytes:
            async with gate:
                return bytes(await (await obstore.get_async(self._store, path)).bytes_async())

        return _length(await asyncio.gather(*map(one, paths)))

    async def list_first(self, path: str, count: int) -> int:
        """List the first entries of a directory; how many."""
        async for chunk in obstore.list(self._store, f"{path}/", chunk_size=count):
            return len(chunk)
        return 0

    async def close(self) -> None:
        """It closes by itself."""


class Boto3:
    """boto3 with threads, at a store that it is told of, by one bucket."""

    cannot: ClassVar[Mapping[str, str]] = {}
    share: ClassVar[Mapping[str, int]] = {}

    def __init__(self, bucket: str, told: Mapping[str, Any]) -> None:
        config = Config(
            s3={"addressing_style": "path"}, max_pool_connections=IN_FLIGHT,
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
        )  # fmt: skip
        self._bucket, self._client = bucket, boto3.client("s3", **{**told, "config": config})
        self._threads = ThreadPoolExecutor(IN_FLIGHT)

    async def read_through(self, path: str) -> int:
        """Read one object from beginning to end; how many bytes."""
        return await asyncio.to_thread(
            lambda: _read_through(self._client.get_object(Bucket=self._bucket, Key=path)["Body"])
        )

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> int:
        """Read ranges of one object at once; how many bytes."""

        def one(each: tuple[int, int]) -> Any:
            said = f"bytes={each[0]}-{each[1] - 1}"
            return self._client.get_object(Bucket=self._bucket, Key=path, Range=said)["Body"].read()

        return await asyncio.to_thread(lambda: _length(list(self._threads.map(one, ranges))))

    async def read_files(self, paths: Sequence[str]) -> int:
        """Read whole objects at once; how many bytes."""

        def one(path: str) -> Any:
            return self._client.get_object(Bucket=self._bucket, Key=path)["Body"].read()

        return await asyncio.to_thread(lambda: _length(list(self._threads.map(one, paths))))

    async def list_first(self, path: str, count: int) -> int:
        """List the first entries of a directory; how many."""
        asked = {"Bucket": self._bucket, "Prefix": f"{path}/", "MaxKeys": count}
        return len((await asyncio.to_thread(lambda: self._client.list_objects_v2(**asked)))["Contents"])

    async def close(self) -> None:
        """Let go of connections."""
        self._threads.shutdown()
        self._client.close()


def _obstore(store: Store) -> Obstore:
    return Obstore(
        S3Store(
            "data", endpoint=store.endpoint, region=REGION, access_key_id=KEY, secret_access_key=SECRET,
            client_options={"allow_http": True}, virtual_hosted_style_request=False,
        )
    )  # fmt: skip


def _boto3(store: Store) -> Boto3:
    told = {"endpoint_url": store.endpoint, "region_name": REGION}
    return Boto3("data", {**told, "aws_access_key_id": KEY, "aws_secret_access_key": SECRET})


def _boto3_through_facade(_: Store) -> Boto3:
    return Boto3("proxied", perijove.storage_options("proxied", "boto3"))


def _obstore_through_facade(_: Store) -> Obstore:
    return Obstore(S3Store("proxied", **perijove.storage_options("proxied", "obstore")))


CLIENTS: Mapping[str, Callable[[Store], Client]] = {
    DIRECT: lambda _: Perijove("direct"),
    PROXIED: lambda _: Perijove("proxied"),
    FACADES[0]: _obstore_through_facade,
    FACADES[1]: _boto3_through_facade,
    "s3fs": S3fs,
    "obstore": _obstore,
    "boto3": _boto3,
}
