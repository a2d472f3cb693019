"""Listings of the bed: right for any keys, and as fast for a million as for ten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import obstore
import pytest
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


class CountedKeys(list[str]):
    """Keys that count how often one of them was looked at, and are never walked from end to end."""

    looked_at = 0

    def __getitem__(self, index: Any) -> Any:
        self.looked_at += 1
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("all keys were walked")


@pytest.mark.parametrize(
    ("prefix", "delimiter", "after", "limit"),
    [("d0500/", "", "", 10), ("", "", "d0999/0999989", 10), ("", "/", "", 100)],
)
def test_a_page_under_a_million_keys_looks_at_few_of_them(
    million: Bucket, prefix: str, delimiter: str, after: str, limit: int
) -> None:
    keys = CountedKeys(million.keys)

    page = list_page(Bucket(keys, million.objects), prefix=prefix, delimiter=delimiter, after=after, limit=limit)

    assert len(page.keys) + len(page.prefixes) == limit
    # a bisection of a million looks at twenty
    assert keys.looked_at <= 25 * limit


@pytest.fixture(scope="module")
def million() -> Bucket:
    bucket = Bucket()
    bucket.put_many((f"d{number // 1000:04d}/{number:07d}" for number in range(1_000_000)), 20)
    return bucket


def test_a_million_keys_are_listed_and_read_over_http() -> None:
    with threaded_bed() as bed:
        bed.put_many("big", (f"d{number // 1000:04d}/{number:07d}" for number in range(1_000_000)), size_bytes=20)
        client = boto_client(bed.endpoint)
        assert client.list_objects_v2(Bucket="big", Delimiter="/", MaxKeys=100)["KeyCount"] == 100
        store = obstore_store(bed.endpoint, "big")
        assert len(next(iter(obstore.list(store, "d0999/", chunk_size=1000)))) == 1000
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
