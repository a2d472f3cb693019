"""Every fault that a test may order from the bed, as a client meets it; and the bed's shaping and records."""

from __future__ import annotations

import http.client
import time
from typing import Any

import obstore
import pytest
from botocore.exceptions import ClientError

from tests.support.s3 import Fault, FaultKind, S3Bed, threaded_bed
from tests.support.s3.clients import boto_client, obstore_store

pytest_plugins = ["tests.support.s3.fixtures"]
DATA = bytes(range(256)) * 40


@pytest.fixture
def bed(s3_bed: S3Bed) -> S3Bed:
    s3_bed.put("b", "k", DATA)
    return s3_bed


def raw_get(bed: S3Bed, byte_range: str | None = None, timeout_seconds: float = 5) -> tuple[int, dict[str, str], bytes]:
    """A GET by the plainest of clients, which hides nothing."""
    session = boto_client(bed.endpoint)
    url = session.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    connection = http.client.HTTPConnection(bed.endpoint.removeprefix("http://"), timeout=timeout_seconds)
    try:
        headers = {"Range": byte_range} if byte_range else {}
        connection.request("GET", url.removeprefix(bed.endpoint), headers=headers)
        answer = connection.getresponse()
        said = {name.lower(): text for name, text in answer.getheaders()}
        return answer.status, said, answer.read()
    finally:
        connection.close()


def test_slow_down_comes_as_often_as_ordered_and_then_no_more(bed: S3Bed) -> None:
    fault = bed.faults.add(Fault(FaultKind.ERROR, op="GetObject", code="SlowDown", times=2))
    assert [raw_get(bed)[0] for _ in range(3)] == [503, 503, 200]
    assert fault.hits == 2


def test_not_found_after_a_listing(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.ERROR, op="*Object", code="NoSuchKey", times=None))
    client = boto_client(bed.endpoint)
    assert client.list_objects_v2(Bucket="b")["KeyCount"] == 1
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket="b", Key="k")


def test_a_slow_body(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.SLOW_BODY, bytes_per_second=20_000))
    began = time.perf_counter()
    assert raw_get(bed)[2] == DATA
    assert time.perf_counter() - began > 0.4


def test_a_reset_in_the_middle_of_the_body(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.RESET, after_bytes=1000))
    with pytest.raises(ConnectionResetError):
        raw_get(bed)


def test_a_short_body_that_looks_whole(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.SHORT_BODY, after_bytes=100, times=2))
    status, headers, body = raw_get(bed)
    assert (status, headers["content-length"], body) == (200, "100", DATA[:100])
    status, headers, body = raw_get(bed, "bytes=10-509")
    assert (status, headers["content-range"], body) == (206, f"bytes 10-509/{len(DATA)}", DATA[10:110])


def test_a_content_length_that_is_too_long(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.WRONG_LENGTH, after_bytes=100))
    with pytest.raises(http.client.IncompleteRead) as caught:
        raw_get(bed)
    assert caught.value.partial == DATA[:100]


def test_another_range_than_asked_for(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.WRONG_RANGE))
    status, headers, body = raw_get(bed, "bytes=10-19")
    assert (status, headers["content-range"], body) == (206, f"bytes 11-20/{len(DATA)}", DATA[11:21])


def test_a_range_that_is_ignored(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.IGNORE_RANGE))
    assert raw_get(bed, "bytes=10-19")[::2] == (200, DATA)


def test_a_corrupt_byte_under_right_headers(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.CORRUPT))
    status, headers, body = raw_get(bed, "bytes=10-19")
    assert status == 206
    assert body[0] == DATA[10] ^ 0xFF
    assert body[1:] == DATA[11:20]
    assert headers["etag"] == raw_get(bed)[1]["etag"]


def test_an_object_that_changes_between_two_reads(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.REPLACE, skip=1))
    client = boto_client(bed.endpoint)
    first = client.get_object(Bucket="b", Key="k", Range="bytes=0-9")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.get_object(Bucket="b", Key="k", Range="bytes=10-19", IfMatch=first["ETag"])
    again = client.get_object(Bucket="b", Key="k")
    assert again["ETag"] != first["ETag"]
    assert again["ContentLength"] == len(DATA)


def test_a_connection_dropped_without_an_answer(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.DROP))
    with pytest.raises(ConnectionError):
        raw_get(bed)
    assert raw_get(bed)[0] == 200


def test_a_request_that_is_never_answered_does_not_hold_the_bed(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.HANG))
    with pytest.raises(TimeoutError):
        raw_get(bed, timeout_seconds=0.2)
    assert raw_get(bed)[0] == 200


def test_a_late_answer(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.DELAY, op="HeadObject", delay_seconds=0.2))
    began = time.perf_counter()
    boto_client(bed.endpoint).head_object(Bucket="b", Key="k")
    assert time.perf_counter() - began > 0.2


def test_a_sign_in_page_instead_of_data(bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.HTML))
    status, headers, _ = raw_get(bed)
    assert status == 200
    assert headers["content-type"].startswith("text/html")


def test_a_fault_keeps_to_its_key_and_range(bed: S3Bed) -> None:
    bed.put("b", "other", DATA)
    bed.faults.add(Fault(FaultKind.ERROR, key="oth*", times=None))
    bed.faults.add(Fault(FaultKind.ERROR, where=lambda asked: asked.startswith("bytes=512-"), times=None))
    store = obstore_store(bed.endpoint, "b")
    assert bytes(obstore.get(store, "k").bytes()) == DATA
    for call in (lambda: obstore.get(store, "other"), lambda: obstore.get_range(store, "k", start=512, length=2)):
        with pytest.raises(Exception, match=r"SlowDown|503"):
            call()


def test_each_stream_is_held_to_its_rate() -> None:
    with threaded_bed(stream_bytes_per_second=1_000_000, latency_seconds=0.05) as bed:
        bed.put("b", "k", bytes(200_000))
        client = boto_client(bed.endpoint)
        began = time.perf_counter()
        assert len(client.get_object(Bucket="b", Key="k")["Body"].read()) == 200_000
        assert time.perf_counter() - began > 0.2


def test_the_bed_records_what_it_was_asked(bed: S3Bed) -> None:
    client: Any = boto_client(bed.endpoint)
    client.get_object(Bucket="b", Key="k", Range="bytes=0-99")["Body"].read()
    with pytest.raises(ClientError):
        client.get_object(Bucket="b", Key="missing")
    client.list_objects_v2(Bucket="b")
    assert bed.counters == {"GetObject": 2, "ListObjectsV2": 1}
    assert bed.bytes_out == 100
    assert [(asked.key, asked.byte_range, asked.status) for asked in bed.requests] == [
        ("k", "bytes=0-99", 206),
        ("missing", "", 404),
        ("", "", 200),
    ]
    bed.reset_counters()
    assert not bed.counters


async def test_the_bed_runs_in_the_loop_of_a_test() -> None:
    async with S3Bed(users={"me": "my-secret"}) as bed:
        bed.put("b", "k", DATA)
        store = obstore_store(bed.endpoint, "b", "me", "my-secret")
        assert bytes(await obstore.get_range_async(store, "k", start=1, length=3)) == DATA[1:4]


def test_writes_are_checked_against_what_the_client_says(bed: S3Bed) -> None:
    client = boto_client(bed.endpoint)
    with pytest.raises(ClientError, match="BadDigest"):
        client.put_object(Bucket="b", Key="k", Body=b"data", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket="b", Key="k", Body=b"data", IfNoneMatch="*")
    assert bed.get("b", "k") == DATA
