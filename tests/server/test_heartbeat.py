"""What control hears of a session, said by a real Jupyter server with real kernels and terminals."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.support.control import TOKEN, FakeControl
from tests.support.jupyter import SERVER_TOKEN, JupyterServer, jupyter_server

from .test_usage_and_snippets import LEASE

BEAT_SECONDS = 0.1
#: As a dashboard does: frames of a widget, from a thread that goes on after its cell has ended.
DASHBOARD = """
import threading, time
from comm import create_comm
comm = create_comm(target_name="dashboard")
def frames():
    while True:
        comm.send({"frame": 1})
        time.sleep(0.02)
threading.Thread(target=frames, daemon=True).start()
"""


@pytest.fixture(scope="module")
def pulsing(session_control: FakeControl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    session_control.leases["beating"] = LEASE | {"id": "beating"}
    environment = {
        "PERIJOVE_CONTROL_URL": session_control.url,
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "PERIJOVE_LEASE_ID": "beating",
        "SHELL": "/bin/sh",
    }
    options = [f"--PerijoveServer.heartbeat_seconds={BEAT_SECONDS}", "--PerijoveServer.notices_seconds=3600"]
    directory = tmp_path_factory.mktemp("pulsing")
    with jupyter_server(directory, environment, *options, extensions=("jupyter_server_terminals",)) as server:
        yield server
    session_control.activities.clear()


class Session:
    """What control was told of one lease."""

    def __init__(self, control: FakeControl, lease_id: str = "beating") -> None:
        self._control = control
        self._lease_id = lease_id

    def next(self, beats: int = 1) -> dict[str, Any]:
        """The last of the next ``beats`` messages, of which the first was begun after this call."""
        start = self._count()
        self._until(lambda: self._count() > start + beats)
        return self._said()[-1]

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message from now on that fulfils ``condition``."""
        start = self._count()
        self._until(lambda: any(map(condition, self._said()[start:])))
        return next(filter(condition, self._said()[start:]))

    def _said(self) -> list[dict[str, Any]]:
        return [activity for lease_id, activity in self._control.activities if lease_id == self._lease_id]

    def _count(self) -> int:
        return len(self._said())

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, f"not said within 30 s; the last was {self._said()[-1:]}"
            time.sleep(0.02)


@pytest.fixture
def session(pulsing: JupyterServer, control: FakeControl) -> Session:
    return Session(control)


class Kernel:
    """A kernel with a tab that is connected to it."""

    def __init__(self, server: JupyterServer, kernel_id: str) -> None:
        self.id = kernel_id
        url = f"{server.url.replace('http', 'ws', 1)}api/kernels/{kernel_id}/channels"
        self.socket = websocket.create_connection(url, header=[f"Authorization: token {SERVER_TOKEN}"], timeout=30)

    def ask(self, kind: str, content: dict[str, Any]) -> str:
        """Send a request; its id."""
        request_id = uuid.uuid4().hex
        header = {"msg_id": request_id, "msg_type": kind, "session": "s", "username": "", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.socket.send(json.dumps(message))
        return request_id

    def run(self, code: str) -> str:
        """Send a cell; its id."""
        return self.ask("execute_request", {"code": code, "silent": False, "store_history": False})

    def wait(self, request_id: str) -> None:
        """Until the kernel is idle again after a request."""
        while True:
            message = json.loads(self.socket.recv())
            parent = message["parent_header"].get("msg_id")
            if parent == request_id and message["content"].get("execution_state") == "idle":
                return


@contextmanager
def a_kernel(server: JupyterServer, session: Session) -> Iterator[Kernel]:
    """A kernel that the session hears: what it said before the connection stood was said to nobody."""
    kernel_id = server.http.post(f"{server.url}api/kernels", json={}).raise_for_status().json()["id"]
    kernel = Kernel(server, kernel_id)
    with closing(kernel.socket):
        kernel.wait(kernel.ask("kernel_info_request", {}))
        begun = datetime.now(UTC)
        while session.next()["last_activity"] < begun:
            kernel.wait(kernel.run("pass"))
        yield kernel
    server.http.delete(f"{server.url}api/kernels/{kernel_id}").raise_for_status()


def test_a_running_cell_is_busy_and_its_end_is_the_last_activity(pulsing: JupyterServer, session: Session) -> None:
    with a_kernel(pulsing, session) as kernel:
        cell = kernel.run("input = None\nimport time\ntime.sleep(1.5)")
        busy = session.until(lambda said: said["busy"])
        later = session.next(beats=3)
        kernel.wait(cell)
        idle = session.until(lambda said: not said["busy"])
        still = session.next(beats=3)

    assert later["busy"]
    assert later["last_activity"] > busy["last_activity"]
    assert idle["last_activity"] >= later["last_activity"]
    assert still == idle


def test_a_cell_goes_on_counting_when_its_tab_is_closed(pulsing: JupyterServer, session: Session) -> None:
    with a_kernel(pulsing, session) as kernel:
        kernel.run("import time\ntime.sleep(60)")
        session.until(lambda said: said["busy"])
        kernel.socket.close()

        assert session.next(beats=3)["busy"]
        pulsing.http.post(f"{pulsing.url}api/kernels/{kernel.id}/restart").raise_for_status()
        assert not session.until(lambda said: not said["busy"])["busy"]


def test_an_open_dashboard_and_a_tab_that_asks_do_not_count(pulsing: JupyterServer, session: Session) -> None:
    with a_kernel(pulsing, session) as kernel:
        kernel.wait(kernel.run(DASHBOARD))
        before = session.next()
        url = f"{pulsing.url}api/kernels/{kernel.id}"
        of_jupyter = pulsing.http.get(url).json()["last_activity"]

        for kind in ("kernel_info_request", "history_request", "complete_request"):
            kernel.ask(kind, {"code": "im", "cursor_pos": 2, "hist_access_type": "tail", "n": 1})
        with closing(Kernel(pulsing, kernel.id).socket):
            for route in ("perijove/usage", "api/contents", "api/sessions", "api/terminals"):
                pulsing.http.get(f"{pulsing.url}{route}")
            after = session.next(beats=5)

        # the server's own clock of the kernel runs on: it would never be idle
        assert datetime.fromisoformat(pulsing.http.get(url).json()["last_activity"]) > datetime.fromisoformat(
            of_jupyter
        )
    assert after == before | {"busy": False}


def test_a_terminal_counts_when_it_writes_and_not_when_a_tab_opens_it(pulsing: JupyterServer, session: Session) -> None:
    name = pulsing.http.post(f"{pulsing.url}api/terminals").raise_for_status().json()["name"]
    url = f"{pulsing.url.replace('http', 'ws', 1)}terminals/websocket/{name}"
    header = [f"Authorization: token {SERVER_TOKEN}"]
    with closing(websocket.create_connection(url, header=header, timeout=30)) as terminal:
        _read_until(terminal, "$", "#")
        terminal.send(json.dumps(["stdin", "echo wor''king\r"]))
        _read_until(terminal, "working")
        typed = session.next()
    before = session.next(beats=3)
    with closing(websocket.create_connection(url, header=header, timeout=30)) as terminal:
        _read_until(terminal, "working")
        opened = session.next(beats=3)
        terminal.send(json.dumps(["stdin", "echo more\r"]))
        more = session.until(lambda said: said["last_activity"] > opened["last_activity"])
    pulsing.http.delete(f"{pulsing.url}api/terminals/{name}").raise_for_status()

    assert typed["last_activity"] <= before["last_activity"] == opened["last_activity"]
    assert more["busy"] is False


def _read_until(terminal: websocket.WebSocket, *texts: str) -> None:
    seen = ""
    while not any(text in seen for text in texts):
        seen += "".join(str(part) for part in json.loads(terminal.recv())[1:])


def _save(server: JupyterServer, name: str, **model: Any) -> None:
    server.http.put(f"{server.url}api/contents/{name}", json=model).raise_for_status()


def test_a_saved_file_counts(pulsing: JupyterServer, session: Session) -> None:
    before = session.next()
    _save(pulsing, "notes.txt", type="file", format="text", content="hello")

    assert session.next()["last_activity"] > before["last_activity"]


def test_a_notebook_that_saves_its_new_outputs_by_itself_does_not_count(
    pulsing: JupyterServer, session: Session
) -> None:
    def content(source: str, text: str) -> dict[str, Any]:
        output = {"output_type": "stream", "name": "stdout", "text": text}
        cell = {"cell_type": "code", "id": "c", "metadata": {}, "source": source, "outputs": [output]}
        return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell | {"execution_count": 1}]}

    _save(pulsing, "dash.ipynb", type="notebook", content=content("run()", "frame 1"))
    before = session.next()
    _save(pulsing, "dash.ipynb", type="notebook", content=content("run()", "frame 2"))
    redrawn = session.next(beats=2)
    _save(pulsing, "dash.ipynb", type="notebook", content=content("run(2)", "frame 2"))

    assert redrawn == before
    assert session.next()["last_activity"] > before["last_activity"]


def test_the_pulse_goes_on_when_control_was_away_and_says_so_once(
    pulsing: JupyterServer, control: FakeControl, session: Session
) -> None:
    written = len(pulsing.log())
    control.faults.extend(["drop", 503, "html", "junk", 500, 403])
    deadline = time.monotonic() + 30
    while control.faults and time.monotonic() < deadline:
        time.sleep(0.02)
    session.next()

    said = [line for line in pulsing.log()[written:].splitlines() if "this session's activity" in line]
    assert len([line for line in said if "cannot tell control" in line and line.startswith("[W")]) == 1
    assert len([line for line in said if "can tell control" in line]) == 1


def test_control_may_give_a_session_another_lease(tmp_path: Path, control: FakeControl) -> None:
    """A ledger that was restored, or a start while control was away: the attempt is taken up under a new id."""
    attempt_id = "a" * 32
    environment = {
        "PERIJOVE_CONTROL_URL": control.url,
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "PERIJOVE_LEASE_ID": "forgotten",
        "PERIJOVE_ATTEMPT_ID": attempt_id,
    }
    over = LEASE | {"id": "over", "attempt_id": attempt_id, "state": "ended"}
    control.leases |= {"over": over, "new": LEASE | {"id": "new", "attempt_id": attempt_id}}
    with jupyter_server(tmp_path, environment, f"--PerijoveServer.heartbeat_seconds={BEAT_SECONDS}") as server:
        Session(control, "new").next()
        lease = server.get("usage").json()["lease"]
    del control.leases["over"], control.leases["new"]

    assert lease["id"] == "new"


def test_the_server_ends_without_a_word_of_trouble_while_its_pulse_beats(tmp_path: Path, control: FakeControl) -> None:
    environment = {
        "PERIJOVE_CONTROL_URL": control.url,
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "PERIJOVE_LEASE_ID": "ending",
    }
    control.leases["ending"] = LEASE | {"id": "ending"}
    with jupyter_server(tmp_path, environment, f"--PerijoveServer.heartbeat_seconds={BEAT_SECONDS}") as server:
        Session(control, "ending").next()
    # leaving waits for the end of the process, and fails when it does not come
    count = len(control.activities)

    assert "Traceback" not in server.log()
    assert "was never awaited" not in server.log()
    assert "was destroyed but it is pending" not in server.log()
    assert len(control.activities) == count
