"""The dashboard of a real scheduler through the user's server: Bokeh's page, its scripts and its websocket."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websocket

from tests.support.jupyter import SERVER_TOKEN

from .conftest import DaskBed

_DASHBOARD = re.compile(r"dashboard at:\s+(http://127\.0\.0\.1:\d+)/status")
_TOKEN = re.compile(r'"token":"([^"]+)"')


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of its dashboard."""
    log_path = tmp_path_factory.mktemp("scheduler") / "log"
    where = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"]
    with log_path.open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "dask", "scheduler", *where], stdout=log, stderr=log)
    try:
        yield _address(process, log_path)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _address(process: subprocess.Popen[bytes], log_path: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := _DASHBOARD.search(log_path.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"The scheduler did not start:\n{log_path.read_text()}")


@pytest.fixture
def real(dask: DaskBed, scheduler: str) -> DaskBed:
    dask.esac.add("real")
    dask.esac.scheduler = scheduler
    return dask


def test_bokehs_page_and_websocket_work(real: DaskBed) -> None:
    with httpx.Client(base_url=f"{real.server.url}perijove/{real.path('real', 'dashboard/')}", timeout=60) as browser:
        browser.get(real.server.url, params={"token": SERVER_TOKEN})
        page = browser.get("status")
        scripts = re.findall(r'(?:src|href)="([^"]+\.(?:js|css)[^"]*)"', page.text)
        loaded = [browser.get(script) for script in scripts]
        cookie = "; ".join(f"{each.name}={each.value}" for each in browser.cookies.jar)

    assert page.status_code == 200, page.text
    assert "Dask" in page.text
    assert len(scripts) >= 3
    assert all(str(answer.url).startswith(f"{real.server.url}perijove/") for answer in loaded)
    assert [answer.status_code for answer in loaded] == [200] * len(loaded)
    assert any(len(answer.content) > 500_000 for answer in loaded)

    token = _TOKEN.search(page.text)
    assert token
    assert real.server.url not in token[1]
    url = f"{real.server.url.replace('http', 'ws', 1)}perijove/{real.path('real', 'dashboard/status/ws')}"
    origin = real.server.url.removesuffix("/user/x/")
    socket = websocket.create_connection(
        url, timeout=30, cookie=cookie, origin=origin, subprotocols=["bokeh", token[1]]
    )
    try:
        assert socket.getsubprotocol() == "bokeh"
        header, metadata, content = (json.loads(socket.recv()) for _ in range(3))
        assert (header["msgtype"], metadata, content) == ("ACK", {}, {})
        pull = {"msgid": "1", "msgtype": "PULL-DOC-REQ"}
        for part in (pull, {}, {}):
            socket.send(json.dumps(part))
        seen: list[str] = []
        frames = 0
        while frames < 40 and "PULL-DOC-REPLY" not in seen:
            message = socket.recv()
            frames += 1
            if isinstance(message, str) and message.startswith('{"msgid"'):
                seen.append(json.loads(message)["msgtype"])
        assert "PULL-DOC-REPLY" in seen
        document = json.loads((socket.recv(), socket.recv())[1])
        assert document["doc"]["roots"]
        # it draws by itself: what changes comes without being asked for
        patches = [json.loads(text) for text in _texts(socket, 30) if text.startswith('{"msgid"')]
        assert "PATCH-DOC" in {patch["msgtype"] for patch in patches}
    finally:
        socket.shutdown()


def _texts(socket: websocket.WebSocket, frames: int) -> Iterator[str]:
    for _ in range(frames):
        message = socket.recv()
        if isinstance(message, str):
            yield message


def test_other_pages_work_and_lead_where_they_shall(real: DaskBed) -> None:
    plots = real.server.get(real.path("real", "plots")).json()["items"]
    assert {"title": "Task Stream", "path": "individual-task-stream"} in plots
    assert {"title": "Workers Memory", "path": "individual-workers-memory"} in plots
    for plot in plots[:3]:
        assert real.server.get(real.path("real", f"dashboard/{plot['path']}")).status_code == 200
    status, _, headers = real.raw("GET", real.path("real", "dashboard/info"))
    assert status in (301, 302)
    answer = real.server.http.get(real.server.http.base_url.join(headers["Location"]))
    assert (answer.status_code, "Workers" in answer.text) == (200, True)
    assert real.server.get(real.path("real", "dashboard/json/counts.json")).json()["workers"] == 0
