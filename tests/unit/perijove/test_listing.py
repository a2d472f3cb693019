"""Listings as a kernel asks for them: whatever keys lie in the store, and at what cost."""

from __future__ import annotations

import warnings

import fsspec
import pytest

from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import S3Bed

#: Keys below ``a/`` that no path of ours can name.
ODD = ["a/b//c", "a/../c", "a/./c", "a/b\tc", "a/b\nc", "a/b\\c", "a/d%2Fe.txt", "a//c"]


@pytest.fixture(params=["direct", "proxied"])
def filesystem(request: pytest.FixtureRequest, control: FakeControl, bed: S3Bed) -> fsspec.AbstractFileSystem:
    control.add("demo", FakeReplica("near", bed, "bucket", "demo/"), delivery=request.param)
    return fsspec.filesystem("perijove")


@pytest.mark.parametrize("odd", ODD)
def test_a_key_that_can_be_no_path_hides_no_other_and_is_told_of(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed, odd: str
) -> None:
    bed.put_many("bucket", ["demo/a/fine", "demo/a/also/fine", f"demo/{odd}"])
    shown_above = ["demo/a/b"] if odd == "a/b//c" else []  # what is odd lies further down

    if shown_above:
        assert filesystem.ls("demo/a", detail=False) == ["demo/a/also", *shown_above, "demo/a/fine"]
    else:
        with pytest.warns(UserWarning, match="1 name in demo/a cannot be shown"):
            assert filesystem.ls("demo/a", detail=False) == ["demo/a/also", "demo/a/fine"]
    with pytest.warns(UserWarning, match="1 name in demo/a cannot be shown"):
        assert filesystem.find("demo/a") == ["demo/a/also/fine", "demo/a/fine"]


def test_a_directory_of_such_keys_only_is_there_and_says_so(filesystem: fsspec.AbstractFileSystem, bed: S3Bed) -> None:
    bed.put_many("bucket", ["demo/only//x.fits", "demo/only//y.fits", "demo/only/z\\"])

    with pytest.warns(UserWarning, match="2 names in demo/only cannot be shown"):
        assert filesystem.ls("demo/only") == []
    assert filesystem.isdir("demo/only")
    assert not filesystem.exists("demo/on")
    with pytest.raises(FileNotFoundError):
        filesystem.ls("demo/on")


def test_the_key_of_a_directory_itself_hides_nothing_but_one_with_bytes_does(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed
) -> None:
    bed.put_many("bucket", ["demo/", "demo/d/", "demo/d/e/", "demo/d/e/f"])

    with warnings.catch_warnings(action="error"):
        assert filesystem.ls("demo/d", detail=False) == ["demo/d/e"]
        assert filesystem.find("demo") == ["demo/d/e/f"]
    bed.put_many("bucket", ["demo/empty/"])
    assert filesystem.ls("demo/empty") == []
    assert filesystem.isdir("demo/empty")
    bed.put("bucket", "demo/d/", b"bytes that nobody can name")
    with pytest.warns(UserWarning, match="1 name in demo/d cannot be shown"):
        filesystem.ls("demo/d")


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
