from __future__ import annotations

import random

import httpx
import pytest

from tests.support.jupyter import JupyterServer
from tests.support.s3 import Fault, FaultKind, breaks_long_answers

from .conftest import Dataset, MakeDataset

BODY = bytes(range(256)) * 4


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [
        (None, 200, (0, 1024)),
        ("bytes=0-0", 206, (0, 1)),
        ("bytes=10-19", 206, (10, 20)),
        ("bytes=1000-", 206, (1000, 1024)),
        ("bytes=1000-99999", 206, (1000, 1024)),
        ("bytes=-3", 206, (1021, 1024)),
        ("bytes=-99999", 206, (0, 1024)),
        ("bytes=5-2", 200, (0, 1024)),  # not a range: ignored
        ("bytes=0-1,4-5", 200, (0, 1024)),  # several: the whole is allowed
        ("lines=1-2", 200, (0, 1024)),
        ("bytes=-", 200, (0, 1024)),
    ],
)
def test_ranges(
    server: JupyterServer,
    make_dataset: MakeDataset,
    delivery: str,
    asked: str | None,
    status: int,
    span: tuple[int, int],
) -> None:
    dataset = make_dataset(delivery=delivery)
    dataset.put("x.bin", BODY)
    headers = {"Range": asked} if asked else {}

    answer = server.get(dataset.route("file"), headers=headers, path="x.bin")
    head = server.http.head(dataset.route("file"), headers=headers, params={"path": "x.bin"})

    assert (answer.status_code, answer.content) == (status, BODY[span[0] : span[1]])
    assert (head.status_code, head.headers["Content-Length"]) == (status, str(span[1] - span[0]))
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {span[0]}-{span[1] - 1}/1024"


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_beyond_the_end_is_416_with_the_size(server: JupyterServer, dataset: Dataset, asked: str) -> None:
    dataset.put("x.bin", BODY)

    answer = server.get(dataset.route("file"), headers={"Range": asked}, path="x.bin")

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */1024"


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
def test_an_empty_file_is_empty(server: JupyterServer, make_dataset: MakeDataset, delivery: str) -> None:
    dataset = make_dataset(delivery=delivery)
    dataset.put("empty", b"")

    answer = server.get(dataset.route("file"), path="empty")

    assert (answer.status_code, answer.content) == (200, b"")


def test_item_09_a_file_is_a_download_that_no_browser_runs(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put('a "b"/é\'.html', b"<script>alert(1)</script>")

    answer = server.get(dataset.route("file"), path='a "b"/é\'.html')

    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A9%27.html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")


def test_a_known_etag_is_not_sent_again_and_an_old_one_breaks_a_range(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.bin", BODY)
    etag = server.get(dataset.route("file"), path="x.bin").headers["ETag"]

    known = server.get(dataset.route("file"), headers={"If-None-Match": etag}, path="x.bin")
    same = server.get(dataset.route("file"), headers={"If-Range": etag, "Range": "bytes=0-1"}, path="x.bin")
    other = server.get(dataset.route("file"), headers={"If-Range": '"old"', "Range": "bytes=0-1"}, path="x.bin")

    assert (known.status_code, known.content) == (304, b"")
    assert same.status_code == 206
    assert other.status_code == 200


def test_a_big_file_arrives_whole_and_in_pieces_where_no_long_answer_does(
    server: JupyterServer, dataset: Dataset
) -> None:
    body = random.Random(1).randbytes(40 << 20)
    dataset.put("big.bin", body)
    assert server.get(dataset.route("file"), path="big.bin").content == body
    long_one = dataset.bed.faults.add(breaks_long_answers())
    dataset.bed.reset_counters()

    answer = server.get(dataset.route("file"), path="big.bin")

    assert answer.content == body
    assert dataset.bed.counters["GetObject"] == 5 + long_one.hits


@pytest.mark.parametrize("kind", [FaultKind.REPLACE, FaultKind.RESET])
def test_a_fault_in_the_middle_never_looks_like_a_whole_file(
    server: JupyterServer, dataset: Dataset, kind: FaultKind
) -> None:
    dataset.put("big.bin", bytes(40 << 20))
    times = 1 if kind is FaultKind.REPLACE else None  # replaced twice it would be as before
    lasting = Fault(kind, op="GetObject", times=times, where=lambda asked: asked.startswith("bytes=33554432-"))
    dataset.bed.faults.add(breaks_long_answers())
    dataset.bed.faults.add(lasting)

    with pytest.raises(httpx.RemoteProtocolError):
        server.get(dataset.route("file"), path="big.bin")
    assert lasting.hits > 0


def test_a_fault_before_the_first_byte_is_told_in_words(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.bin", BODY)
    dataset.bed.faults.add(Fault(FaultKind.ERROR, op="GetObject", code="AccessDenied", times=None))

    answer = server.get(dataset.route("file"), path="x.bin")

    assert answer.status_code == 403
    assert "Content-Range" not in answer.headers
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_file_that_is_not_there_is_not_found(server: JupyterServer, dataset: Dataset) -> None:
    answer = server.get(dataset.route("file"), path="nope")

    assert answer.status_code == 404
    assert f"{dataset.id}/nope" in answer.json()["detail"]
