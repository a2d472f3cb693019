"""Long reads go by one stream where that is fast, by ranges in parallel where it is not, and to no error by either."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import perijove
from perijove import answers, straight
from perijove.copies import Copies
from perijove.health import PARTS_SECONDS, ReplicaHealth
from perijove.straight import ENOUGH_BYTES_PER_SECOND, JUDGED_SECONDS, Asked, LongAnswer, Pace, late_after_seconds
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import BAD_ANSWERS, Fault, FaultKind, S3Bed, breaks_long_answers, is_long_range

BODY = random.Random(5).randbytes(64 << 20)
STEP_BYTES = 8 << 20
Put = Callable[[], None]


@pytest.fixture(params=["direct", "proxied"])
def file(
    request: pytest.FixtureRequest,
    control: FakeControl,
    bed: S3Bed,
    other_bed: S3Bed,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A file of BODY at two copies."""
    monkeypatch.setenv("PERIJOVE_CACHE_BYTES", "0")
    copies = FakeReplica("near", bed, "bucket"), FakeReplica("far", other_bed, "bucket")
    control.add("demo", *copies, delivery=request.param)
    for store in (bed, other_bed):
        store.put("bucket", "x.bin", BODY)
    return "demo/x.bin"


@pytest.fixture
def any_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may have other things to do: its pace is not what is tested."""
    monkeypatch.setattr(straight, "ENOUGH_BYTES_PER_SECOND", 1.0)


@pytest.fixture
def it_lasts(any_is_enough: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it tested here how soon a stream is over."""
    monkeypatch.setattr(straight, "LASTS_SECONDS", 60.0)


@pytest.fixture
def none_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight, "JUDGED_SECONDS", 0.0)
    monkeypatch.setattr(straight, "LATE_SECONDS", 60.0)
    monkeypatch.setattr(straight, "ENOUGH_BYTES_PER_SECOND", 1e18)


def streams(bed: S3Bed) -> Fault:
    """Counts those that are asked for from now on, as the hits of a fault that is none."""
    return bed.faults.add(Fault(FaultKind.DELAY, op="GetObject", times=None, where=is_long_range))


def read_on(path: str) -> tuple[bytes, perijove.Counts]:
    with perijove.open(path) as file:
        return b"".join(iter(lambda: file.read(STEP_BYTES), b"")), file.counts


@pytest.mark.usefixtures("it_lasts")
def test_a_fast_store_is_read_on_by_one_stream_and_no_byte_twice(file: str, bed: S3Bed) -> None:
    long_ones = streams(bed)

    read, counts = read_on(file)

    assert read == BODY
    assert long_ones.hits == 1
    assert bed.counters == {"GetObject": counts.requests} == {"GetObject": 2}  # the one that opens it, and the stream
    assert bed.bytes_out == counts.bytes == len(BODY)


@pytest.mark.usefixtures("any_is_enough")
def test_who_reads_on_in_small_steps_gets_a_stream_after_a_while(file: str, bed: S3Bed) -> None:
    long_ones = streams(bed)
    with perijove.open(file) as opened:
        steps = [opened.read(1 << 20) for _ in range(8)]
        assert long_ones.hits == 0

        steps += iter(lambda: opened.read(1 << 20), b"")

    assert b"".join(steps) == BODY
    assert long_ones.hits == 1
    assert bed.bytes_out == len(BODY)


@pytest.mark.usefixtures("none_is_enough")
def test_a_slow_store_is_read_in_parallel_and_not_tried_again_at_once(file: str, bed: S3Bed) -> None:
    bed.latency_seconds = 0.05
    long_ones = streams(bed)

    assert read_on(file)[0] == BODY
    assert long_ones.hits == 1
    assert bed.most_at_once >= 3
    assert read_on(file)[0] == BODY
    assert long_ones.hits == 1


@pytest.mark.usefixtures("it_lasts")
def test_a_copy_to_the_disk_is_one_stream_after_its_beginning(file: str, bed: S3Bed, tmp_path: Path) -> None:
    fsspec.filesystem("perijove").get_file(file, str(tmp_path / "x"))

    assert (tmp_path / "x").read_bytes() == BODY
    assert [request.byte_range for request in bed.requests if request.op == "GetObject"] == [
        f"bytes=0-{STEP_BYTES - 1}",
        f"bytes={STEP_BYTES}-{len(BODY) - 1}",
    ]
    assert bed.bytes_out == len(BODY)


@pytest.mark.parametrize("kind", BAD_ANSWERS)
@pytest.mark.usefixtures("any_is_enough")
def test_whatever_befalls_a_stream_the_rest_is_read_in_parts(file: str, bed: S3Bed, kind: FaultKind) -> None:
    fault = breaks_long_answers()
    fault.kind, fault.after_bytes = kind, 20 << 20
    bed.faults.add(fault)

    read, counts = read_on(file)

    assert read == BODY
    assert fault.hits == 1
    assert counts.fail_overs == 0


@pytest.mark.usefixtures("any_is_enough")
def test_reading_goes_on_from_another_copy_when_a_stream_breaks_off(
    file: str, bed: S3Bed, other_bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 3.0)
    broken = bed.faults.add(breaks_long_answers())
    # all but its opening
    bed.faults.add(Fault(FaultKind.ERROR, op="GetObject", skip=1, code="InternalError", times=None))
    with perijove.open(file) as opened:
        read = b"".join(iter(lambda: opened.read(STEP_BYTES), b""))

        assert read == BODY
        assert opened.counts.fail_overs == 1
        assert broken.hits == 1


@pytest.mark.usefixtures("any_is_enough")
def test_a_stream_is_of_the_version_that_was_opened(file: str, bed: S3Bed, other_bed: S3Bed) -> None:
    with perijove.open(file) as opened:
        opened.read(1 << 20)
        for store in (bed, other_bed):
            store.put("bucket", "x.bin", BODY[::-1])

        with pytest.raises(perijove.ObjectChanged):
            list(iter(lambda: opened.read(STEP_BYTES), b""))


@pytest.mark.usefixtures("it_lasts")
def test_a_file_that_is_closed_lets_go_of_its_stream(file: str, bed: S3Bed) -> None:
    bed.stream_bytes_per_second = 64e6
    long_ones = streams(bed)
    with perijove.open(file) as opened:
        for _ in range(4):
            opened.read(STEP_BYTES)
    assert long_ones.hits == 1

    bed.wait_until_idle()
    assert bed.bytes_out < len(BODY)


@pytest.mark.usefixtures("any_is_enough")
def test_what_a_stream_gave_is_kept_on_disk(control: FakeControl, bed: S3Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x.bin", BODY)
    assert read_on("demo/x.bin")[0] == BODY
    bed.reset_counters()

    read, counts = read_on("demo/x.bin")

    assert read == BODY
    assert bed.bytes_out == 0
    assert counts.cache_bytes == len(BODY)


@pytest.mark.parametrize("step_bytes", [1 << 20, 3_000_000])
def test_what_was_read_on_is_found_on_disk_however_it_is_read_later(
    control: FakeControl, bed: S3Bed, monkeypatch: pytest.MonkeyPatch, step_bytes: int
) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x.bin", BODY)

    def read() -> bytes:
        with perijove.open("demo/x.bin") as file:
            return b"".join(iter(lambda: file.read(step_bytes), b""))

    monkeypatch.setattr(straight, "ENOUGH_BYTES_PER_SECOND", 1.0)
    assert read() == BODY
    bed.reset_counters()
    with monkeypatch.context() as slow:
        slow.setattr(Copies, "is_enough_alone", lambda self, replica_id: False)
        assert read() == BODY

    assert bed.bytes_out == 0


@pytest.mark.usefixtures("it_lasts")
def test_what_lies_on_disk_in_part_is_not_moved_again(control: FakeControl, bed: S3Bed, tmp_path: Path) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x.bin", BODY)
    files = fsspec.filesystem("perijove")
    for start in range(0, len(BODY), 2 * STEP_BYTES):
        files.cat_file("demo/x.bin", start, start + STEP_BYTES)
    bed.reset_counters()

    files.get_file("demo/x.bin", str(tmp_path / "x"))

    assert (tmp_path / "x").read_bytes() == BODY
    assert bed.bytes_out == len(BODY) // 2


@pytest.mark.usefixtures("any_is_enough")
def test_where_no_thread_can_be_had_everything_goes_as_it_always_does(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "perijove-straight":
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)

    assert read_on(file)[0] == BODY


@pytest.mark.usefixtures("any_is_enough")
@pytest.mark.parametrize("scheme", ["http", "all"])
def test_through_a_proxy_of_the_environment_everything_goes_as_it_always_does(
    file: str, bed: S3Bed, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(
        straight, "proxy_for", lambda asked, host: "http://proxy.example:3128" if asked == scheme else None
    )

    long_ones = streams(bed)

    assert read_on(file)[0] == BODY
    assert long_ones.hits == 0


@pytest.mark.usefixtures("it_lasts")
async def test_the_end_of_an_answer_is_not_waited_for_at_a_server_that_leaves_the_connection_open() -> None:
    body = BODY[: 2 * straight.WAKE_BYTES + 1]
    left_open = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f'Content-Range: bytes 0-{len(body) - 1}/{len(body)}\r\nContent-Length: {len(body)}\r\nETag: "1"\r\n\r\n'
        writer.write(f"HTTP/1.1 206 Partial Content\r\n{head}".encode() + body)
        await left_open.wait()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x.bin"
        came = LongAnswer(Asked(url, 0, len(body), '"1"', len(body)), lambda: pytest.fail("it was given up"))
        taken = [came.take(straight.WAKE_BYTES), came.take(len(body))]
        async with asyncio.timeout(late_after_seconds(len(body))):
            pieces = await asyncio.gather(*taken)
        left_open.set()
    assert [len(piece or b"") for piece in pieces] == [straight.WAKE_BYTES, straight.WAKE_BYTES + 1]
    assert b"".join(piece or b"" for piece in pieces) == body


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.floats(0, 10)), max_size=20))
def test_a_pace_is_judged_by_enough_time_only(parts: list[tuple[int, float]]) -> None:
    pace, received_bytes, seconds = Pace(), 0, 0.0

    for length, took in parts:
        received_bytes, seconds = received_bytes + length, seconds + took
        judged = seconds >= JUDGED_SECONDS
        assert pace.is_slow(length, took) == (judged and received_bytes < ENOUGH_BYTES_PER_SECOND * seconds)
        if judged:
            received_bytes, seconds = 0, 0.0


def test_a_long_piece_is_waited_for_longer() -> None:
    assert late_after_seconds(0) < late_after_seconds(8 << 20) < 1


def test_a_replica_that_was_slow_alone_is_tried_alone_again_later() -> None:
    health = ReplicaHealth()
    assert health.is_enough_alone(0)

    health.was_slow_alone(100)

    assert not health.is_enough_alone(100 + PARTS_SECONDS - 1)
    assert health.is_enough_alone(100 + PARTS_SECONDS)
