"""Dashboards through the user's server: for their owner only, with nothing of the browser's sent on."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest
import websocket
from aiohttp import web

from tests.support.control import TOKEN
from tests.support.gateways import COOKIE, DASHBOARD_COOKIE, OTHER_TOKEN, FakeGateway
from tests.support.jupyter import SERVER_TOKEN, JupyterServer

from .conftest import DaskBed

BOKEH_TOKEN = "eyJzZXNzaW9uX2lkIjoi.a-token_of-bokeh"


@pytest.fixture
def mine(dask: DaskBed) -> DaskBed:
    dask.esac.add("mine")
    return dask


@contextmanager
def browser(server: JupyterServer) -> Iterator[httpx.Client]:
    """Signed in by cookie."""
    with httpx.Client(base_url=f"{server.url}perijove/", timeout=30) as client:
        client.get(server.url, params={"token": SERVER_TOKEN})
        assert client.cookies
        yield client


def cookies(client: httpx.Client) -> str:
    return "; ".join(f"{each.name}={each.value}" for each in client.cookies.jar)


@contextmanager
def connected(dask: DaskBed, path: str, **options: Any) -> Iterator[websocket.WebSocket]:
    """A websocket as a script opens it, or a browser with cookies in ``header``."""
    url = f"{dask.server.url.replace('http', 'ws', 1)}perijove/{path}"
    headers = options.pop("header", [f"Authorization: token {SERVER_TOKEN}"])
    socket = websocket.create_connection(url, header=headers, timeout=20, **options)
    try:
        yield socket
    finally:
        socket.shutdown()


def refused(dask: DaskBed, path: str, **options: Any) -> int:
    """The status with which a handshake is refused."""
    with pytest.raises(websocket.WebSocketBadStatusException) as error, connected(dask, path, **options):
        pass
    return int(error.value.status_code)


def dashboards_asked(gateway: FakeGateway) -> list[str]:
    return [each.path for each in gateway.seen if each.path.startswith("/gw/clusters/")]


def test_item_12_a_page_is_shown_and_nothing_of_the_browser_goes_along(mine: DaskBed) -> None:
    secrets = {
        "X-XSRFToken": "canary-xsrf",
        "Referer": "http://127.0.0.1/lab?token=canary-referer",
        "X-Forwarded-User": "somebody",
        "Proxy-Authorization": "Basic canary",
        "X-Api-Key": "canary-key",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "canary-hop",
        "TE": "trailers",
        "Accept-Language": "es",
        "User-Agent": "A browser",
    }
    query = f"token={SERVER_TOKEN}&_xsrf=canary-xsrf&theme=dark&bokeh-session-id=s1&jwt=canary-jwt&v=12%2B"
    with browser(mine.server) as client:
        answer = client.get(f"{mine.path('mine', 'dashboard/status')}?{query}", headers=secrets)

    assert answer.status_code == 200
    assert answer.text == "<html>status?theme=dark&bokeh-session-id=s1&v=12%2B</html>"
    (seen,) = mine.esac.requests("/gw/clusters/mine/status")
    names = {name.lower() for name in seen.headers}
    assert names <= {"host", "accept", "accept-encoding", "accept-language", "user-agent"}
    assert seen.headers["Host"] in mine.esac.address
    assert (seen.headers["Accept-Language"], seen.headers["User-Agent"]) == ("es", "A browser")
    known = [SERVER_TOKEN, TOKEN, COOKIE, "canary"]
    assert not [secret for secret in known if secret in f"{seen}"]


def test_item_12_an_answer_comes_back_with_our_headers_and_not_with_theirs(mine: DaskBed) -> None:
    with browser(mine.server) as client:
        answer = client.get(mine.path("mine", "dashboard/status"))
        plain = client.head(mine.path("mine", "dashboard/status"))

    for each in (answer, plain):
        assert each.headers["Content-Type"] == "text/html; charset=utf-8"
        assert each.headers["X-Content-Type-Options"] == "nosniff"
        assert each.headers["Cache-Control"] == "private, no-cache"
        assert each.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        policy = each.headers["Content-Security-Policy"]
        assert policy.startswith("frame-ancestors 'self'; ")
        assert "*" not in policy
        assert "sandbox" not in policy  # Bokeh needs its scripts and our cookies
        assert DASHBOARD_COOKIE not in str(each.headers)
        assert "canary-header" not in str(each.headers)
        assert each.headers.get("Access-Control-Allow-Origin") is None
    assert plain.content == b""
    assert [each.method for each in mine.esac.requests("/gw/clusters/mine/status")] == ["GET", "HEAD"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_dashboard_can_be_looked_at_only(mine: DaskBed, method: str) -> None:
    answer = mine.server.http.request(method, mine.path("mine", "dashboard/status"), content=b"x")
    with browser(mine.server) as client:
        from_page = client.request(method, mine.path("mine", "dashboard/status"), headers={"Sec-Fetch-Mode": "no-cors"})

    assert answer.status_code == 405
    assert from_page.status_code in (403, 405)
    assert not dashboards_asked(mine.esac)


@pytest.mark.parametrize("name", ["theirs", "over", "young", "nothing"])
def test_item_17_what_is_not_the_users_own_or_has_none_is_not_shown(dask: DaskBed, name: str) -> None:
    dask.esac.add("theirs", OTHER_TOKEN)
    dask.esac.add("over", state="stopped", dashboard=True)
    dask.esac.add("young", state="starting", dashboard=False)

    assert dask.server.get(dask.path(name, "dashboard/status")).status_code == 404
    assert dask.server.get(dask.path(name, "plots")).status_code == 404
    assert refused(dask, dask.path(name, "dashboard/status/ws")) == 404
    assert not dashboards_asked(dask.esac)


def test_a_cluster_that_has_just_begun_is_shown_at_once(dask: DaskBed) -> None:
    cluster = dask.esac.add("young", state="starting", dashboard=False)
    assert dask.server.get(dask.path("young", "dashboard/status")).status_code == 404

    cluster.update(state="running", dashboard=True)
    dask.esac.dashboard_missing = 3

    assert dask.server.get(dask.path("young", "dashboard/status")).status_code == 200
    assert len(dashboards_asked(dask.esac)) == 4
    # then what is not there is not waited for
    assert dask.server.get(dask.path("young", "dashboard/nothing.html")).status_code == 404
    assert len(dashboards_asked(dask.esac)) == 5


def test_whose_a_cluster_is_is_asked_now_and_then(mine: DaskBed) -> None:
    for _ in range(5):
        assert mine.server.get(mine.path("mine", "dashboard/status")).status_code == 200
    assert len(mine.esac.requests("/api/perijove/v1/clusters")) == 1


def test_without_its_gateway_no_dashboard_is_shown(dask: DaskBed) -> None:
    dask.esac.add("never-seen")
    dask.esac.fault = 500

    answer = dask.server.get(dask.path("never-seen", "dashboard/status"))

    assert answer.status_code == 503
    assert not dashboards_asked(dask.esac)


def test_nobody_looks_without_having_signed_in(mine: DaskBed) -> None:
    for headers in ({}, {"Authorization": "token wrong"}, {"Authorization": f"token {TOKEN}"}):
        answer = httpx.get(f"{mine.server.url}perijove/{mine.path('mine', 'dashboard/status')}", headers=headers)
        assert answer.status_code == 403
        said = [f"{name}: {value}" for name, value in headers.items()]
        assert refused(mine, mine.path("mine", "dashboard/status/ws"), header=said) == 403
    assert not mine.esac.seen


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1"]
)
def test_pages_of_other_sites_are_refused(mine: DaskBed, origin: str) -> None:
    with browser(mine.server) as client:
        answer = client.get(mine.path("mine", "dashboard/status"), headers={"Origin": origin})
        signed_in = [f"Cookie: {cookies(client)}"]
        status = refused(mine, mine.path("mine", "dashboard/status/ws"), header=signed_in, origin=origin)

    assert answer.status_code == status == 403
    assert not dashboards_asked(mine.esac)


ELSEWHERE = [
    "..", "../status", "a/../../x", "%2e%2e/status", "%2E%2e%2fstatus", "a/%2e%2e/b", "%252e%252e/x", "a%5c..%5cb",
    "./x", "/status", "//evil.example/", "http://evil.example/", "http:%2f%2fevil.example", "a//b", "a\\b", "status%00",
    "a%0d%0ab", "proxy/80/evil.example/", "PROXY/80/x", "%70roxy/80/x", "jupyter/lab", "proxy%2f80%2fx", "x" * 5000,
]  # fmt: skip
WORKER = "info/worker/tcp%3A%2F%2F127.0.0.1%3A4000.html"


@pytest.mark.parametrize("path", ELSEWHERE)
def test_item_17_paths_that_lead_elsewhere_are_refused(mine: DaskBed, path: str) -> None:
    status, _, _ = mine.raw("GET", mine.path("mine", f"dashboard/{path}"))

    assert status == 404
    assert not dashboards_asked(mine.esac)


@pytest.mark.parametrize("path", [WORKER, "statics/css/base.css", "individual-cpu", "info/task/(%27a%27%2C%200).html"])
def test_a_path_goes_up_as_it_came(mine: DaskBed, path: str) -> None:
    mine.raw("GET", mine.path("mine", f"dashboard/{path}"))

    assert f"/gw/clusters/mine/{path}" in dashboards_asked(mine.esac)


@pytest.mark.parametrize("path", ["dashboard", "dashboard/"])
def test_a_dashboard_begins_at_its_first_page(mine: DaskBed, path: str) -> None:
    status, _, headers = mine.raw("GET", mine.path("mine", path))

    assert (status, headers["Location"]) == (302, "/user/x/perijove/dask/clusters/esac/mine/dashboard/status")
    assert not dashboards_asked(mine.esac)


def test_links_of_dasks_own_client_lead_there(mine: DaskBed) -> None:
    status, _, headers = mine.raw("GET", "dask/gateways/esac/clusters/mine/status")

    assert (status, headers["Location"]) == (302, "/user/x/perijove/dask/clusters/esac/mine/dashboard/status")
    for name in ("..", "%2e%2e", "a%0d%0ab"):
        assert mine.raw("GET", f"dask/gateways/esac/clusters/{name}/status")[0] == 404


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("status", "status"), ("info/main/workers.html", "info/main/workers.html"), ("/status", "status"),
        ("{upstream}/clusters/mine/status?theme=dark", "status?theme=dark"), ("/gw/clusters/mine/workers", "workers"),
        ("http://evil.example/status", None), ("//evil.example/status", None), ("/\\evil.example", None),
        ("javascript:alert(1)", None), ("https://127.0.0.1/status", None), ("/../x", "x"), ("..%2f..%2fx", None),
        ("/gw/clusters/theirs/status", "gw/clusters/theirs/status"), ("", None),
    ],
)  # fmt: skip
def test_a_redirect_stays_within_the_dashboard_or_is_refused(
    mine: DaskBed, location: str, leads_to: str | None
) -> None:
    said = location.format(upstream=mine.esac.address)
    mine.esac.pages["moved"] = lambda _: web.Response(status=302, headers={"Location": said} if said else {})

    status, body, headers = mine.raw("GET", mine.path("mine", "dashboard/moved"))

    if leads_to is None:
        assert status == 503
        assert headers["Location"] is None
        assert b"leads elsewhere" in body
    else:
        assert (status, headers["Location"]) == (302, f"/user/x/perijove/dask/clusters/esac/mine/dashboard/{leads_to}")
    assert dashboards_asked(mine.esac) == ["/gw/clusters/mine/moved"]


def test_what_has_not_changed_is_not_sent_again_and_errors_are_shown(mine: DaskBed) -> None:
    def page(request: web.Request) -> web.Response:
        etag = {"ETag": '"v1"'}
        if request.headers.get("If-None-Match") == '"v1"':
            return web.Response(status=304, headers=etag)
        return web.Response(body=b"x" * 3_000_000, headers=etag, content_type="text/javascript")

    mine.esac.pages["statics/bokeh.js"] = page
    mine.esac.pages["broken"] = lambda _: web.Response(status=500, text="Traceback", headers={"WWW-Authenticate": "x"})
    path = mine.path("mine", "dashboard/statics/bokeh.js")

    first = mine.server.http.get(path)
    again = mine.server.get(path, headers={"If-None-Match": first.headers["ETag"]})
    broken = mine.server.get(mine.path("mine", "dashboard/broken"))

    assert (first.status_code, len(first.content), first.headers["Content-Type"]) == (200, 3_000_000, "text/javascript")
    assert (again.status_code, again.content) == (304, b"")
    assert (broken.status_code, broken.text, broken.headers.get("WWW-Authenticate")) == (500, "Traceback", None)


async def break_off(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b"half")
    assert request.transport is not None
    request.transport.abort()
    return answer


def test_an_answer_that_breaks_off_is_not_taken_for_whole(mine: DaskBed) -> None:
    mine.esac.pages["half"] = break_off

    with pytest.raises(httpx.HTTPError):
        mine.server.get(mine.path("mine", "dashboard/half"))
    assert "Traceback" not in mine.server.log()


def test_the_plots_of_a_dashboard_are_told(mine: DaskBed) -> None:
    answer = mine.server.get(mine.path("mine", "plots"))

    assert answer.json()["items"] == [
        {"title": "Cpu", "path": "individual-cpu"},
        {"title": "Task Stream", "path": "individual-task-stream"},
    ]
    (seen,) = mine.esac.requests("individual-plots.json")
    assert "Authorization" not in seen.headers
    mine.esac.pages["individual-plots.json"] = lambda _: web.Response(text="<html>")
    assert mine.server.get(mine.path("mine", "plots")).status_code == 503


def test_a_websocket_carries_frames_both_ways_and_bokehs_protocol(mine: DaskBed) -> None:
    path = mine.path("mine", f"dashboard/status/ws?token={SERVER_TOKEN}&bokeh-protocol-version=1.0")
    with browser(mine.server) as client:
        signed_in = [f"Cookie: {cookies(client)}", "X-XSRFToken: canary-xsrf"]
        origin = mine.server.url.removesuffix("/user/x/")
        options: dict[str, Any] = {"origin": origin, "subprotocols": ["bokeh", BOKEH_TOKEN]}
        with connected(mine, path, header=signed_in, **options) as socket:
            hello = json.loads(socket.recv())
            assert socket.getsubprotocol() == "bokeh"
            socket.send("text ☄")
            assert socket.recv() == "text ☄"
            socket.send_binary(b"\0\xff" * 500_000)
            assert socket.recv() == b"\0\xff" * 500_000
            socket.send("frames 500")
            assert [socket.recv() for _ in range(500)] == [b"%d" % number for number in range(500)]
    headers = {name.lower(): value for name, value in hello["headers"].items()}
    ours = {"host", "user-agent", "accept-language", "upgrade", "connection", "origin", "accept", "content-type"}
    assert {name for name in headers if not name.startswith("sec-websocket-")} <= ours
    assert headers["sec-websocket-protocol"].split(",") == ["bokeh", BOKEH_TOKEN]
    assert headers["origin"] == mine.esac.address.removesuffix("/gw")
    (seen,) = [each for each in mine.esac.seen if each.path.endswith("/ws") and each.method == "GET"]
    assert seen.query == "bokeh-protocol-version=1.0"
    assert not [secret for secret in (SERVER_TOKEN, TOKEN, "canary") if secret in str(seen)]


def test_a_websocket_ends_at_both_ends(mine: DaskBed) -> None:
    path = mine.path("mine", "dashboard/status/ws")
    with connected(mine, path) as socket:
        socket.recv()
        socket.send("close")
        opcode, data = socket.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        assert int.from_bytes(data[:2], "big") == 4001
    with connected(mine, path) as socket:
        socket.recv()
        socket.send("frames 100000")  # which nobody reads
        socket.recv()

    until = time.monotonic() + 10
    while len([each for each in mine.esac.seen if each.method == "CLOSED"]) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert "Traceback" not in mine.server.log()
    assert "WebSocketClosedError" not in mine.server.log()


def test_frames_that_are_too_large_end_a_websocket(mine: DaskBed) -> None:
    with connected(mine, mine.path("mine", "dashboard/status/ws")) as socket:
        socket.recv()
        socket.send("large")
        assert socket.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE
    with connected(mine, mine.path("mine", "dashboard/status/ws")) as socket:
        socket.recv()
        with contextlib.suppress(OSError):  # the server may be gone before all is sent
            socket.send_binary(b"x" * (21 << 20))
        with contextlib.suppress(OSError, websocket.WebSocketException):
            assert socket.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE


def test_a_websockets_handshake_follows_no_redirect(mine: DaskBed) -> None:
    mine.esac.elsewhere = f"{mine.gateways['cloud-us'].address}/stolen"

    assert refused(mine, mine.path("mine", "dashboard/leave/ws")) == 503
    assert not mine.gateways["cloud-us"].seen
    offered = [f"p{number}" for number in range(9)]
    assert refused(mine, mine.path("mine", "dashboard/status/ws"), subprotocols=offered) == 400


def test_an_open_dashboard_is_no_activity(mine: DaskBed) -> None:
    def last_activity() -> datetime:
        url = mine.server.http.base_url.join("../api/status")
        return datetime.fromisoformat(mine.server.http.get(url).json()["last_activity"])

    before = last_activity()
    with connected(mine, mine.path("mine", "dashboard/status/ws")) as socket:
        for page in ("dashboard/status", "plots", "dashboard/nothing", "snippet"):
            mine.server.get(mine.path("mine", page))
        socket.send("frames 50")
        for _ in range(51):
            socket.recv()
    refused(mine, mine.path("theirs", "dashboard/status/ws"))

    assert last_activity() == before
