"""An object is opened by its first bytes: one request, whatever the server makes of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import perijove
from perijove import answers, replicas
from perijove.beginning import first_span
from perijove.filesystem import FILES_IN_FLIGHT, close_connections
from perijove.parallel import SHORT_BYTES, Haste, few_at_once
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import Fault, FaultKind, S3Bed

BODY = random.Random(3).randbytes(3 << 20)
Put = Callable[[str, bytes], None]


@pytest.fixture(params=["direct", "proxied"])
def put(request: pytest.FixtureRequest, control: FakeControl, bed: S3Bed, monkeypatch: pytest.MonkeyPatch) -> Put:
    monkeypatch.setenv("PERIJOVE_CACHE_BYTES", "0")
    control.add("demo", FakeReplica("near", bed, "bucket"), delivery=request.param)
    return lambda path, data: (bed.put("bucket", path, data), None)[1]


def test_small_files_take_one_request_each_and_not_all_at_once(put: Put, bed: S3Bed, control: FakeControl) -> None:
    names = [f"s/{number}" for number in range(200)]
    for name in names:
        put(name, name.encode() * 100)
    bed.latency_seconds = 0.01

    found = fsspec.filesystem("perijove").cat([f"demo/{name}" for name in names])

    assert found == {f"demo/{name}": name.encode() * 100 for name in names}
    assert bed.counters == {"GetObject": 200}
    assert bed.most_at_once <= FILES_IN_FLIGHT[1]
    assert control.calls["POST datasets/demo/presign"] < 50  # addresses are asked for together


def test_a_file_is_opened_and_its_beginning_read_by_one_request(put: Put, bed: S3Bed) -> None:
    put("x.bin", BODY)

    with perijove.open("demo/x.bin") as file:
        assert file.size == len(BODY)
        assert file.read(100) == BODY[:100]

    assert bed.counters == {"GetObject": 1}


def test_a_large_block_size_is_not_fetched_for_a_look(put: Put, bed: S3Bed) -> None:
    put("x.bin", BODY * 4)

    with perijove.open("demo/x.bin", block_size=8 << 20) as file:
        assert file.read(100) == BODY[:100]
        assert bed.bytes_out <= 1 << 20
        file.seek((1 << 20) - 10)
        assert file.read(20) == BODY[(1 << 20) - 10 : (1 << 20) + 10]


@pytest.mark.parametrize(
    ("start", "end"), [(None, None), (5, 9), (0, -1), (-7, None), (-7, -2), (None, 4), (2 << 20, None), (9, 5)]
)
def test_every_slice_of_a_file_is_that_of_its_bytes(put: Put, bed: S3Bed, start: int | None, end: int | None) -> None:
    put("x.bin", BODY)

    assert fsspec.filesystem("perijove").cat_file("demo/x.bin", start, end) == BODY[start:end]
    assert bed.bytes_out <= len(BODY[start:end]) + 4
    assert sum(bed.counters.values()) <= 2


@pytest.mark.parametrize(("start", "end"), [(10, 20), (0, 20), (10, None)])
def test_what_begins_beyond_the_end_is_empty(put: Put, start: int, end: int | None) -> None:
    put("short", b"abc")
    put("empty", b"")
    files = fsspec.filesystem("perijove")

    assert files.cat_file("demo/short", start, end) == b"abc"[start:end]
    assert files.cat_file("demo/empty", start, end) == b""


def test_files_are_copied_to_disk(put: Put, bed: S3Bed, tmp_path: Path) -> None:
    put("d/x.bin", BODY * 4)
    put("d/e/empty", b"")
    files = fsspec.filesystem("perijove")

    files.get_file("demo/d/x.bin", str(tmp_path / "x.bin"))
    assert bed.counters == {"GetObject": 2}  # two pieces, and no look before them
    files.get_file("demo/d", str(tmp_path / "directory"))
    files.get_file("demo", str(tmp_path / "root"))
    assert (tmp_path / "directory").is_dir()
    assert (tmp_path / "root").is_dir()
    with pytest.raises(perijove.NotFound):
        files.get_file("demo/nope", str(tmp_path / "nope"))
    with pytest.raises(perijove.InvalidPath):
        files.get_file("demo/../x", str(tmp_path / "nope"))
    files.get("demo/d", str(tmp_path / "all"), recursive=True)

    assert (tmp_path / "x.bin").read_bytes() == BODY * 4
    assert (tmp_path / "all" / "x.bin").read_bytes() == BODY * 4
    assert (tmp_path / "all" / "e" / "empty").read_bytes() == b""


def test_many_are_read_and_the_missing_left_out_told_or_raised(put: Put) -> None:
    put("a", b"1")
    files = fsspec.filesystem("perijove")

    assert files.cat(["demo/a", "demo/nope"], on_error="omit") == {"demo/a": b"1"}
    assert isinstance(files.cat(["demo/a", "demo/nope"], on_error="return")["demo/nope"], FileNotFoundError)
    with pytest.raises(perijove.NotFound):
        files.cat(["demo/a", "demo/nope"])


def test_a_store_that_gives_no_parts_is_read_all_the_same(put: Put, bed: S3Bed) -> None:
    put("x.bin", BODY)
    bed.faults.add(Fault(FaultKind.IGNORE_RANGE, times=None))

    with perijove.open("demo/x.bin") as file:
        file.seek(-5, 2)
        assert file.read() == BODY[-5:]
        file.seek(0)
        assert file.read() == BODY


def test_what_is_huge_is_not_fetched_from_a_store_that_gives_no_parts(
    put: Put, bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "WHOLE_MAX_BYTES", 1 << 20)
    put("x.bin", bytes(64 << 20))
    bed.faults.add(Fault(FaultKind.IGNORE_RANGE, times=None))

    with pytest.raises(perijove.NotSupported, match="gives no parts of it") as refused:
        perijove.open("demo/x.bin")
    assert bed.bytes_out < 48 << 20
    bed.wait_until_idle()  # its connection ends with the read, though the error is kept
    assert refused.value.__traceback__ is not None


@pytest.mark.parametrize("kind", ["html", "wrong_range", "short_body", "drop", "wrong_length", "reset"])
def test_no_fault_of_a_store_passes_for_the_beginning(
    put: Put, bed: S3Bed, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 3.0)
    put("x.bin", BODY)
    fault = bed.faults.add(Fault(FaultKind(kind), times=None, after_bytes=1000))

    with pytest.raises(perijove.StoreUnavailable, match=r"copy near .*demo/x\.bin"):
        perijove.open("demo/x.bin")
    assert fault.hits <= 40
    bed.faults.clear()
    close_connections()
    fault = bed.faults.add(Fault(FaultKind(kind), times=1, after_bytes=1000))
    with perijove.open("demo/x.bin") as file:
        assert file.read(10) == BODY[:10]
    assert fault.hits == 1


def test_a_replaced_file_is_opened_anew_though_its_old_version_is_on_disk(control: FakeControl, bed: S3Bed) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x", b"old")
    files = fsspec.filesystem("perijove")
    assert [files.cat("demo/x"), files.cat("demo/x")] == [b"old", b"old"]
    assert [request.status for request in bed.requests] == [206, 304]

    bed.put("bucket", "x", b"newer")

    assert files.cat("demo/x") == b"newer"


@given(st.none() | st.integers(-30, 30), st.none() | st.integers(-30, 30), st.integers(0, 20))
def test_the_first_span_of_any_slice_is_a_range(start: int | None, end: int | None, size_bytes: int) -> None:
    first, stop = first_span(start, end)

    assert 0 <= first < stop
    wanted_first, wanted_stop, _ = slice(start, end).indices(size_bytes)
    if start is None or start >= 0:
        assert wanted_stop <= wanted_first or (first, min(stop, size_bytes)) >= (wanted_first, wanted_stop)


def test_files_that_are_long_share_the_link_with_few(put: Put, bed: S3Bed) -> None:
    names = [f"l/{number}" for number in range(FILES_IN_FLIGHT[1])]
    for name in names:
        put(name, bytes(2 * SHORT_BYTES))
    bed.latency_seconds = 0.01

    fsspec.filesystem("perijove").cat([f"demo/{name}" for name in names])

    assert bed.most_at_once <= FILES_IN_FLIGHT[0]


async def test_haste_grows_when_what_comes_is_short_and_shrinks_when_it_is_long() -> None:
    haste, under_way, seen = Haste(3, 6), 0, list[int]()

    async def read(size_bytes: int) -> None:
        nonlocal under_way
        under_way += 1
        seen.append(under_way)
        await asyncio.sleep(0)
        under_way -= 1
        haste.came(size_bytes)

    assert haste.at_once() == 3
    await few_at_once(read, [0] * 20 + [40 * SHORT_BYTES] * 40, haste.at_once)

    assert max(seen[:3]) == 3
    assert max(seen) == 6
    assert max(seen[-20:]) == 3
    assert haste.at_once() == 3


async def test_few_at_once_keeps_order_bounds_and_the_first_error() -> None:
    async def double(number: int) -> int:
        if number == 13:
            raise perijove.NotFound("13 is not there.")
        return 2 * number

    assert await few_at_once(double, range(10), 3) == [2 * number for number in range(10)]
    assert await few_at_once(double, [], 3) == []
    with pytest.raises(perijove.NotFound, match="13"):
        await few_at_once(double, range(20), 3)
