"""Short reads cost one request each and are of the version that was opened, whatever the store does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import fsspec
import pytest

import perijove
from perijove import connection, connections
from perijove.errors import NotFound, ObjectChanged, Refused
from perijove.short import PART_MAX_BYTES
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import BAD_ANSWERS, Fault, FaultKind, S3Bed

BODY = random.Random(7).randbytes(1 << 20)
PART = slice(1000, 66_536)


@pytest.fixture(params=["direct", "proxied"])
def folder(request: pytest.FixtureRequest, control: FakeControl, bed: S3Bed, monkeypatch: pytest.MonkeyPatch) -> str:
    """A dataset with files of BODY, of which nothing is kept on disk."""
    monkeypatch.setenv("PERIJOVE_CACHE_BYTES", "0")
    control.add("demo", FakeReplica("near", bed, "bucket"), delivery=request.param)
    for name in ("a.bin", "b.bin"):
        bed.put("bucket", name, BODY)
    return "demo"


@pytest.fixture
def filesystem(folder: str) -> fsspec.AbstractFileSystem:
    filesystem = fsspec.filesystem("perijove")
    filesystem.cat_file(f"{folder}/a.bin", 0, 1)  # keys, and a connection
    return filesystem


@pytest.fixture
def quick_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that stalls is left to obstore soon."""
    monkeypatch.setattr(connection, "PACE_SECONDS", 0.3)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.1)


def asked(bed: S3Bed, key: str = "b.bin") -> list[str]:
    return [request.byte_range for request in bed.requests if (request.op, request.key) == ("GetObject", key)]


def test_a_part_of_a_new_object_is_one_request(filesystem: fsspec.AbstractFileSystem, bed: S3Bed) -> None:
    assert filesystem.cat_file("demo/b.bin", PART.start, PART.stop) == BODY[PART]
    assert asked(bed) == ["bytes=1000-66535"]


def test_each_part_of_an_open_object_is_one_request(filesystem: fsspec.AbstractFileSystem, bed: S3Bed) -> None:
    starts = [0, 300_000, 700_000, len(BODY) - 10]

    found = filesystem.cat_ranges(["demo/b.bin"] * 4, starts, [start + 1000 for start in starts])

    assert found == [BODY[start : start + 1000] for start in starts]
    assert sorted(asked(bed)) == sorted(f"bytes={start}-{min(start + 1000, len(BODY)) - 1}" for start in starts)


def test_a_small_file_is_one_request(filesystem: fsspec.AbstractFileSystem, bed: S3Bed) -> None:
    bed.put("bucket", "small.bin", BODY[:20_000])

    assert filesystem.cat_file("demo/small.bin") == BODY[:20_000]
    assert len(asked(bed, "small.bin")) == 1


def test_an_empty_file_is_empty(filesystem: fsspec.AbstractFileSystem, bed: S3Bed) -> None:
    bed.put("bucket", "empty.bin", b"")

    assert filesystem.cat_file("demo/empty.bin") == b""


def test_a_key_that_is_not_there_is_not_found(filesystem: fsspec.AbstractFileSystem, folder: str) -> None:
    with pytest.raises(NotFound, match=r"There is no file demo/none\.bin in the copy near"):
        filesystem.cat_file("demo/none.bin")


def test_a_key_that_is_not_there_is_asked_for_once_where_chunks_are_often_missing(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed
) -> None:
    found = filesystem.cat([f"demo/{number}" for number in range(20)], on_error="return")

    assert {type(error) for error in found.values()} == {NotFound}
    assert all(len(asked(bed, str(number))) == 1 for number in range(20))


@pytest.mark.parametrize("key", ["with space.bin", "ä/ö.bin", "a+b&c=d?e#f%41.bin", "x" * 1000])
def test_keys_are_read_whatever_is_in_them(filesystem: fsspec.AbstractFileSystem, bed: S3Bed, key: str) -> None:
    bed.put("bucket", key, key.encode())

    assert filesystem.cat_file(f"demo/{key}") == key.encode()
    assert len(asked(bed, key)) == 1


@pytest.mark.usefixtures("quick_to_give_up")
@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_whatever_befalls_a_short_read_the_bytes_are_right(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed, kind: FaultKind
) -> None:
    with perijove.open("demo/b.bin", block_size=1 << 16, cache_options={}) as file:
        file.read(1)
        fault = bed.faults.add(Fault(kind, op="GetObject", after_bytes=5))

        file.seek(500_000)
        assert file.read(1000) == BODY[500_000:501_000]
        assert fault.hits == 1


@pytest.mark.usefixtures("quick_to_give_up")
@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_whatever_befalls_the_first_look_the_bytes_are_right(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed, kind: FaultKind
) -> None:
    fault = bed.faults.add(Fault(kind, op="GetObject", after_bytes=5))

    assert filesystem.cat_file("demo/b.bin", PART.start, PART.stop) == BODY[PART]
    assert fault.hits == 1


def test_a_store_that_does_not_answer_plainly_is_left_alone_for_a_while(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed
) -> None:
    bed.faults.add(Fault(FaultKind.ERROR, op="GetObject", code="SlowDown"))

    for _ in range(3):
        assert filesystem.cat_file("demo/b.bin", PART.start, PART.stop) == BODY[PART]
    assert len(asked(bed)) == 3 + 1


def test_an_object_that_was_replaced_is_never_mixed_with_what_was_opened(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed
) -> None:
    with perijove.open("demo/b.bin", block_size=1 << 16) as file:
        file.read(1)
        bed.put("bucket", "b.bin", BODY[::-1])

        file.seek(500_000)
        with pytest.raises(ObjectChanged):
            file.read(1000)


def test_an_object_that_is_replaced_while_it_is_asked_for_is_never_mixed(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed
) -> None:
    with perijove.open("demo/b.bin", block_size=1 << 16) as file:
        file.read(1)
        bed.faults.add(Fault(FaultKind.REPLACE, op="GetObject"))

        file.seek(500_000)
        with pytest.raises(ObjectChanged):
            file.read(1000)


def test_longer_parts_are_not_read_so(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed.put("bucket", "long.bin", BODY * 3)
    asked_for: list[int] = []
    get = connections.Connections.get

    async def counted(self: connections.Connections, url: str, headers: object, most_bytes: int) -> object:
        asked_for.append(most_bytes)
        return await get(self, url, headers, most_bytes)  # type: ignore[arg-type] # passed on as it is

    monkeypatch.setattr(connections.Connections, "get", counted)
    with perijove.open("demo/long.bin", block_size=1 << 16) as file:
        file.read(1)
        asked_for.clear()

        file.seek(10)
        assert file.read(PART_MAX_BYTES + 100) == (BODY * 3)[10 : PART_MAX_BYTES + 110]
    assert all(most_bytes <= PART_MAX_BYTES for most_bytes in asked_for)


def _notes_of_answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each request by the plain way, whether it had an answer; the list grows."""
    answered: list[bool] = []
    get = connections.Connections.get

    async def noted(self: connections.Connections, url: str, headers: Mapping[str, str], most_bytes: int) -> object:
        reply = await get(self, url, headers, most_bytes)
        answered.append(reply is not None)
        return reply

    monkeypatch.setattr(connections.Connections, "get", noted)
    return answered


def test_a_key_that_is_refused_says_nothing_of_others(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = _notes_of_answers(monkeypatch)
    bed.faults.add(Fault(FaultKind.ERROR, op="GetObject", code="AccessDenied", key="b.bin", times=None))

    for _ in range(2):
        with pytest.raises(Refused):
            filesystem.cat_file("demo/b.bin", 0, 10)
    filesystem.cat_file("demo/a.bin", 0, 10)

    assert answered == [True, False, True]


@pytest.mark.parametrize("header", ["content-encoding", "etag"])
def test_an_object_that_does_not_come_as_it_is_stored_is_left_alone(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, parsed = _notes_of_answers(monkeypatch), connection.parsed_head

    def changed(head: bytes) -> tuple[int, dict[str, str]]:
        status, headers = parsed(head)
        return status, headers | {header: "aws-chunked" if header == "content-encoding" else ""}

    monkeypatch.setattr(connection, "parsed_head", changed)
    for _ in range(3):
        assert filesystem.cat_file("demo/b.bin", 0, 10) == BODY[:10]

    assert answered == [True, False, False]
    assert len(asked(bed)) == 1 + 3


def test_a_filesystem_of_a_second_loop_reads(folder: str) -> None:
    async def read() -> bytes:
        filesystem = fsspec.filesystem("perijove", asynchronous=True)
        async with asyncio.timeout(15):
            data: bytes = await filesystem._cat_file(f"{folder}/a.bin", 0, 10)
        if filesystem._client.loop is asyncio.get_running_loop():
            await filesystem._client.stores().close()  # what is open belongs to this loop, which ends
        return data

    assert [asyncio.run(read()) for _ in range(2)] == [BODY[:10]] * 2
