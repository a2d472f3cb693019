"""A preview process that a hostile file has taken over: whatever it says, nothing of it gets into code or pictures."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from perijove_server.preview import frames
from tests.support.control import TOKEN, FakeControl
from tests.support.jupyter import JupyterServer, jupyter_server

from .conftest import Dataset

HERE = Path(__file__).resolve().parent
EVIL = "0]; __import__('os').abort() #"
NO_HDUS = (EVIL, "0", -1, 64, True, 1.5, None, [0])
Say = Callable[..., None]

FITS_IMAGE = {"kind": "image", "hdu": 1, "overview": None, "shape": [20, 30], "pixel_bytes": 4, "celestial": False}
CSV = {"kind": "file", "format": "csv", "delimiter": ";", "header": False, "comment_lines": 3}
CONTENT = {
    "width": 3,
    "height": 2,
    "shape": [2, 3],
    "hdu": 0,
    "hdus": [{"index": 0, "name": "PRIMARY", "type": "PRIMARY", "shape": [2, 3]}],
    "header": [{"keyword": "NAXIS", "value": 2, "comment": ""}],
    "stretch": "asinh",
    "scale": "minmax",
    "colormap": "gray",
    "limits": [0, 1.5],
    "unit": None,
    "note": None,
}
IMAGE_LOOK = {"kind": "image", "format": "FITS", "title": "x.fits", "content": CONTENT}
TABLE = {"columns": [{"name": "a", "type": "int64"}], "rows": [[1]], "first_row": 0, "total_rows": 1}
TABLE_LOOK = {"kind": "table", "format": "CSV", "title": "x.csv", "content": TABLE}
TEXT_LOOK = {
    "kind": "text",
    "format": "Text",
    "title": "x.txt",
    "content": {"text": "hello", "truncated": False, "total_bytes": 5},
}


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    (folder / "answer").touch()
    return folder


@pytest.fixture(scope="module")
def captured(
    session_control: FakeControl, answers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterServer]:
    folders = [HERE.parents[1] / "server_ext", HERE / "captured_child", answers]
    environment = {
        "PERIJOVE_CONTROL_URL": session_control.url,
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
    }
    with jupyter_server(tmp_path_factory.mktemp("captured"), environment) as server:
        yield server


@pytest.fixture
def say(answers: Path, dataset: Dataset) -> Say:
    """Let the process answer with a message, or with bytes as they are, and a payload."""
    dataset.put("x.fits", b"of no matter")

    def say(message: dict[str, Any] | bytes, payload: bytes = b"") -> None:
        text = message if isinstance(message, bytes) else json.dumps(message).encode()
        (answers / "answer").write_bytes(frames.LENGTHS.pack(len(text), len(payload)) + text + payload)

    return say


def done(preview: Any) -> dict[str, Any]:
    return {"op": "done", "preview": preview}


def code_for(captured: JupyterServer, dataset: Dataset) -> str:
    answer = captured.get(dataset.route("snippet"), path="x.fits")
    assert answer.status_code == 200, answer.text
    code: str = answer.json()["code"]
    return code


def is_refused(answer: httpx.Response) -> bool:
    assert answer.status_code == 422, answer.text[:300]
    assert answer.headers["Content-Type"] == "application/problem+json"
    return str(answer.json()["detail"]).startswith("The file could not be understood")


@pytest.mark.parametrize(
    "seen",
    [
        *(
            {"kind": kind, "hdu": hdu}
            for kind in ("header", "table")
            for hdu in (EVIL, "0", -1, 64, True, 1.5, None, [0])
        ),
        *(FITS_IMAGE | {"hdu": hdu} for hdu in (EVIL, "1", 10**30)),
        *(FITS_IMAGE | {"overview": overview} for overview in (EVIL, "2", -2)),
        *(FITS_IMAGE | {"shape": shape} for shape in (EVIL, [], [20], [20, EVIL], [0, 30], [-20, 30], [1] * 17, None)),
        *(FITS_IMAGE | {"pixel_bytes": pixel_bytes} for pixel_bytes in (EVIL, 0, 3, -4, "4")),
        *(FITS_IMAGE | {"celestial": celestial} for celestial in (EVIL, 1, None)),
        *({"kind": kind, "hdu": 0} for kind in ("text", "code", EVIL, None, ["image"], {})),
        *({"kind": "file", "format": kind} for kind in (EVIL, "pickle", None, 1)),
        *(CSV | {"delimiter": delimiter} for delimiter in (EVIL, "'", "\\", "", ",,", None)),
        *(CSV | {"header": header} for header in (EVIL, 1, None)),
        *(CSV | {"comment_lines": lines} for lines in (EVIL, "1", -1, 1.5, True, 10**30)),
        CSV | {"names": [EVIL] * 21},
        CSV | {"code": EVIL},
        {"kind": "image"},
        {"kind": "table"},
        {"hdu": 0},
        {"kind": "text", "extra": EVIL},
        {},
        [],
        EVIL,
        None,
    ],
    ids=repr,
)
def test_what_is_no_description_of_a_file_does_not_enter_code(
    captured: JupyterServer, dataset: Dataset, say: Say, seen: Any
) -> None:
    say(done(seen))

    code = code_for(captured, dataset)

    assert "__import__" not in code
    assert "file.read(256)" in code  # as for every file of which nothing is known
    compile(code, "snippet", "exec")


def test_a_description_becomes_code(captured: JupyterServer, dataset: Dataset, say: Say) -> None:
    say(done(FITS_IMAGE))
    assert "hdu = hdus[1]\n" in code_for(captured, dataset)

    say(done({"kind": "table", "hdu": 7}))
    assert "Table(hdus[7].data)" in code_for(captured, dataset)

    say(done(CSV | {"names": [EVIL]}))
    assert ", sep=';', header=None, skiprows=3, nrows=1000)" in code_for(captured, dataset)


@pytest.mark.parametrize(
    "preview",
    [
        *(IMAGE_LOOK | {"content": CONTENT | {"url": url}} for url in ("https://evil.example", "")),
        *(IMAGE_LOOK | {"content": CONTENT | {"limits": limits}} for limits in ([0, float("nan")], [0], "0, 1")),
        *(IMAGE_LOOK | {"content": CONTENT | {"stretch": stretch}} for stretch in (EVIL, 1)),
        *(IMAGE_LOOK | {"content": CONTENT | {"width": width}} for width in (4, "3", 0, 10**9)),
        IMAGE_LOOK | {"content": CONTENT | {"header": [{"keyword": "A", "value": {"b": 1}, "comment": ""}]}},
        IMAGE_LOOK | {"content": CONTENT | {"header": CONTENT["header"] * 1001}},
        IMAGE_LOOK | {"content": CONTENT | {"hdus": CONTENT["hdus"] * 65}},
        IMAGE_LOOK | {"content": {}},
        IMAGE_LOOK | {"content": None},
        IMAGE_LOOK | {"bytes_read": 0},
        IMAGE_LOOK | {"title": "\ud800"},
        IMAGE_LOOK | {"kind": "table"},
        FITS_IMAGE,
        TEXT_LOOK,  # a text has no picture
        {},
    ],
    ids=lambda preview: repr(preview)[:200],
)
def test_what_is_no_preview_is_a_problem(captured: JupyterServer, dataset: Dataset, say: Say, preview: Any) -> None:
    say(done(preview), png(3, 2))

    assert is_refused(captured.get(dataset.route("preview"), path="x.fits"))


@pytest.mark.parametrize(
    "content",
    [
        TABLE | {"rows": [[1, 2]]},
        TABLE | {"rows": [[{"html": EVIL}]]},
        TABLE | {"rows": [["x" * 3000]]},
        TABLE | {"rows": [[1]] * 201},
        TABLE | {"first_row": -1},
        TABLE | {"total_rows": "1"},
        TABLE | {"columns": [{"name": "a", "type": "int64", "url": EVIL}]},
        TABLE | {"columns": [{"name": "a", "type": "int64"}] * 501, "rows": []},
        TABLE | {"url": "https://evil.example"},
        {},
    ],
    ids=lambda content: repr(content)[:120],
)
def test_what_is_no_table_is_a_problem(captured: JupyterServer, dataset: Dataset, say: Say, content: Any) -> None:
    say(done(TABLE_LOOK))
    assert captured.get(dataset.route("preview"), path="x.fits").json()["content"]["rows"] == [[1]]

    say(done(TABLE_LOOK | {"content": content}))
    assert is_refused(captured.get(dataset.route("preview"), path="x.fits", first_row=7))


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"<script>alert(1)</script>" + b" " * 100,
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
        png(2, 3),
        png(3000, 2000),
    ],
    ids=lambda picture: repr(picture[:40]),
)
def test_a_picture_that_is_no_png_of_its_size_is_not_served(
    captured: JupyterServer, dataset: Dataset, say: Say, picture: bytes
) -> None:
    say(done(IMAGE_LOOK), picture)

    assert is_refused(captured.get(dataset.route("preview"), path="x.fits"))
    assert is_refused(captured.get(dataset.route("preview/image"), path="x.fits"))


def test_a_picture_is_served_as_a_png_and_nothing_else(captured: JupyterServer, dataset: Dataset, say: Say) -> None:
    say(done(IMAGE_LOOK), png(3, 2))

    preview = captured.get(dataset.route("preview"), path="x.fits").json()
    answer = captured.http.get(preview["content"]["url"])

    assert {key: preview["content"][key] for key in CONTENT} == CONTENT
    assert answer.content == png(3, 2)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "message",
    [
        {"op": "read", "ranges": [[0, 10**9]]},
        {"op": "read", "ranges": [[5, 1]]},
        {"op": "read", "ranges": [["0", "1"]]},
        {"op": "read", "ranges": [[0, 1]] * 3000},
        {"op": "objects", "wanted": [["secret", 0, None]]},
        {"op": "names", "directory": ""},
        {"op": "problem", "status": 200, "detail": "fine"},
        {"op": "problem", "status": 422, "detail": "\ud800"},
        {"op": "problem", "status": 422, "detail": {"a": 1}},
        {"op": "ready"},
        {"op": EVIL},
        {"op": ["done"]},
        {},
        b"[" * 100_000,
        b'{"op": "done", "preview": ' + b"9" * 10_000 + b"}",
        b"\xff\xfe",
        b"",
    ],
    ids=lambda message: repr(message)[:60],
)
def test_a_message_that_is_none_is_a_problem(captured: JupyterServer, dataset: Dataset, say: Say, message: Any) -> None:
    say(message)

    assert is_refused(captured.get(dataset.route("preview"), path="x.fits"))
    assert "file.read(256)" in code_for(captured, dataset)


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/secret", "%2e%2e/secret", "..\\secret", "a//b", "."])
@pytest.mark.parametrize("op", ["objects", "names"])
def test_nothing_outside_of_a_previewed_directory_is_read(
    captured: JupyterServer, dataset: Dataset, say: Say, op: str, name: str
) -> None:
    dataset.put("x.zarr/zarr.json", b"{}")
    dataset.put("secret", b"secret")
    say({"op": "objects", "wanted": [[name, 0, None]]} if op == "objects" else {"op": "names", "directory": name})
    dataset.bed.reset_counters()

    assert is_refused(captured.get(dataset.route("preview"), path="x.zarr"))
    assert dataset.bed.bytes_out == 0
