"""Datasets of other catalogues: files at plain web servers."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import fsspec
import pytest

import perijove
from perijove import replicas, whole
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import S3Bed
from tests.support.web_server import WebFile, WebServer, threaded_web_server

BODY = random.Random(3).randbytes(3 << 20)
LATER = datetime(2025, 1, 1, tzinfo=UTC)
Publish = Callable[[WebFile], WebServer]


@pytest.fixture
def publish(control: FakeControl, bed: S3Bed) -> Iterator[Publish]:
    """A dataset ``archive.x~2fy`` of one file, x.bin."""
    with threaded_web_server() as server:
        control.add("archive.x~2fy", FakeReplica("archive", bed, "", endpoint=server.url), delivery="linked")
        control.links["archive.x~2fy", "x.bin"] = f"{server.url}/some/x.bin"

        def put(file: WebFile) -> WebServer:
            server.files["some/x.bin"] = file
            return server

        yield put


@pytest.mark.parametrize("etag", ['"strong"', 'W/"weak"', None])
def test_a_file_of_an_archive_is_read_by_ranges(publish: Publish, etag: str | None) -> None:
    server = publish(WebFile(BODY, etag))

    with perijove.open("archive.x~2fy/x.bin") as file:
        assert file.size == len(BODY)
        file.seek(2_000_000)
        assert file.read(5) == BODY[2_000_000:2_000_005]
        assert file.counts.bytes <= 2 << 20  # the first block, with which it was opened, and this one
        file.seek(0)
        assert file.read() == BODY

    assert server.asked["some/x.bin"] <= 4


@pytest.mark.parametrize("etag", ['"one"', 'W/"one"', None])
def test_one_that_changes_while_it_is_read_is_an_error(publish: Publish, etag: str | None) -> None:
    before = WebFile(BODY, etag)
    publish(before)
    with perijove.open("archive.x~2fy/x.bin") as file:
        file.read(10)

        publish(replace(before, data=BODY[::-1], etag=etag and etag.replace("one", "two"), modified=LATER))

        file.seek(2 << 20)
        with pytest.raises(perijove.ObjectChanged, match="open it again"):
            file.read(10)


def test_what_cannot_be_told_from_another_version_is_not_read_in_parts(publish: Publish) -> None:
    publish(WebFile(BODY, etag=None, modified=None))

    with pytest.raises(perijove.NotSupported, match="neither an ETag nor a date"):
        perijove.open("archive.x~2fy/x.bin")


@pytest.mark.parametrize("tells_length", [True, False])
def test_a_server_that_gives_no_parts_is_asked_once_and_read_like_any_other(
    publish: Publish, tells_length: bool
) -> None:
    server = publish(WebFile(BODY, modified=None, gives_ranges=False, tells_length=tells_length))

    with perijove.open("archive.x~2fy/x.bin") as file:
        assert file.size == len(BODY)
        file.seek(-5, 2)
        assert file.read() == BODY[-5:]
        server.files["some/x.bin"] = WebFile(BODY[::-1], gives_ranges=False)  # it stays the answer that it was
        file.seek(0)
        assert file.read() == BODY
    assert server.asked["some/x.bin"] == 1
    assert fsspec.filesystem("perijove").cat("archive.x~2fy/x.bin") == BODY[::-1]
    assert fsspec.filesystem("perijove").cat_file("archive.x~2fy/x.bin", len(BODY) + 5, len(BODY) + 9) == b""
    assert server.asked["some/x.bin"] == 3


@pytest.mark.parametrize("tells_length", [True, False])
def test_what_is_too_long_to_be_fetched_whole_is_said_and_not_fetched(
    publish: Publish, monkeypatch: pytest.MonkeyPatch, tells_length: bool
) -> None:
    monkeypatch.setattr(replicas, "WHOLE_MAX_BYTES", 1 << 20)
    server = publish(WebFile(bytes(64 << 20), gives_ranges=False, tells_length=tells_length))

    with pytest.raises(perijove.NotSupported, match=r"gives no parts of it, and all of it is more than 1 MiB"):
        perijove.open("archive.x~2fy/x.bin")
    assert server.bytes_out < 32 << 20


def test_all_that_is_kept_whole_has_a_bound_and_is_let_go_with_its_files(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.collect()
    monkeypatch.setattr(whole, "ALL_MAX_BYTES", whole._open_bytes[0] + len(BODY) * 3 // 2)
    publish(WebFile(BODY, gives_ranges=False))

    with perijove.open("archive.x~2fy/x.bin"), pytest.raises(perijove.NotSupported, match="close some"):
        perijove.open("archive.x~2fy/x.bin")
    with perijove.open("archive.x~2fy/x.bin") as file:
        assert file.read() == BODY


def test_a_part_that_says_it_is_all_is_not_taken_for_the_rest_of_another_version(publish: Publish) -> None:
    server = publish(WebFile(BODY, '"one"'))
    with perijove.open("archive.x~2fy/x.bin") as file:
        file.read(10)
        publish(WebFile(BODY[::-1], '"two"'))
        server.is_careless = True
        file.seek(2 << 20)
        with pytest.raises(perijove.StoreUnavailable, match="not the part"):
            file.read(10)


def test_a_look_at_its_size_does_not_fetch_much(publish: Publish) -> None:
    publish(WebFile(bytes(9 << 20), gives_ranges=False))

    with pytest.raises(perijove.NotSupported, match="more than 8 MiB"):
        fsspec.filesystem("perijove").info("archive.x~2fy/x.bin")


def test_a_page_of_a_web_site_is_not_taken_for_the_file(publish: Publish) -> None:
    publish(WebFile(b"<html>sign in</html>", gives_ranges=False, kind="text/html; charset=utf-8"))

    with pytest.raises(perijove.NotSupported, match="a web page instead of"):
        perijove.open("archive.x~2fy/x.bin")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_stumbles_is_asked_again(publish: Publish, status: int) -> None:
    server = publish(WebFile(BODY, '"e"'))
    server.stumbles = [status, status]

    with perijove.open("archive.x~2fy/x.bin") as file:
        assert file.read(5) == BODY[:5]
    server.stumbles = [status] * 9
    with pytest.raises(perijove.StoreUnavailable, match=rf"answered {status} .*tried 4 times"):
        perijove.open("archive.x~2fy/x.bin")


def test_an_empty_file_and_a_missing_one(publish: Publish, control: FakeControl) -> None:
    server = publish(WebFile(b""))
    control.links["archive.x~2fy", "gone"] = f"{server.url}/gone"

    with perijove.open("archive.x~2fy/x.bin") as file:
        assert file.read() == b""
    with pytest.raises(perijove.NotFound, match="There is no file"):
        perijove.open("archive.x~2fy/gone")


def test_without_a_strong_etag_nothing_is_kept_on_disk(publish: Publish) -> None:
    publish(WebFile(BODY, 'W/"weak"'))

    for _ in range(2):
        with perijove.open("archive.x~2fy/x.bin") as file:
            file.read()
            assert file.counts.cache_hits == 0
            assert file.counts.bytes == len(BODY)


def entry(path: str, kind: str) -> dict[str, Any]:
    return {"name": path.rsplit("/", 1)[-1], "path": path, "type": kind, "size_bytes": 3, "modified": None}


def test_control_lists_it_page_by_page(publish: Publish, control: FakeControl) -> None:
    publish(WebFile(BODY))
    control.trees["archive.x~2fy", ""] = [entry("c", "directory"), entry("b", "file"), entry("a", "file")]
    control.trees["archive.x~2fy", "c"] = [entry(f"c/{number}", "file") for number in range(5)]
    files = fsspec.filesystem("perijove")

    assert files.ls("archive.x~2fy", detail=False) == [f"archive.x~2fy/{name}" for name in "abc"]
    assert files.find("archive.x~2fy") == [
        f"archive.x~2fy/{path}" for path in ("a", "b", "c/0", "c/1", "c/2", "c/3", "c/4")
    ]
    with pytest.raises(perijove.ControlUnavailable, match="did not answer in time"):
        files.ls("archive.x~2fy/nope")
