"""F21: what object stores do on bad days ends in the right bytes or in one sentence, and never in other bytes.

A fault that passes is not noticed; one that stays ends, after a bounded number of tries, in a sentence that names the
dataset, the object, the copy and how often it was tried.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

import perijove
from perijove import answers
from tests.support.control import FakeControl, FakeReplica
from tests.support.kernel import kernel_of_fake_control
from tests.support.s3 import Fault, FaultKind, S3Bed, threaded_bed

BODY = random.Random(21).randbytes(3 << 20)
#: Each fault of F21 that a body can have, with what to set, and how often a piece of a read is tried.
FAULTS = {
    "503": (Fault(FaultKind.ERROR, code="SlowDown"), "tried 4 times"),
    "reset in mid-body": (Fault(FaultKind.RESET, after_bytes=200_000), "tried 4 times"),
    "a wrong Content-Length": (Fault(FaultKind.WRONG_LENGTH, after_bytes=200_000), "tried 4 times"),
    "a short body with 200": (Fault(FaultKind.SHORT_BODY, after_bytes=200_000), "tried 3 times"),
    "a wrong range": (Fault(FaultKind.WRONG_RANGE), "tried 3 times"),
    # patience is long, so it is had once; where there is another copy, reading goes on there
    "1 KB/s": (Fault(FaultKind.SLOW_BODY, bytes_per_second=1000), "tried once"),
}
MOST_TRIES = 4


@pytest.fixture
def bed() -> Iterator[S3Bed]:
    with threaded_bed() as bed:
        bed.put("archive", "sky/m13 mosaic.fits", BODY)
        yield bed


@pytest.fixture(params=["direct", "proxied"])
def control(
    request: pytest.FixtureRequest, bed: S3Bed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FakeControl]:
    monkeypatch.setenv("PERIJOVE_CACHE_BYTES", "0")
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 1.0)
    with kernel_of_fake_control(tmp_path) as control:
        control.add("open-sky", FakeReplica("esac", bed, "archive", "sky/"), delivery=request.param)
        yield control


def _order(bed: S3Bed, fault: Fault, times: int | None) -> Fault:
    """The same fault, that happens so often and has not happened yet."""
    return bed.faults.add(
        Fault(
            fault.kind,
            op="GetObject",
            times=times,
            code=fault.code,
            after_bytes=fault.after_bytes,
            bytes_per_second=fault.bytes_per_second,
        )
    )


def _names_all(said: str) -> bool:
    return "open-sky/m13 mosaic.fits" in said and "copy esac" in said and "\n" not in said and said.endswith(".")


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("name", [name for name in FAULTS if name != "1 KB/s"])
def test_one_that_passes_is_not_noticed(bed: S3Bed, name: str) -> None:
    with perijove.open("open-sky/m13 mosaic.fits") as file:
        fault = _order(bed, FAULTS[name][0], times=1)

        assert file.read() == BODY

    assert fault.hits == 1


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("name", FAULTS)
def test_one_that_stays_ends_in_a_sentence_after_bounded_tries(bed: S3Bed, name: str) -> None:
    fault, tried = FAULTS[name]
    with perijove.open("open-sky/m13 mosaic.fits") as file:
        bed.reset_counters()
        _order(bed, fault, times=None)

        with pytest.raises(perijove.StoreUnavailable) as caught:
            file.read()

    assert _names_all(str(caught.value)), caught.value
    assert tried in str(caught.value)
    # pieces of one read go in parallel, each with its tries
    assert bed.counters["GetObject"] <= MOST_TRIES * bed.most_at_once


@pytest.mark.usefixtures("control")
def test_an_etag_that_changes_in_mid_read_mixes_no_bytes(bed: S3Bed) -> None:
    with perijove.open("open-sky/m13 mosaic.fits") as file:
        head = file.read(1000)
        _order(bed, Fault(FaultKind.REPLACE), times=1)
        file.seek(2 << 20)
        with pytest.raises(perijove.ObjectChanged) as caught:
            file.read()

    assert head == BODY[:1000]
    assert "open-sky/m13 mosaic.fits" in str(caught.value)


@pytest.mark.usefixtures("control")
def test_what_is_listed_and_then_gone_is_said_to_be_gone(bed: S3Bed) -> None:
    (listed,) = fsspec.filesystem("perijove").ls("open-sky", detail=False)
    bed.buckets["archive"].delete("sky/m13 mosaic.fits")

    with pytest.raises(perijove.NotFound) as caught:
        perijove.open(listed)

    assert "open-sky/m13 mosaic.fits" in str(caught.value)


#: What a listing can suffer of F21, how often a page is tried, and what is said at last.
OF_LISTINGS = {
    "503": (Fault(FaultKind.ERROR, code="SlowDown"), "tried 3 times"),
    "reset in mid-body": (Fault(FaultKind.RESET, after_bytes=200), "tried 3 times"),
    "a wrong Content-Length": (Fault(FaultKind.WRONG_LENGTH, after_bytes=200), "tried 3 times"),
    "a short body with 200": (Fault(FaultKind.SHORT_BODY, after_bytes=200), "tried 3 times"),
    "a sign-in page": (Fault(FaultKind.HTML), "tried 3 times"),
    "1 KB/s": (Fault(FaultKind.SLOW_BODY, bytes_per_second=200), "took longer than 1 s"),
    "no answer": (Fault(FaultKind.HANG), "took longer than 1 s"),
}


def _order_of_listings(bed: S3Bed, fault: Fault, times: int | None) -> Fault:
    return bed.faults.add(
        Fault(
            fault.kind,
            op="ListObjectsV2",
            times=times,
            code=fault.code,
            after_bytes=fault.after_bytes,
            bytes_per_second=fault.bytes_per_second,
        )
    )


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("name", [name for name in OF_LISTINGS if name not in ("1 KB/s", "no answer")])
def test_one_of_a_listing_that_passes_is_not_noticed(bed: S3Bed, name: str) -> None:
    bed.put_many("archive", [f"sky/tiles/{number:04}" for number in range(1500)])
    fault = _order_of_listings(bed, OF_LISTINGS[name][0], times=1)

    listed = fsspec.filesystem("perijove").ls("open-sky/tiles", detail=False)

    assert listed == [f"open-sky/tiles/{number:04}" for number in range(1500)]
    assert fault.hits == 1


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("name", OF_LISTINGS)
def test_one_of_a_listing_that_stays_ends_in_a_sentence_after_bounded_tries(bed: S3Bed, name: str) -> None:
    bed.put_many("archive", [f"sky/tiles/{number:04}" for number in range(50)])
    fault, said = OF_LISTINGS[name]
    fault = _order_of_listings(bed, fault, times=None)

    with pytest.raises(perijove.StoreUnavailable) as caught:
        fsspec.filesystem("perijove").ls("open-sky/tiles")

    text = str(caught.value)
    assert "open-sky/tiles" in text, text
    assert f"copy esac at {bed.endpoint}" in text
    assert said in text
    assert "tried" in text
    assert "\n" not in text
    assert 1 <= fault.hits <= MOST_TRIES


@pytest.mark.parametrize("name", OF_LISTINGS)
def test_a_directory_is_listed_at_another_copy_when_the_nearest_has_a_bad_day(
    control: FakeControl, bed: S3Bed, name: str
) -> None:
    delivery = control.datasets["open-sky"].delivery
    with threaded_bed() as other:
        for each in (bed, other):
            each.put_many("archive", [f"sky/tiles/{number:04}" for number in range(1500)])
        near, far = FakeReplica("esac", bed, "archive", "sky/"), FakeReplica("far", other, "archive", "sky/")
        control.add("open-sky", near, far, delivery=delivery)
        fault = _order_of_listings(bed, OF_LISTINGS[name][0], times=None)

        listed = fsspec.filesystem("perijove").ls("open-sky/tiles", detail=False)

        assert listed == [f"open-sky/tiles/{number:04}" for number in range(1500)]
        assert 1 <= fault.hits <= MOST_TRIES
        assert other.counters["ListObjectsV2"] == 2
