"""What kernels and terminals are told of the gateways: Dask's own client works there as it stands."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_client.blocking import BlockingKernelClient

from perijove.models import GatewayView
from perijove_server.dask.environment import kernel_environment, own_url
from tests.support.control import TOKEN, FakeControl, threaded_control
from tests.support.dask_bed import DaskBed, running_dask_bed
from tests.support.gateways import FakeGateway, threaded_gateways
from tests.support.jupyter import JupyterServer, jupyter_server

CODE = """
import json, os
print(json.dumps({name: value for name, value in os.environ.items() if name.startswith("DASK_")}))
import dask_gateway
with dask_gateway.Gateway() as gateway:
    print(json.dumps([gateway.address, gateway.proxy_address, list(gateway.cluster_options().keys())]))
"""


@pytest.fixture(scope="module")
def platform() -> Iterator[tuple[FakeControl, dict[str, FakeGateway]]]:
    with threaded_gateways("cloud-eu", "esac") as gateways, threaded_control() as control:
        control.gateways = [gateway.view() for gateway in gateways.values()]
        yield control, gateways


def session(control: FakeControl, directory: Path, **more: str) -> Any:
    environment = {"PERIJOVE_CONTROL_URL": control.url, "JUPYTERHUB_API_TOKEN": TOKEN, "PERIJOVE_SITE": "esac"} | more
    return jupyter_server(directory, environment)


class Kernel:
    """A kernel of a Jupyter server, used as a notebook does."""

    def __init__(self, api: httpx.Client, kernel_id: str, connection: Path) -> None:
        self._api = api
        self._id = kernel_id
        self._connection = connection

    def run(self, code: str) -> str:
        """What a cell writes."""
        client = BlockingKernelClient(connection_file=str(self._connection))
        client.load_connection_file()
        client.start_channels()
        written: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "error":
                raise AssertionError("\n".join(message["content"]["traceback"]))
            written.append(message["content"].get("text", ""))

        try:
            client.wait_for_ready(timeout=60)
            client.execute_interactive(code, timeout=90, output_hook=hear)
        finally:
            client.stop_channels()
        return "".join(written)

    def restart(self) -> None:
        """As the button in the Lab does."""
        self._api.post(f"kernels/{self._id}/restart").raise_for_status()


@contextmanager
def kernel_of(server: JupyterServer, home: Path) -> Iterator[Kernel]:
    with httpx.Client(base_url=f"{server.url}api/", headers=server.http.headers, timeout=60) as api:
        kernel_id = api.post("kernels", json={"name": "python3"}).json()["id"]
        try:
            (connection,) = home.rglob(f"kernel-{kernel_id}.json")
            yield Kernel(api, kernel_id, connection)
        finally:
            api.delete(f"kernels/{kernel_id}")


def run_in_a_kernel(server: JupyterServer, home: Path, code: str) -> str:
    with kernel_of(server, home) as kernel:
        return kernel.run(code)


def wait_for_gateways(server: JupyterServer) -> None:
    until = time.monotonic() + 20
    while server.get("dask/clusters").status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_dasks_own_client_needs_no_arguments(
    platform: tuple[FakeControl, dict[str, FakeGateway]], tmp_path: Path
) -> None:
    control, gateways = platform
    control.gateways_fault = 503  # control is not there yet when the server starts
    with session(control, tmp_path, DASK_GATEWAY__AUTH__TYPE="jupyterhub") as server:
        control.gateways_fault = None
        wait_for_gateways(server)
        environment, seen = map(json.loads, run_in_a_kernel(server, tmp_path, CODE).splitlines()[:2])

    origin = control.url.removesuffix("/services/perijove")
    assert environment == {
        "DASK_GATEWAY__ADDRESS": gateways["esac"].address,
        "DASK_GATEWAY__PROXY_ADDRESS": "gateway://127.0.0.1:1",
        "DASK_GATEWAY__PUBLIC_ADDRESS": f"{origin}/user/x/perijove/dask/gateways/esac",
        "DASK_GATEWAY__AUTH__TYPE": "jupyterhub",
    }
    assert seen == [
        gateways["esac"].address,
        "gateway://127.0.0.1:1",
        ["title", "worker_cores", "image", "environment"],
    ]


#: In a cell: how the workers of a cluster are told apart, and a sum that they have worked out.
COMPUTED = """
import json, os
client = cluster.get_client()
client.wait_for_workers(2, timeout=60)
total = sum(client.gather(client.map(lambda number: number**2, range(10), pure=False)))
print(json.dumps([cluster.name, sorted(client.run(os.getpid).values()), total]))
client.close()
"""


def restarted_and_connected(server: JupyterServer, home: Path) -> None:
    wait_for_gateways(server)
    with kernel_of(server, home) as kernel:
        start = "import perijove\ncluster = perijove.cluster(2, title='Mosaic', shutdown_on_close=False)"
        name, workers, total = json.loads(kernel.run(start + COMPUTED))
        assert (len(workers), total) == (2, 285)
        kernel.restart()
        assert kernel.run("print('cluster' in globals())").strip() == "False"
        for again in (
            f"import perijove\ncluster = perijove.cluster(name={name!r})",
            "import perijove\ncluster = perijove.cluster(name='Mosaic')",
            f"import dask_gateway\ncluster = dask_gateway.Gateway().connect({name!r})",
        ):
            assert json.loads(kernel.run(again + COMPUTED)) == [name, workers, total]
            kernel.restart()
    [listed] = server.get("dask/clusters").json()["items"]
    assert (listed["name"], listed["state"], listed["workers"]) == (name, "running", 2)


@pytest.mark.slow
async def test_after_a_restart_of_its_kernel_a_notebook_computes_on_the_same_workers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "lab").mkdir()
    async with running_dask_bed(tmp_path, caplog) as bed:
        with session_of(bed, tmp_path / "lab") as server:
            await asyncio.to_thread(restarted_and_connected, server, tmp_path / "lab")


def session_of(bed: DaskBed, directory: Path) -> Any:
    environment = {
        "PERIJOVE_CONTROL_URL": bed.control.service_url,
        "JUPYTERHUB_API_TOKEN": bed.ana,
        "PERIJOVE_SITE": "esac",
    }
    return jupyter_server(directory, environment)


def view(site: str = "esac", **change: str) -> GatewayView:
    said = {"title": site, "region": "r", "address": f"https://{site}/gw", "proxy_address": f"gateway://{site}:8786"}
    return GatewayView.model_validate({"site": site} | said | change)


SAID = {
    "DASK_GATEWAY__ADDRESS": "https://esac/gw",
    "DASK_GATEWAY__PROXY_ADDRESS": "gateway://esac:8786",
    "DASK_GATEWAY__PUBLIC_ADDRESS": "https://hub/user/x/perijove/dask/gateways/esac",
    "DASK_GATEWAY__AUTH__TYPE": "jupyterhub",
    "PERIJOVE_SERVER_URL": "https://hub/user/x/perijove",
}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, SAID),
        ({"DASK_GATEWAY__ADDRESS": "https://my-own"}, {}),
        ({"DASK_GATEWAY__AUTH__TYPE": "basic"}, {**SAID, "DASK_GATEWAY__AUTH__TYPE": None}),
        ({"DASK_GATEWAY__PUBLIC_ADDRESS": "https://seen"}, {**SAID, "DASK_GATEWAY__PUBLIC_ADDRESS": None}),
    ],
)
def test_what_the_user_has_set_stays(environment: dict[str, str], said: dict[str, str | None]) -> None:
    expected = {name: value for name, value in said.items() if value is not None}

    assert kernel_environment([view(), view("other")], "https://hub/user/x/", environment) == expected


def test_links_lead_where_browsers_find_this_server() -> None:
    control, base_url = "https://science.example/services/perijove", "/user/x/"
    assert own_url({}, control, base_url) == "https://science.example/user/x/"
    public = {"JUPYTERHUB_PUBLIC_URL": "https://x.science.example/user/x"}
    assert own_url(public, control, base_url) == "https://x.science.example/user/x/"


def test_without_a_gateway_nothing_is_told() -> None:
    assert kernel_environment([], "/user/x/", {}) == {}


def test_the_server_does_without_dasks_own_client() -> None:
    # 67 MB, and an event loop and a version of its own
    code = "import sys, perijove_server.handlers; print([name for name in sys.modules if name.startswith('d')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "dataclasses" in done.stdout
    assert not {"dask", "dask_gateway", "distributed"}.intersection(ast.literal_eval(done.stdout))
