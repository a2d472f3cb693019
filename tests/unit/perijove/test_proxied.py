"""Pages of proxied datasets: whom they are asked of, how often, and what befalls them."""

from __future__ import annotations

from datetime import timedelta

import fsspec
import pytest

from perijove import connection, connections, signed
from perijove.errors import Refused
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import BAD_ANSWERS, Fault, FaultKind, S3Bed

NAMES = [f"demo/many/{number}" for number in range(3)]
LISTINGS = "POST datasets/demo/presign-list"


@pytest.fixture
def filesystem(control: FakeControl, bed: S3Bed) -> fsspec.AbstractFileSystem:
    control.add("demo", FakeReplica("near", bed, "bucket"), delivery="proxied")
    bed.put_many("bucket", [name.removeprefix("demo/") for name in NAMES])
    return fsspec.filesystem("perijove")


def test_who_looks_at_a_directory_again_soon_needs_no_other_address(
    filesystem: fsspec.AbstractFileSystem, control: FakeControl, bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert filesystem.ls("demo/many", detail=False) == NAMES
    assert control.calls[LISTINGS] == 1
    assert bed.counters == {"ListObjectsV2": 2}  # the list itself is never kept

    now = signed.clock()
    monkeypatch.setattr(signed, "clock", lambda: now + signed.URL_KEPT + timedelta(seconds=1))
    assert filesystem.ls("demo/many", detail=False) == NAMES
    assert control.calls[LISTINGS] == 2


def test_an_address_that_does_not_serve_any_more_is_replaced(
    filesystem: fsspec.AbstractFileSystem, control: FakeControl, bed: S3Bed
) -> None:
    filesystem.ls("demo/many")
    bed.faults.add(Fault(FaultKind.ERROR, op="ListObjectsV2", code="AccessDenied"))

    assert filesystem.ls("demo/many", detail=False) == NAMES
    assert control.calls[LISTINGS] == 2


def test_a_store_that_refuses_is_said_to(filesystem: fsspec.AbstractFileSystem, bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.ERROR, op="ListObjectsV2", code="AccessDenied", times=None))

    with pytest.raises(Refused, match="refuses to list demo/many"):
        filesystem.ls("demo/many")


@pytest.mark.parametrize("kind", sorted({FaultKind.DROP, FaultKind.HANG, FaultKind.ERROR} & set(BAD_ANSWERS)))
def test_whatever_befalls_a_page_it_comes_whole(
    filesystem: fsspec.AbstractFileSystem, bed: S3Bed, kind: FaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PACE_SECONDS", 0.3)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.1)
    fault = bed.faults.add(Fault(kind, op="ListObjectsV2"))

    assert filesystem.ls("demo/many", detail=False) == NAMES
    assert fault.hits == 1


def test_addresses_are_kept_where_the_plain_way_is_not_open(
    filesystem: fsspec.AbstractFileSystem, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_MAX", 0)

    for _ in range(3):
        assert filesystem.ls("demo/many", detail=False) == NAMES
    assert control.calls[LISTINGS] == 1
