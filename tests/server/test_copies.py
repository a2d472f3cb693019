from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.control import FakeControl, FakeReplica
from tests.support.jupyter import JupyterServer
from tests.support.s3 import Fault, FaultKind, S3Bed, threaded_bed


@pytest.fixture
def far_bed() -> Iterator[S3Bed]:
    with threaded_bed() as bed:
        bed.make_bucket("bucket")
        yield bed


@pytest.fixture
def two_copies(control: FakeControl, bed: S3Bed, far_bed: S3Bed) -> Iterator[str]:
    near = FakeReplica("near", bed, "bucket", "copies/")
    far = FakeReplica("far", far_bed, "bucket", "copies/", egress_cost=1.5)
    control.add("two-copies", near, far)
    for store in (bed, far_bed):
        store.put("bucket", "copies/x.bin", b"x" * (2 << 20))
    yield "datasets/two-copies"
    bed.faults.clear()
    del control.datasets["two-copies"]


def test_copies_nobody_asked_are_unknown_and_the_one_that_answered_is_used(
    server: JupyterServer, two_copies: str
) -> None:
    before = server.get(f"{two_copies}/copies").json()
    server.get(f"{two_copies}/file", path="x.bin")
    near, far = server.get(f"{two_copies}/copies").json()["items"]

    assert before["next"] is None
    assert before["items"] == [
        {
            "id": name,
            "site": name,
            "region": "eu-test-1",
            "rank": rank,
            "state": "unknown",
            "latency_ms": None,
            "megabytes_second": None,
            "egress_cost": cost,
        }
        for rank, (name, cost) in enumerate([("near", 0.0), ("far", 1.5)])
    ]
    assert (near["id"], near["state"], far["state"]) == ("near", "used", "unknown")
    assert near["latency_ms"] > 0
    assert near["megabytes_second"] > 0


def test_a_copy_that_does_not_answer_is_down_and_the_next_is_used(
    server: JupyterServer, two_copies: str, bed: S3Bed
) -> None:
    bed.faults.add(Fault(FaultKind.DROP, key="copies/*", times=None))

    assert len(server.get(f"{two_copies}/file", path="x.bin").content) == 2 << 20
    copies = server.get(f"{two_copies}/copies").json()["items"]

    assert [(one["id"], one["state"]) for one in copies] == [("far", "used"), ("near", "down")]


def test_copies_of_an_unknown_dataset_are_not_found(server: JupyterServer) -> None:
    assert server.get("datasets/nope/copies").status_code == 404
