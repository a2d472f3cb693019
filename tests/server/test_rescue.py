"""A session whose home is full: look and delete, nothing else. The sentences name what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.jupyter import JupyterServer, jupyter_server

TERMINALS = ("jupyter_server_terminals",)


@pytest.fixture(scope="module")
def rescue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    directory = tmp_path_factory.mktemp("rescue")
    with jupyter_server(directory, {"PERIJOVE_RESCUE": "1"}, extensions=TERMINALS) as server:
        root = directory / "root"
        (root / "full").mkdir()
        (root / "full" / "large.bin").write_bytes(b"x" * 10_000)
        (root / "notes.txt").write_text("hello")
        yield server


@pytest.mark.parametrize(
    ("method", "route", "body"),
    [
        ("POST", "api/kernels", {}),
        ("POST", "api/sessions", {"path": "a.ipynb", "name": "a", "type": "notebook", "kernel": {"name": "python3"}}),
        ("POST", "api/terminals", {}),
    ],
)
def test_nothing_can_be_started(rescue: JupyterServer, method: str, route: str, body: dict[str, Any]) -> None:
    answer = rescue.http.request(method, f"{rescue.url}{route}", json=body)

    assert answer.status_code == 403
    assert "kernels and terminals cannot be started" in answer.json()["message"]
    assert rescue.http.get(f"{rescue.url}api/kernels").json() == []
    assert rescue.http.get(f"{rescue.url}api/terminals").json() == []


@pytest.mark.parametrize(
    ("method", "route", "body"),
    [
        ("PUT", "api/contents/notes.txt", {"type": "file", "format": "text", "content": "overwritten"}),
        ("PUT", "api/contents/new.txt", {"type": "file", "format": "text", "content": "new"}),
        ("PUT", "api/contents/new", {"type": "directory"}),
        ("PUT", "api/contents/big", {"type": "file", "format": "text", "content": "new", "chunk": 1}),
        ("POST", "api/contents", {"type": "notebook"}),
        ("POST", "api/contents", {"copy_from": "notes.txt"}),
        ("PATCH", "api/contents/notes.txt", {"path": "moved.txt"}),
        ("POST", "api/contents/notes.txt/checkpoints", {}),
        ("POST", "api/contents/notes.txt/checkpoints/checkpoint", {}),
    ],
)
def test_nothing_can_be_written(rescue: JupyterServer, method: str, route: str, body: dict[str, Any]) -> None:
    names = sorted(path.name for path in (rescue.log_path.parent / "root").rglob("*"))
    answer = rescue.http.request(method, f"{rescue.url}{route}", json=body)

    assert answer.status_code == 403
    assert "files can be looked at and deleted, not written" in answer.json()["message"]
    assert sorted(path.name for path in (rescue.log_path.parent / "root").rglob("*")) == names
    assert rescue.http.get(f"{rescue.url}api/contents/notes.txt").json()["content"] == "hello"


def test_a_directory_is_deleted_for_good_and_not_into_a_trash(tmp_path: Path) -> None:
    with jupyter_server(tmp_path, {"PERIJOVE_RESCUE": "1"}) as server:
        folder = tmp_path / "root" / "folder"
        folder.mkdir()
        (folder / "large.bin").write_bytes(b"x" * 10_000)

        assert server.http.delete(f"{server.url}api/contents/folder").status_code == 204
        left = [path for path in (*(tmp_path / "root").rglob("*"), *(tmp_path / "home").rglob("*")) if path.is_file()]

    assert "large.bin" not in {path.name for path in left}


def test_an_ordinary_session_is_left_alone(tmp_path: Path) -> None:
    with jupyter_server(tmp_path, {"SHELL": "/bin/sh"}, extensions=TERMINALS) as server:
        model = {"type": "file", "format": "text", "content": "new"}
        assert server.http.put(f"{server.url}api/contents/new.txt", json=model).status_code == 201
        assert server.http.post(f"{server.url}api/terminals", json={}).status_code == 200
