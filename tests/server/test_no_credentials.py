"""After everything was used, no credential of a store is in a kernel, a notebook, the log or on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
import psutil
import pytest
from jupyter_client.blocking import BlockingKernelClient

from tests.support.control import ADMIN, TOKEN, FakeControl, FakeReplica, threaded_control
from tests.support.jupyter import SERVER_TOKEN, JupyterServer, jupyter_server
from tests.support.s3 import threaded_bed

CODE = """
import json, os
import boto3, fsspec, obstore, perijove, pyarrow.fs, s3fs
from obstore.store import S3Store
for name in ("open-data", "closed-data"):
    options = perijove.storage_options
    boto3.client("s3", **options(name, "boto3")).get_object(Bucket=name, Key="a.txt")["Body"].read()
    files = s3fs.S3FileSystem(**options(name))
    assert files.find(name) == [f"{name}/a.txt"]
    assert files.cat(f"{name}/a.txt") == b"hello"
    assert bytes(obstore.get(S3Store(name, **options(name, "obstore")), "a.txt").bytes()) == b"hello"
    assert pyarrow.fs.S3FileSystem(**options(name, "pyarrow")).open_input_file(f"{name}/a.txt").read() == b"hello"
    with fsspec.open(f"simplecache::s3://{name}/a.txt", s3=options(name)) as file:
        assert file.read() == b"hello"
    with perijove.open(f"{name}/a.txt") as file:
        assert file.read() == b"hello"
    print(options(name), files.to_json(), fsspec.filesystem("perijove").ls(name))
print(json.dumps(dict(os.environ)))
try:
    perijove.open("open-data/nope")
except FileNotFoundError as error:
    print(repr(error))
"""


@pytest.fixture
def control() -> Iterator[FakeControl]:
    with threaded_bed() as bed, threaded_control() as control:
        for name, delivery in (("open-data", "direct"), ("closed-data", "proxied")):
            control.add(name, FakeReplica("near", bed, "bucket", f"{name}/"), delivery=delivery)
            bed.put("bucket", f"{name}/a.txt", b"hello")
        yield control


def run_in_a_kernel(server: JupyterServer, home: Path) -> tuple[str, dict[str, str]]:
    """What the code writes, and the environment that the kernel was started with."""
    api = httpx.Client(base_url=f"{server.url}api/", headers={"Authorization": f"token {SERVER_TOKEN}"}, timeout=60)
    with api:
        kernel_id = api.post("kernels", json={"name": "python3"}).json()["id"]
        (connection,) = home.rglob(f"kernel-{kernel_id}.json")
        client = BlockingKernelClient(connection_file=str(connection))
        client.load_connection_file()
        client.start_channels()
        written: list[str] = []
        try:
            client.wait_for_ready(timeout=60)
            answer = client.execute_interactive(
                CODE, timeout=90, output_hook=lambda message: written.append(json.dumps(message["content"]))
            )
            assert answer["content"]["status"] == "ok", answer["content"]
            started = next(
                child.environ()
                for child in psutil.Process(server.pid).children()
                if kernel_id in " ".join(child.cmdline())
            )
        finally:
            client.stop_channels()
        cell = nbformat.v4.new_code_cell(CODE, outputs=[nbformat.v4.new_output("stream", text="".join(written))])
        notebook = {"type": "notebook", "content": nbformat.v4.new_notebook(cells=[cell])}
        assert api.put("contents/used.ipynb", json=notebook).status_code == 201
        assert api.delete(f"kernels/{kernel_id}").status_code == 204
    return "".join(written), started


def test_items_13_and_21_no_credential_of_a_store_and_no_signed_address_is_anywhere(
    control: FakeControl, tmp_path: Path
) -> None:
    environment = {
        "PERIJOVE_CONTROL_URL": control.url,
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "XDG_CACHE_HOME": str(tmp_path / "home/.cache"),
    }
    with jupyter_server(tmp_path, environment) as server:
        answers = [
            server.get(f"datasets/{name}/{route}", path="" if route == "tree" else "a.txt").text
            for name in control.datasets
            for route in ("tree", "preview", "snippet")
        ]
        written, started = run_in_a_kernel(server, tmp_path / "home")
        children = psutil.Process(server.pid).children(recursive=True)
        arguments = " ".join(part for child in children for part in child.cmdline())
        inherited = "".join(value for child in children for value in child.environ().values())

    assert started["PERIJOVE_DATA_URL"].startswith("http://127.0.0.1:")
    assert not [name for name in started if name.startswith("AWS_")]
    assert started["PERIJOVE_DATA_KEY"] not in arguments
    assert started["PERIJOVE_DATA_KEY"] not in (tmp_path / "server.log").read_text()
    assert TOKEN not in arguments
    assert len(control.secrets) > 4  # the signatures of addresses are among them
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "root/used.ipynb" in kept
    everything = b"".join([*(path.read_bytes() for path in kept), json.dumps(started).encode()])
    everything += f"{written}{arguments}{inherited}{answers}".encode()
    for secret in (ADMIN[1], *control.secrets):
        assert secret.encode() not in everything
