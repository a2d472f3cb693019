from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.control import FakeControl, FakeReplica
from tests.support.jupyter import JupyterServer
from tests.support.s3 import Fault, FaultKind, S3Bed

from .conftest import Dataset, MakeDataset

BAD_PATHS = [
    "..",
    "../other",
    "a/../b",
    "a/..",
    "./a",
    "a//b",
    "//a",
    "/a",
    "a\\b",
    "..\\a",
    "a\0b",
    "a\nb",
    "%2e%2e/a",
    "a%2Fb",
    "a%5cb",
    "%252e%252e",
    "\uff0e\uff0e/a",  # full-width dots
    "a\uff0f..\uff0fb",  # full-width slashes
    "\u2025/a",  # a two-dot leader
    "x" * 1025,
    "é" * 513,
]


def test_a_page_holds_files_and_directories_below_the_path_only(server: JupyterServer, dataset: Dataset) -> None:
    for path in ("a b.txt", "sub/deep/x.fits", "sub/é#?%~[1].txt", "subway/y", "sub"):
        dataset.put(path, b"1234")

    root = server.get(dataset.route("tree")).json()
    below = server.get(dataset.route("tree"), path="sub").json()

    assert [(item["name"], item["type"], item["size_bytes"]) for item in root["items"]] == [
        ("a b.txt", "file", 4),
        ("sub", "directory", None),
        ("sub", "file", 4),
        ("subway", "directory", None),
    ]
    assert [item["path"] for item in below["items"]] == ["sub/deep", "sub/é#?%~[1].txt"]
    assert below["next"] is None


def test_a_million_keys_open_as_fast_as_ten_and_page_through(server: JupyterServer, dataset: Dataset) -> None:
    dataset.bed.put_many("bucket", (f"{dataset.prefix}flat/{number:07}" for number in range(1_000_000)))
    dataset.bed.put_many("bucket", (f"{dataset.prefix}few/{number}" for number in range(10)))
    server.get(dataset.route("tree"), path="few")  # credentials are at hand from here on
    dataset.bed.reset_counters()

    began = time.monotonic()
    first = server.get(dataset.route("tree"), path="flat").json()
    took_seconds = time.monotonic() - began
    second = server.http.get(_below_server(server, first["next"])).json()

    assert took_seconds < 1.0
    assert dataset.bed.counters == {"ListObjectsV2": 2}
    names = [item["name"] for item in first["items"] + second["items"]]
    assert names == [f"{number:07}" for number in range(400)]


def test_names_of_a_directory_are_filtered_at_the_store(server: JupyterServer, dataset: Dataset) -> None:
    for path in ("in/tile-1.fits", "in/tile-2/x", "in/tilt", "in/é#?%1", "tile-3"):
        dataset.put(path, b"1234")
    dataset.bed.put_many("bucket", (f"{dataset.prefix}in/z{number:04}" for number in range(5000)))
    dataset.bed.reset_counters()

    found = server.get(dataset.route("tree"), path="in", prefix="tile").json()
    page = server.get(dataset.route("tree"), path="in", prefix="z", limit="100").json()
    following = server.http.get(_below_server(server, page["next"])).json()

    assert [(item["path"], item["type"]) for item in found["items"]] == [
        ("in/tile-1.fits", "file"),
        ("in/tile-2", "directory"),
    ]
    assert [item["name"] for item in following["items"]] == [f"z{number:04}" for number in range(100, 200)]
    assert dataset.bed.counters == {"ListObjectsV2": 3}
    assert [item["name"] for item in server.get(dataset.route("tree"), path="in", prefix="é#?%").json()["items"]] == [
        "é#?%1"
    ]
    assert server.get(dataset.route("tree"), path="in", prefix="none").json() == {
        "items": [],
        "next": None,
        "skipped": 0,
    }


@pytest.mark.parametrize("prefix", ["a/b", "/", "a\0", "a\n", "x" * 1025])
def test_the_beginning_of_a_name_is_no_path(server: JupyterServer, dataset: Dataset, prefix: str) -> None:
    dataset.put("a/b", b"")

    answer = server.get(dataset.route("tree"), prefix=prefix)

    assert answer.status_code == 400
    assert "beginning of names" in answer.json()["detail"]


def test_no_beginning_of_a_name_leads_out_of_the_dataset(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("a", b"")

    assert server.get(dataset.route("tree"), prefix="..").json()["items"] == []


def test_all_pages_together_hold_every_entry_once(server: JupyterServer, dataset: Dataset) -> None:
    paths = [f"d{number:02}/x" for number in range(12)] + [f"f{number:02}" for number in range(12)]
    for path in paths:
        dataset.put(path, b"")

    seen, cursor = [], ""
    while True:
        page = server.get(dataset.route("tree"), limit=5, cursor=cursor).json()
        seen += [item["path"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = _cursor(page["next"])

    assert seen == sorted({path.split("/")[0] for path in paths})


@pytest.mark.parametrize("route", ["tree", "file", "preview", "preview/image", "snippet"])
def test_paths_that_could_leave_the_dataset_are_refused(server: JupyterServer, dataset: Dataset, route: str) -> None:
    """Security, item 19."""
    dataset.bed.put("bucket", "other", b"secret")

    for path in BAD_PATHS:
        answer = server.get(dataset.route(route), path=path)
        assert answer.status_code == 400, path
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=abc",
        "limit=١",
        "limit=1e3",
        "limit=5&limit=6",
        "cursor=nonsense",
        "cursor=WyJuZWFyIl0",
        "cursor=" + "A" * 9000,
        "path=%ff%fe",
        "path=a&path=b",
    ],
)
def test_malformed_arguments_are_told_in_one_sentence(server: JupyterServer, dataset: Dataset, query: str) -> None:
    answer = server.http.get(f"{dataset.route('tree')}?{query}")

    assert answer.status_code == 400
    assert "Traceback" not in answer.text
    assert answer.json()["detail"]


@pytest.mark.parametrize("dataset_id", ["nope", "NOPE", "a.b", "..", "%2e%2e", "a%2f..%2fb", "x" * 200, "é"])
def test_an_unknown_or_impossible_dataset_is_a_clear_4xx(server: JupyterServer, dataset_id: str) -> None:
    for route in ("", "/tree", "/file?path=a", "/preview?path=a", "/snippet"):
        answer = server.http.get(f"datasets/{dataset_id}{route}")
        assert 400 <= answer.status_code < 500
        assert answer.json()["detail"]


def test_a_directory_that_is_not_there_is_not_found(server: JupyterServer, dataset: Dataset) -> None:
    answer = server.get(dataset.route("tree"), path="nope")

    assert answer.status_code == 404
    assert "nope" in answer.json()["detail"]


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
def test_keys_that_are_no_paths_have_some_that_stand_for_them_and_hostile_names_stay_text(
    server: JupyterServer, make_dataset: MakeDataset, delivery: str
) -> None:
    dataset = make_dataset(delivery=delivery)
    hostile = "<img src=x onerror=alert(1)>.txt"
    for key in ("dir/", "dir//x", "dir/../x", "dir/ok", f"dir/{hostile}"):
        dataset.put(key, key.encode() if key.endswith("x") else b"")

    answer = server.get(dataset.route("tree"), path="dir")

    assert [item["name"] for item in answer.json()["items"]] == [hostile, "ok", "~", "~2e~2e"]
    assert answer.json()["skipped"] == 0
    for path, key in (("dir/~/x", "dir//x"), ("dir/~2e~2e/x", "dir/../x")):
        (item,) = server.get(dataset.route("tree"), path=path.removesuffix("/x")).json()["items"]
        assert item == {"path": path, "name": "x", "type": "file", "size_bytes": len(key), "modified": item["modified"]}
        assert server.get(dataset.route("file"), path=path).content == key.encode()
    begun = server.get(dataset.route("tree"), path="dir", prefix="~2e").json()["items"]
    assert [item["name"] for item in begun] == ["~2e~2e"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
def test_a_directory_that_is_shown_can_be_opened_whatever_is_in_it(
    server: JupyterServer, make_dataset: MakeDataset, delivery: str
) -> None:
    dataset = make_dataset(delivery=delivery)
    for key in ("only//x.fits", "none/"):
        dataset.put(key, b"")

    assert [item["name"] for item in server.get(dataset.route("tree")).json()["items"]] == ["none", "only"]
    assert server.get(dataset.route("tree"), path="only").json()["items"][0]["path"] == "only/~"
    assert server.get(dataset.route("tree"), path="none").json() == {"items": [], "next": None, "skipped": 0}
    assert server.get(dataset.route("tree"), path="nope").status_code == 404


def test_a_proxied_dataset_is_listed_page_by_page_without_keys(
    server: JupyterServer, control: FakeControl, make_dataset: MakeDataset
) -> None:
    dataset = make_dataset(delivery="proxied")
    for path in ("a.txt", "tiles/1.fits", "tiles/2 ä.fits", "tiles/3.fits"):
        dataset.put(path, b"data")
    dataset.put("/x//odd", b"")

    top = server.get(dataset.route("tree"))
    assert [(item["type"], item["path"]) for item in top.json()["items"]] == [
        ("file", "a.txt"),
        ("directory", "tiles"),
        ("directory", "~"),
    ]
    first = server.get(dataset.route("tree"), path="tiles", limit=2).json()
    rest = server.http.get(first["next"].partition("/perijove/")[2]).json()
    assert [item["name"] for item in first["items"] + rest["items"]] == ["1.fits", "2 ä.fits", "3.fits"]
    assert rest["next"] is None
    assert [item["name"] for item in server.get(dataset.route("tree"), path="tiles", prefix="3").json()["items"]] == [
        "3.fits"
    ]
    assert server.get(dataset.route("tree"), path="nothing").status_code == 404
    assert control.calls[f"POST datasets/{dataset.id}/credentials"] == 0


def test_the_next_replica_answers_when_the_nearest_is_away(
    server: JupyterServer, control: FakeControl, bed: S3Bed
) -> None:
    gone = FakeReplica("gone", bed, "bucket", "two/", endpoint="http://127.0.0.1:9")
    control.add("two-replicas", gone, FakeReplica("far", bed, "bucket", "two/"))
    bed.put("bucket", "two/x.txt", b"hello")

    names = [item["name"] for item in server.get("datasets/two-replicas/tree").json()["items"]]
    text = server.get("datasets/two-replicas/file", path="x.txt")

    assert names == ["x.txt"]
    assert text.content == b"hello"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(FaultKind.ERROR, op="List*", code="AccessDenied", times=None), 403),
        (Fault(FaultKind.ERROR, op="List*", code="InternalError", times=None), 503),
        (Fault(FaultKind.DROP, op="List*", times=None), 503),
        (Fault(FaultKind.HTML, op="List*", times=None), 503),
    ],
)
def test_what_a_store_does_wrong_is_one_sentence_that_names_it(
    server: JupyterServer, dataset: Dataset, fault: Fault, status: int
) -> None:
    dataset.bed.faults.add(fault)

    answer = server.get(dataset.route("tree"))

    assert answer.status_code == status
    assert dataset.bed.endpoint in answer.json()["detail"]


def test_a_store_that_stumbles_once_is_not_noticed(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x", b"")
    dataset.bed.faults.add(Fault(FaultKind.ERROR, op="List*", code="SlowDown", times=1))

    assert server.get(dataset.route("tree")).status_code == 200


def _cursor(url: str) -> str:
    return parse_qs(urlsplit(url).query)["cursor"][0]


def _below_server(server: JupyterServer, url: str) -> Any:
    return server.http.base_url.join(url)
