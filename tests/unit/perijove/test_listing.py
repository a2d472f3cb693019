"""Listings as a kernel asks for them: whatever keys lie in the store, and at what cost."""

from __future__ import annotations

import os

import fsspec
import pytest

from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import S3Bed

#: Keys below ``a/`` that are no paths, and the paths that stand for them.
ODD = {
    "a/b//c": "a/b/~/c",
    "a/../c": "a/~2e~2e/c",
    "a/./c": "a/~2e/c",
    "a/b\tc": "a/b~09c",
    "a/b\nc": "a/b~0ac",
    "a/b\\c": "a/b~5cc",
    "a/d%2Fe.txt": "a/d~252Fe.txt",
    "a//c": "a/~/c",
    "a/~2e~2e/c": "a/~7e2e~7e2e/c",
    "a/with bytes/": "a/with bytes/~",
}


@pytest.fixture(params=["direct", "proxied"])
def filesystem(request: pytest.FixtureRequest, control: FakeControl, bed: S3Bed) -> fsspec.AbstractFileSystem:
    control.add("demo", FakeReplica("near", bed, "bucket", "demo/"), delivery=request.param)
    return fsspec.filesystem("perijove")


@pytest.mark.parametrize(("key", "path"), ODD.items())
def test_a_key_that_is_no_path_is_listed_and_read_by_one(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed, key: str, path: str
) -> None:
    data = os.urandom(700_000)
    bed.put_many("bucket", ["demo/a/fine", "demo/a/also/fine"])
    bed.put("bucket", f"demo/{key}", data)

    assert sorted(filesystem.find("demo/a")) == sorted(["demo/a/also/fine", "demo/a/fine", f"demo/{path}"])
    name, _, _ = path.removeprefix("a/").partition("/")
    assert sorted(filesystem.ls("demo/a", detail=False)) == sorted(["demo/a/also", "demo/a/fine", f"demo/a/{name}"])
    if "/" in path.removeprefix("a/"):
        above = f"demo/{path.rpartition('/')[0]}"
        assert filesystem.ls(above, detail=False) == [f"demo/{path}"]
        assert filesystem.isdir(above)
    assert filesystem.info(f"demo/{path}")["size"] == len(data)
    assert filesystem.cat(f"demo/{path}") == data
    assert filesystem.cat_file(f"demo/{path}", 10, 20) == data[10:20]
    with filesystem.open(f"demo/{path}", block_size=65536) as file:  # long and short reads, one after the other
        file.seek(100_000)
        assert file.read(500_000) == data[100_000:600_000]
        file.seek(5)
        assert file.read(5) == data[5:10]


def test_no_path_leads_out_of_its_dataset(filesystem: fsspec.AbstractFileSystem, bed: S3Bed) -> None:
    bed.put_many("bucket", ["demo/a/fine", "secret"])

    for path in ("~2e~2e/secret", "a/~2e~2e/~2e~2e/secret", "~/secret", "a/~2e~2e/fine"):
        with pytest.raises(FileNotFoundError):
            filesystem.cat(f"demo/{path}")
    with pytest.raises(FileNotFoundError):
        filesystem.ls("demo/~2e~2e")


def test_the_key_of_a_directory_itself_hides_nothing_and_one_with_bytes_is_a_file_without_a_name(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed
) -> None:
    bed.put_many("bucket", ["demo/", "demo/d/", "demo/d/e/", "demo/d/e/f"])

    assert filesystem.ls("demo/d", detail=False) == ["demo/d/e"]
    assert filesystem.find("demo") == ["demo/d/e/f"]
    bed.put_many("bucket", ["demo/empty/"])
    assert filesystem.ls("demo/empty") == []
    assert filesystem.isdir("demo/empty")
    bed.put("bucket", "demo/d/", b"bytes")
    assert filesystem.ls("demo/d", detail=False) == ["demo/d/e", "demo/d/~"]
    assert filesystem.cat("demo/d/~") == b"bytes"


def test_names_that_no_store_may_have_hide_no_others_and_are_told_of(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed
) -> None:
    bed.put_many("bucket", ["demo/a/fine", f"demo/a/{'x' * 1100}"])

    with pytest.warns(UserWarning, match="1 name in demo/a cannot be shown"):
        assert filesystem.ls("demo/a", detail=False) == ["demo/a/fine"]


@pytest.mark.parametrize("below", ["", "sub/"])
def test_whether_a_directory_is_there_costs_one_listing_of_one_name(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed, below: str
) -> None:
    bed.put_many("bucket", (f"demo/many/{below}{number:05}" for number in range(5000)))
    filesystem.ls("demo")
    bed.reset_counters()

    assert filesystem.info("demo/many")["type"] == "directory"
    assert bed.counters["ListObjectsV2"] == 1
    assert filesystem.isdir("demo/many")
    assert filesystem.exists("demo/many")
    assert bed.counters["ListObjectsV2"] == 3
    assert bed.bytes_out < 10_000


def test_a_directory_of_more_names_than_a_page_comes_whole(filesystem: fsspec.AbstractFileSystem, bed: S3Bed) -> None:
    bed.put_many("bucket", (f"demo/many/{number:05}" for number in range(2500)))

    assert filesystem.ls("demo/many", detail=False) == [f"demo/many/{number:05}" for number in range(2500)]
    assert len(filesystem.find("demo")) == 2500
