"""Listings of the bed: right for any keys, and as fast for a million as for ten."""

from __future__ import annotations

import time
from typing import Any

import obstore
from hypothesis import given
from hypothesis import strategies as st

from tests.support.s3 import threaded_bed
from tests.support.s3.clients import boto_client, obstore_store
from tests.support.s3.index import Bucket, list_page

KEYS = st.sets(st.text(alphabet="ab/é", min_size=1, max_size=6), max_size=30)


def naive_listing(keys: set[str], prefix: str, delimiter: str) -> list[str]:
    """Keys and common prefixes in S3's order, worked out the slow way."""
    found: set[str] = set()
    for key in keys:
        if key.startswith(prefix):
            position = key.find(delimiter, len(prefix)) if delimiter else -1
            found.add(key if position < 0 else key[: position + len(delimiter)])
    return sorted(found, key=str.encode)


@given(
    keys=KEYS, prefix=st.text(alphabet="ab/", max_size=3), delimiter=st.sampled_from(["", "/"]), limit=st.integers(1, 5)
)
def test_pages_together_are_the_whole_listing(keys: set[str], prefix: str, delimiter: str, limit: int) -> None:
    bucket = Bucket()
    bucket.put_many(keys, 0)
    found: list[str] = []
    after = ""
    while True:
        page = list_page(bucket, prefix=prefix, delimiter=delimiter, after=after, limit=limit)
        assert len(page.keys) + len(page.prefixes) <= limit
        found += sorted([*page.keys, *page.prefixes], key=str.encode)
        if page.next_after is None:
            break
        after = page.next_after
    assert found == naive_listing(keys, prefix, delimiter)


def test_a_million_keys_page_in_milliseconds() -> None:
    with threaded_bed() as bed:
        bed.put_many("big", (f"d{number // 1000:04d}/{number:07d}" for number in range(1_000_000)), size_bytes=20)
        client = boto_client(bed.endpoint)
        client.list_objects_v2(Bucket="big", MaxKeys=1)  # warms the connection
        asks: list[dict[str, Any]] = [
            {"Prefix": "d0500/", "MaxKeys": 10},
            {"StartAfter": "d0999/0999989", "MaxKeys": 10},
            {"Delimiter": "/", "MaxKeys": 100},
        ]
        for ask in asks:
            began = time.perf_counter()
            answer = client.list_objects_v2(Bucket="big", **ask)
            assert answer["KeyCount"] == ask["MaxKeys"]
            assert time.perf_counter() - began < 0.2
        store = obstore_store(bed.endpoint, "big")
        began = time.perf_counter()
        assert len(next(iter(obstore.list(store, "d0999/", chunk_size=1000)))) == 1000
        assert time.perf_counter() - began < 0.5
        assert client.head_object(Bucket="big", Key="d0999/0999999")["ContentLength"] == 20
        assert client.get_object(Bucket="big", Key="d0999/0999999")["Body"].read() == bytes(20)


def test_versions_one_and_two_agree_and_keys_may_be_anything() -> None:
    keys = ["a b", "a&b<c>", 'quote"s', "ü/中", "ü/文", "z"]
    with threaded_bed() as bed:
        for key in keys:
            bed.put("odd", key, b"")
        client = boto_client(bed.endpoint)
        for operation in ("list_objects", "list_objects_v2"):
            pages = client.get_paginator(operation).paginate(Bucket="odd", PaginationConfig={"PageSize": 2})
            assert [item["Key"] for page in pages for item in page["Contents"]] == sorted(keys, key=str.encode)
