"""A user's server, real control and a real Dask Gateway: what the Lab asks goes all the way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.support.dask_bed import DaskBed, running_dask_bed
from tests.support.jupyter import SERVER_TOKEN, JupyterServer, jupyter_server

pytestmark = pytest.mark.slow


async def ask(server: JupyterServer, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    """As the Lab does; in a thread, since control lives in the loop of the test."""
    answer = await asyncio.to_thread(server.http.request, method, path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if "json" in answer.headers["Content-Type"] else answer.text


def first_frame(server: JupyterServer, path: str) -> tuple[str | None, Any]:
    """The subprotocol and the first frame of a websocket of Bokeh, by the token that its page holds."""
    page = server.http.get(f"{path}/status").text
    token = page.split('"token":"', 1)[1].split('"', 1)[0]
    url = f"{server.url.replace('http', 'ws', 1)}perijove/{path}/status/ws"
    socket = websocket.create_connection(
        url, timeout=20, header=[f"Authorization: token {SERVER_TOKEN}"], subprotocols=["bokeh", token]
    )
    try:
        return socket.getsubprotocol(), socket.recv()
    finally:
        socket.shutdown()


async def test_a_cluster_from_its_wish_to_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "lab").mkdir()
    async with running_dask_bed(tmp_path, caplog) as bed:
        environment = {
            "PERIJOVE_CONTROL_URL": bed.control.service_url,
            "JUPYTERHUB_API_TOKEN": bed.ana,
            "PERIJOVE_SITE": "esac",
            "PERIJOVE_CURRENCY": "EUR",
        }
        with jupyter_server(tmp_path / "lab", environment) as server:
            await told_and_estimated(server)
            await made_grown_and_stopped(server, bed)
            log = server.log()
    assert bed.ana not in log
    assert "PRIVATE KEY" not in log
    assert "Traceback" not in log


async def told_and_estimated(server: JupyterServer) -> None:
    [gateway] = (await ask(server, "GET", "dask/gateways"))["items"]
    assert (gateway["gateway"], gateway["reachable"], gateway["price"]["cpu_hour"]) == ("esac", True, 0.5)
    assert "title" not in {option["field"] for option in gateway["options"]}
    assert gateway["options"]

    fits = await ask(server, "POST", "dask/estimates", {"gateway": "esac", "workers": 3})
    assert (fits["fits"], fits["resources"]["cpu"], fits["cost_hour"]) == (True, 4.0, 2.0)
    assert {limit["name"]: limit["left"] for limit in fits["limits"]} == {"cores": 0.0, "two-clusters": 1.0}
    too_many = await ask(server, "POST", "dask/estimates", {"gateway": "esac", "workers": 4})
    assert too_many["why_not"].endswith("3 workers fit now.")
    bad = await ask(server, "POST", "dask/clusters", {"options": {"nonsense": 1}}, status=422)
    assert "nonsense" in bad["detail"]


async def made_grown_and_stopped(server: JupyterServer, bed: DaskBed) -> None:
    theirs = await bed.gateway.new(bed.bob)
    made = (await ask(server, "POST", "dask/clusters", {"title": "Mosaic", "workers": 2}, status=201))["cluster"]
    path = f"dask/clusters/esac/{made['name']}"
    assert (made["title"], made["gateway_title"]) == ("Mosaic", (await ask(server, "GET", path))["gateway_title"])
    running = await ask(server, "GET", f"{path}?wait=1")
    assert running["state"] == "running"
    await bed.gateway.wait(bed.ana, made["name"], lambda each: each["workers"] == 2)
    assert (await ask(server, "GET", path))["cost_hour"] == 1.5

    grown = await ask(server, "POST", f"{path}/scale", {"workers": 10})
    assert grown["cluster"]["workers_wanted"] == 10
    await bed.gateway.wait(bed.ana, made["name"], lambda each: each["workers"] == 3)
    listed = await ask(server, "GET", "dask/clusters")
    assert [each["name"] for each in listed["items"]] == [made["name"]]
    assert "Limit cores allows 4 cores" in listed["items"][0]["capped"]
    kept = await ask(server, "POST", f"{path}/keep", {"minutes": 30})
    assert kept["cluster"]["name"] == made["name"]

    assert "Dask" in await ask(server, "GET", listed["items"][0]["dashboard"])
    assert (await ask(server, "GET", f"{path}/dashboard/json/counts.json"))["workers"] == 3
    assert "Task Stream" in {plot["title"] for plot in (await ask(server, "GET", f"{path}/plots"))["items"]}
    protocol, frame = await asyncio.to_thread(first_frame, server, f"{path}/dashboard")
    assert (protocol, '"ACK"' in frame) == ("bokeh", True)
    for route in ("", "/plots", "/dashboard/status"):
        await ask(server, "GET", f"dask/clusters/esac/{theirs}{route}", status=404)

    await ask(server, "POST", "dask/clusters", {}, status=409)  # the cores are used
    assert (await ask(server, "DELETE", "dask/clusters"))["stopped"] == [{"gateway": "esac", "name": made["name"]}]
    await bed.gateway.wait(bed.ana, made["name"], lambda each: each["state"] == "stopped")
    await ask(server, "GET", f"{path}/dashboard/status", status=404)
    over = await ask(server, "GET", path)
    assert (over["state"], over["dashboard"], over["cost_hour"]) == ("stopped", None, 0.0)
    assert over["cost"] > 0
