"""The demo holds every format that previews show; each is previewed, and its code runs unedited in a real kernel."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest
import websocket

from tests.support.demo import ROOT, DemoProcess

#: Another one than the other tests of this tier start a session for.
USER = "scientist"
#: By format: the dataset, the path, the preview's kind and format, and what its code puts below the cell.
FORMATS = {
    "FITS image with an overview": ("euclid-demo", "mosaic.fits", "image", "FITS", "image/png"),
    "FITS image": ("euclid-demo", "cutouts/01-nucleus.fits", "image", "FITS", "image/png"),
    "FITS image of the Sun": ("sun-sdo-soho", "sdo/aia_171_20110215.fits", "image", "FITS", "image/png"),
    "FITS table": ("euclid-demo", "catalogue/sources.fits", "table", "FITS table", "text/html"),
    "FITS, tiles of GZIP": ("m13", "compressed/m13_gzip.fits", "image", "FITS", "image/png"),
    "FITS, tiles of HCOMPRESS": ("m13", "compressed/m13_hcomp.fits", "image", "FITS", "image/png"),
    "FITS, tiles of PLIO": ("m13", "compressed/m13_plio.fits", "image", "FITS", "image/png"),
    "FITS, tiles of Rice": ("m13", "compressed/m13_rice.fits", "image", "FITS", "image/png"),
    "NetCDF": ("sea-surface-temperature", "analysis/ostia_monthly.nc", "tree", "NetCDF-4", "text/html"),
    "HDF5": ("sea-surface-arrays", "ostia_monthly.h5", "tree", "HDF5", "text/plain"),
    "Zarr 3": ("sea-surface-arrays", "ostia_monthly.zarr", "tree", "Zarr 3", "text/html"),
    "Zarr 2": ("sea-surface-arrays", "ostia_2006.zarr", "tree", "Zarr 2", "text/html"),
    "GRIB on a regular grid": ("sea-surface-arrays", "model_201502.grib2", "tree", "GRIB 2", "text/plain"),
    "GRIB on a polar grid": ("sea-surface-arrays", "temperature.grib2", "tree", "GRIB 2", "text/plain"),
    "Parquet": ("sea-surface-tables", "tables/cells.parquet", "table", "Parquet", "text/html"),
    "CSV": ("sea-surface-tables", "tables/monthly.csv", "table", "CSV", "text/html"),
    "large CSV": ("euclid-demo", "catalogue/sources.csv", "table", "CSV", "text/html"),
    "ECSV": ("sea-surface-tables", "tables/monthly.ecsv", "table", "ECSV", "text/html"),
    "VOTable": ("sea-surface-tables", "tables/monthly.vot", "table", "VOTable", "text/html"),
    "GeoTIFF": ("sea-surface-tables", "maps/model_201502.tif", "image", "GeoTIFF", "image/png"),
    "PNG": ("sea-surface-tables", "maps/model_201502.png", "image", "PNG", "image/png"),
    "JPEG": ("sea-surface-tables", "maps/model_201502.jpg", "image", "JPEG", "image/png"),
    "JSON": ("sea-surface-tables", "tables/monthly.json", "text", "JSON", "text/plain"),
    "notebook": ("sea-surface-tables", "months.ipynb", "text", "Notebook", "stream"),
    "text": ("sea-surface-tables", "README.txt", "text", "Text", "stream"),
}


class Session:
    """A running session of the demo, with one kernel."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/user/{USER}"
        self._headers = {"Authorization": f"token {token}"}
        self.http = httpx.Client(base_url=f"{self._url}/", headers=self._headers, timeout=60)
        self._socket: websocket.WebSocket | None = None

    def start_kernel(self) -> None:
        """Start the kernel and wait until it answers."""
        kernel = self.http.post("api/kernels", json={}).raise_for_status().json()["id"]
        address = f"{self._url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels"
        header = [f"{name}: {value}" for name, value in self._headers.items()]
        self._socket = websocket.create_connection(address, header=header, timeout=60)
        assert self.run("pass") == []

    def run(self, code: str) -> list[dict[str, Any]]:
        """Run a cell; what it puts below itself, as the messages' contents."""
        assert self._socket is not None
        request_id = uuid.uuid4().hex
        header = {"msg_id": request_id, "msg_type": "execute_request", "session": "s", "username": "", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self._socket.send(json.dumps(message))
        put: list[dict[str, Any]] = []
        while True:
            said = json.loads(self._socket.recv())
            if said["parent_header"].get("msg_id") != request_id:
                continue
            if said["content"].get("execution_state") == "idle":
                return put
            if said["msg_type"] in ("stream", "display_data", "execute_result", "error"):
                put.append(said["content"])

    def close(self) -> None:
        """End the kernel's connection."""
        self.http.close()
        if self._socket is not None:
            self._socket.close()


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with DemoProcess(ROOT / ".perijove-test") as demo:
        token = next(account["token"] for account in demo.told["accounts"] if account["name"] == USER)
        hub = httpx.Client(
            base_url=f"{demo.told['url']}/hub/api/users/{USER}/",
            headers={"Authorization": f"token {token}"},
            timeout=60,
        )
        with hub, closing(Session(demo.told["url"], token)) as session:
            hub.post("server", json={}).raise_for_status()
            _until_answered(session.http)
            session.start_kernel()
            yield session
            hub.delete("server")


def _until_answered(http: httpx.Client, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if http.get("api/status").status_code == 200:
                return
        time.sleep(0.2)
    raise AssertionError("the session did not come up in time")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_previewed_and_its_code_runs_unedited(session: Session, name: str) -> None:
    dataset, path, kind, file_format, output = FORMATS[name]

    preview = session.http.get(f"perijove/datasets/{dataset}/preview", params={"path": path}).raise_for_status().json()
    code = session.http.get(f"perijove/datasets/{dataset}/snippet", params={"path": path}).raise_for_status().json()
    put = session.run(code["code"])

    assert (preview["kind"], preview["format"]) == (kind, file_format)
    assert preview["bytes_read"] > 0
    # warnings may come: real files have headers that the standard does not allow
    assert [f"{each['ename']}: {each['evalue']}" for each in put if "ename" in each] == [], code["code"]
    kinds = {key for each in put for key in each.get("data", {})} | {"stream" for each in put if "text" in each}
    assert output in kinds
