"""Datasets of archives of others through the façade: read, and listed a directory at a time."""

from __future__ import annotations

import asyncio
import gc
import random
import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import obstore
import pyarrow.fs
import pytest
import s3fs
from aiohttp.test_utils import make_mocked_request
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import S3Store

import perijove
from perijove import whole
from perijove.client import AsyncControlClient
from perijove.paths import dataset_of_bucket
from perijove_server.facade import service
from tests.support.control import TOKEN, FakeControl, FakeReplica
from tests.support.s3 import S3Bed
from tests.support.web_server import WebFile, threaded_web_server

NAME = "archive.x~2fy~7e"


@pytest.fixture
def awkward(control: FakeControl, bed: S3Bed) -> Iterator[str]:
    """A dataset whose id no client of botocore takes for a bucket."""
    bed.make_bucket("public-archive", public=True)
    bed.put("public-archive", "a.txt", b"hello")
    control.add(NAME, FakeReplica("archive", bed, "public-archive"), delivery="linked")
    control.links[NAME, "a.txt"] = f"{bed.endpoint}/public-archive/a.txt"
    control.trees[NAME, ""] = [{"name": "a.txt", "path": "a.txt", "type": "file", "size_bytes": 5, "modified": None}]
    yield NAME
    del control.datasets[NAME]


@pytest.fixture
def linked(control: FakeControl, bed: S3Bed) -> Iterator[str]:
    bed.make_bucket("public-archive", public=True)
    bed.put("public-archive", "a.txt", b"hello")
    control.add("archive.some-data", FakeReplica("archive", bed, "public-archive"), delivery="linked")
    control.links["archive.some-data", "a.txt"] = f"{bed.endpoint}/public-archive/a.txt"
    yield "archive.some-data"
    del control.datasets["archive.some-data"]


def test_a_linked_dataset_is_read(linked: str) -> None:
    s3 = boto3.client("s3", **perijove.storage_options(linked, "boto3"))
    answer = s3.get_object(Bucket=linked, Key="a.txt", Range="bytes=1-3")
    assert answer["Body"].read() == b"ell"
    with pytest.raises(ClientError, match="one directory at a time"):
        s3.list_objects_v2(Bucket=linked)


def test_a_name_that_boto3_takes_for_no_bucket_has_another(awkward: str) -> None:
    bucket = perijove.bucket_name(awkward)
    assert bucket == "archive.x.2fy.7e"
    assert perijove.bucket_name("euclid-demo") == "euclid-demo"
    s3 = boto3.client("s3", **perijove.storage_options(awkward, "boto3"))
    assert s3.get_object(Bucket=bucket, Key="a.txt")["Body"].read() == b"hello"
    listed = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert (listed["Name"], [item["Key"] for item in listed["Contents"]]) == (bucket, ["a.txt"])
    assert bucket in [item["Name"] for item in s3.list_buckets()["Buckets"]]
    files = s3fs.S3FileSystem(**perijove.storage_options(awkward), skip_instance_cache=True)
    assert files.cat(f"{bucket}/a.txt") == b"hello"
    arrow = pyarrow.fs.S3FileSystem(**perijove.storage_options(awkward, "pyarrow"))
    assert arrow.open_input_file(f"{bucket}/a.txt").read() == b"hello"
    for name in (bucket, awkward):
        store = S3Store(name, **perijove.storage_options(awkward, "obstore"))
        assert bytes(obstore.get(store, "a.txt").bytes()) == b"hello"


@given(st.from_regex(r"[a-z0-9]{1,9}(\.([A-Za-z0-9_-]|~[0-9a-f]{2}){1,20})?", fullmatch=True))
def test_a_bucket_stands_for_one_dataset(dataset_id: str) -> None:
    bucket = perijove.bucket_name(dataset_id)

    assert re.fullmatch(r"[a-zA-Z0-9.\-_]{1,255}", bucket)  # what botocore takes
    assert dataset_of_bucket(bucket) == dataset_id


def test_buckets_come_in_pages(control: FakeControl, bed: S3Bed, linked: str) -> None:
    names = [f"many-{number:02}" for number in range(12)]
    for name in names:
        control.add(name, FakeReplica("near", bed, "bucket"))
    try:
        s3 = boto3.client("s3", **perijove.storage_options(linked, "boto3"))
        first = s3.list_buckets(MaxBuckets=4)
        assert len(first["Buckets"]) == 4
        rest = s3.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 5}, Prefix="many-")
        pages = [[item["Name"] for item in page["Buckets"]] for page in rest]
        assert sorted(name for page in pages for name in page) == names
        assert max(map(len, pages)) <= 6  # the control of these tests gives two at a time
    finally:
        for name in names:
            del control.datasets[name]


def test_the_answer_of_a_service_without_ranges_is_read_through_any_client(linked: str, control: FakeControl) -> None:
    body = random.Random(2).randbytes(3 << 20)
    with threaded_web_server() as server:
        server.files["table"] = WebFile(body, modified=None, gives_ranges=False, tells_length=False)
        control.links[linked, "table.vot"] = f"{server.url}/table"
        s3 = boto3.client("s3", **perijove.storage_options(linked, "boto3"))
        part = s3.get_object(Bucket=linked, Key="table.vot", Range="bytes=1000000-1000009")
        assert (part["Body"].read(), part["ContentRange"]) == (
            body[1_000_000:1_000_010], f"bytes 1000000-1000009/{len(body)}",
        )  # fmt: skip
        assert s3.get_object(Bucket=linked, Key="table.vot")["Body"].read() == body


def test_a_file_that_comes_only_whole_is_downloaded_though_it_is_longer_than_a_look(
    linked: str, control: FakeControl, tmp_path: Path
) -> None:
    body = random.Random(4).randbytes(9 << 20)
    with threaded_web_server() as server:
        server.files["table"] = WebFile(body, modified=None, gives_ranges=False, tells_length=False)
        control.links[linked, "table.vot"] = f"{server.url}/table"
        s3 = boto3.client("s3", **perijove.storage_options(linked, "boto3"))
        s3.download_file(linked, "table.vot", str(tmp_path / "table.vot"))
    assert (tmp_path / "table.vot").read_bytes() == body


async def test_what_lies_on_the_disk_whole_makes_room_though_nobody_asks_again(
    linked: str, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.collect()
    before = whole._open_bytes[0]
    monkeypatch.setattr(service, "OBJECT_SECONDS", 0.1)
    monkeypatch.setattr(whole, "ALL_MAX_BYTES", before + (3 << 20))
    facade = service.Facade(AsyncControlClient(control.url, TOKEN))
    with threaded_web_server() as server:
        for key in ("one", "two"):
            server.files[key] = WebFile(bytes(2 << 20), gives_ranges=False)
            control.links[linked, key] = f"{server.url}/{key}"
            request = make_mocked_request("GET", f"/{linked}/{key}", headers={"Range": "bytes=0-9"})
            assert (await facade.answer(request, linked, key, {})).status == 206
            async with asyncio.timeout(30):
                while whole._open_bytes[0] > before:  # noqa: ASYNC110 - nobody tells when it is let go
                    await asyncio.sleep(0.01)
        await facade.close()
