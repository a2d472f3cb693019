"""An opened object goes on from another copy of the same version, and from no other."""

from __future__ import annotations

import random
from collections.abc import Callable

import fsspec
import pytest

import perijove
from perijove import answers
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import BAD_ANSWERS, Fault, FaultKind, S3Bed

BODY = random.Random(7).randbytes(5 << 20)


@pytest.fixture(params=["direct", "proxied"])
def put(
    request: pytest.FixtureRequest, control: FakeControl, bed: S3Bed, other_bed: S3Bed
) -> Callable[[bytes, bytes], None]:
    """Puts x.bin at both copies."""
    control.add(
        "demo", FakeReplica("near", bed, "bucket"), FakeReplica("far", other_bed, "bucket"), delivery=request.param
    )

    def put(near: bytes, far: bytes) -> None:
        bed.put("bucket", "x.bin", near)
        other_bed.put("bucket", "x.bin", far)

    return put


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_reading_goes_on_from_another_copy_of_the_same_version(
    put: Callable[[bytes, bytes], None],
    bed: S3Bed,
    other_bed: S3Bed,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 3.0)
    put(BODY, BODY)
    with perijove.open("demo/x.bin") as file:
        head = file.read(100_000)
        fault = bed.faults.add(Fault(FaultKind(kind), op="GetObject", times=None, after_bytes=1000))

        assert head + file.read() == BODY

        assert 1 <= fault.hits <= 4 * 2  # bounded: so many tries of each of two pieces at most
        assert file.counts.fail_overs == 1
    assert other_bed.counters["GetObject"] >= 1
    assert perijove.stats()["demo"].fail_overs >= 1


def test_another_version_elsewhere_is_never_mixed_in(put: Callable[[bytes, bytes], None], bed: S3Bed) -> None:
    put(BODY, BODY[::-1])
    with perijove.open("demo/x.bin") as file:
        file.read(100)
        bed.faults.add(Fault(FaultKind.ERROR, op="GetObject", times=None))

        file.seek(3 << 20)
        with pytest.raises(perijove.StoreUnavailable) as caught:
            file.read(100)

    said = str(caught.value)
    assert "no other copy gives the same version" in said
    for part in ("demo/x.bin", "copy near", bed.endpoint, "503", "tried 4 times"):
        assert part in said
    assert "\n" not in said


def test_a_copy_without_the_object_is_passed_by(control: FakeControl, bed: S3Bed, other_bed: S3Bed) -> None:
    third = FakeReplica("third", other_bed, "bucket", "third/")
    control.add("demo", FakeReplica("near", bed, "bucket"), FakeReplica("far", other_bed, "bucket"), third)
    bed.put("bucket", "x.bin", BODY)
    other_bed.put("bucket", "third/x.bin", BODY)
    with perijove.open("demo/x.bin") as file:
        bed.faults.add(Fault(FaultKind.DROP, times=None))

        assert file.read() == BODY


def test_an_object_that_vanishes_after_it_was_opened_is_read_elsewhere(
    put: Callable[[bytes, bytes], None], bed: S3Bed
) -> None:
    put(BODY, BODY)
    with perijove.open("demo/x.bin") as file:
        bed.buckets["bucket"].delete("x.bin")

        assert file.read() == BODY


def test_one_that_vanishes_everywhere_is_named(
    put: Callable[[bytes, bytes], None], bed: S3Bed, other_bed: S3Bed
) -> None:
    put(BODY, BODY)
    with perijove.open("demo/x.bin") as file:
        bed.buckets["bucket"].delete("x.bin")
        other_bed.buckets["bucket"].delete("x.bin")

        with pytest.raises(perijove.NotFound, match=r"demo/x\.bin in the copy near"):
            file.read()


def test_a_passing_wrong_answer_is_asked_for_again(put: Callable[[bytes, bytes], None], bed: S3Bed) -> None:
    put(BODY, BODY)
    with perijove.open("demo/x.bin") as file:
        for kind in (FaultKind.WRONG_RANGE, FaultKind.SHORT_BODY):
            bed.faults.add(Fault(kind, op="GetObject", times=1, after_bytes=1000))

        assert file.read() == BODY
        assert file.counts.fail_overs == 0


def test_a_broken_body_goes_on_where_it_broke_off(put: Callable[[bytes, bytes], None], bed: S3Bed) -> None:
    put(BODY, BODY)
    with perijove.open("demo/x.bin") as file:
        bed.reset_counters()
        bed.faults.add(Fault(FaultKind.RESET, op="GetObject", times=1, after_bytes=4 << 20))

        assert file.read() == BODY
        assert bed.bytes_out < len(BODY) * 1.3


@pytest.mark.parametrize("kind", [FaultKind.HANG, FaultKind.ERROR])
def test_an_object_is_opened_elsewhere_when_the_nearest_copy_hangs_or_errs(
    put: Callable[[bytes, bytes], None], bed: S3Bed, kind: FaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 3.0)
    put(BODY, BODY)
    bed.faults.add(Fault(kind, times=None))

    with perijove.open("demo/x.bin") as file:
        assert file.read() == BODY


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchBucket", "AccessDenied"])
def test_a_copy_that_has_not_got_it_or_refuses_is_passed_by_and_asked_again(
    put: Callable[[bytes, bytes], None], bed: S3Bed, code: str
) -> None:
    put(BODY, BODY)
    if code == "NoSuchKey":
        bed.buckets["bucket"].delete("x.bin")
    else:
        bed.faults.add(Fault(FaultKind.ERROR, code=code, times=None))

    with perijove.open("demo/x.bin") as file:
        assert file.read() == BODY
    filesystem = fsspec.filesystem("perijove")
    assert filesystem.isdir("demo")
    bed.faults.clear()
    bed.put("bucket", "y.bin", b"near")
    assert filesystem.cat("demo/y.bin") == b"near"


def test_what_no_copy_has_is_missing_and_each_is_asked_once(
    put: Callable[[bytes, bytes], None], bed: S3Bed, other_bed: S3Bed
) -> None:
    put(BODY, BODY)
    fsspec.filesystem("perijove").cat("demo/x.bin")
    bed.reset_counters()
    other_bed.reset_counters()

    with pytest.raises(FileNotFoundError, match="in the copy near"):
        fsspec.filesystem("perijove").cat("demo/nothing")

    assert (bed.counters["GetObject"], other_bed.counters["GetObject"]) == (1, 1)


def test_for_what_the_nearest_copy_has_not_got_no_dead_copy_is_waited_for(
    put: Callable[[bytes, bytes], None], other_bed: S3Bed
) -> None:
    put(BODY, BODY)
    fault = other_bed.faults.add(Fault(FaultKind.DROP, times=None))
    filesystem = fsspec.filesystem("perijove")
    with pytest.raises(FileNotFoundError):
        filesystem.cat("demo/nothing")
    found_out = fault.hits

    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            filesystem.cat("demo/nothing")
    assert fault.hits == found_out
