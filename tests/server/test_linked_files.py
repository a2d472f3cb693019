"""Files of archives whose servers give no parts of them, through the routes of the Jupyter server."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from tests.support.control import FakeControl, FakeReplica
from tests.support.jupyter import JupyterServer
from tests.support.s3 import S3Bed
from tests.support.web_server import WebFile, WebServer, threaded_web_server

_numbers = itertools.count(1)
Publish = Callable[[str, WebFile], str]


@pytest.fixture
def archive() -> Iterator[WebServer]:
    with threaded_web_server() as server:
        yield server


@pytest.fixture
def publish(control: FakeControl, bed: S3Bed, archive: WebServer) -> Iterator[Publish]:
    """Puts a file into a dataset of an archive; the route of that."""
    name = f"archive.files-{next(_numbers)}"
    control.add(name, FakeReplica("archive", bed, "", endpoint=archive.url), delivery="linked")

    def put(path: str, file: WebFile) -> str:
        archive.files[path] = file
        control.links[name, path] = f"{archive.url}/{path}"
        return f"datasets/{name}"

    yield put
    del control.datasets[name]


def whole_file(data: bytes) -> WebFile:
    """As services send what they compute: all of it, with nothing that tells a version."""
    return WebFile(data, modified=None, gives_ranges=False, tells_length=False)


def test_a_file_that_comes_only_whole_is_downloaded_though_it_is_longer_than_a_look(
    server: JupyterServer, publish: Publish
) -> None:
    body = random.Random(5).randbytes(9 << 20)
    route = publish("table.vot", whole_file(body))

    assert server.get(f"{route}/file", path="table.vot").content == body
    part = server.get(f"{route}/file", path="table.vot", headers={"Range": "bytes=9000000-9000009"})
    assert (part.status_code, part.content) == (206, body[9_000_000:9_000_010])
    # to tell no more than its size is not worth as much
    assert server.http.head(f"{route}/file", params={"path": "table.vot"}).status_code == 501


def test_a_preview_is_of_the_bytes_that_are_there_now_though_nothing_tells_their_version(
    server: JupyterServer, publish: Publish
) -> None:
    for text in (b"name,mass\nIo,8.93\n", b"name,mass\nIo,9.38\n"):
        route = publish("moons.csv", whole_file(text))
        shown = server.get(f"{route}/preview", path="moons.csv").json()
        assert text.decode()[-5:-1] in str(shown["content"])
        assert shown["kept"] is False
