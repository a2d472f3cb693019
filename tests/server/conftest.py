"""One server, one control and one bed for all tests of this folder; each test has a dataset of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection

import httpx
import pytest

from tests.support.control import TOKEN, FakeControl, FakeReplica, threaded_control
from tests.support.gateways import FakeGateway, threaded_gateways
from tests.support.jupyter import JupyterServer, jupyter_server
from tests.support.s3 import S3Bed, threaded_bed

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Dataset:
    """A dataset at the bed: what is put is below its prefix."""

    id: str
    bed: S3Bed
    prefix: str

    def put(self, path: str, data: bytes) -> None:
        self.bed.put("bucket", self.prefix + path, data)

    def route(self, name: str) -> str:
        return f"datasets/{self.id}/{name}"


MakeDataset = Callable[..., Dataset]


@pytest.fixture(scope="session")
def bed() -> Iterator[S3Bed]:
    with threaded_bed() as bed:
        bed.make_bucket("bucket")
        yield bed


@pytest.fixture(scope="session")
def session_control() -> Iterator[FakeControl]:
    with threaded_control() as control:
        yield control


@pytest.fixture
def control(session_control: FakeControl) -> Iterator[FakeControl]:
    yield session_control
    session_control.faults.clear()


@pytest.fixture(scope="session")
def server(session_control: FakeControl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    environment = {
        "PERIJOVE_CONTROL_URL": session_control.url,
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "PERIJOVE_LEASE_ID": "lease-1",
        "PERIJOVE_CURRENCY": "EUR",
    }
    # the pulse of this server would get in between what the tests order and count
    quiet = ["--PerijoveServer.heartbeat_seconds=3600", "--PerijoveServer.notices_seconds=3600"]
    with jupyter_server(tmp_path_factory.mktemp("jupyter"), environment, *quiet) as server:
        yield server


@pytest.fixture
def make_dataset(control: FakeControl, bed: S3Bed) -> Iterator[MakeDataset]:
    made: list[str] = []

    def make(delivery: str = "direct") -> Dataset:
        number = next(_numbers)
        dataset = Dataset(f"data-{number}", bed, f"d{number}/")
        control.add(dataset.id, FakeReplica("near", bed, "bucket", dataset.prefix), delivery=delivery)
        made.append(dataset.id)
        return dataset

    yield make
    for dataset_id in made:
        del control.datasets[dataset_id]
    bed.faults.clear()


@pytest.fixture
def dataset(make_dataset: MakeDataset) -> Dataset:
    return make_dataset()


@dataclass(frozen=True)
class DaskBed:
    """A session at ``esac`` with three gateways; control names them in another order. All is as new for each test."""

    server: JupyterServer
    control: FakeControl
    gateways: dict[str, FakeGateway]

    @property
    def esac(self) -> FakeGateway:
        return self.gateways["esac"]

    def path(self, name: str, rest: str = "", gateway: str = "esac") -> str:
        return f"dask/clusters/{gateway}/{name}" + (f"/{rest}" if rest else "")

    def raw(self, method: str, path: str, **headers: str) -> tuple[int, bytes, Message]:
        """A request whose path goes out as it stands, where other clients tidy up dots: status, body and headers."""
        with closing(HTTPConnection(httpx.URL(self.server.url).netloc.decode(), timeout=30)) as connection:
            signed_in = {"Authorization": self.server.http.headers["Authorization"]}
            connection.request(method, f"/user/x/perijove/{path}", headers=signed_in | headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers


@pytest.fixture(scope="session")
def session_dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskBed]:
    with threaded_gateways("cloud-eu", "esac", "cloud-us") as gateways, threaded_control() as control:
        control.gateways = [gateway.view() for gateway in gateways.values()]
        environment = {
            "PERIJOVE_CONTROL_URL": control.url,
            "JUPYTERHUB_API_TOKEN": TOKEN,
            "PERIJOVE_SITE": "esac",
            "PERIJOVE_CURRENCY": "EUR",
        }
        quiet = [f"--PerijoveServer.{each}_seconds=3600" for each in ("heartbeat", "notices", "clusters")]
        with jupyter_server(tmp_path_factory.mktemp("dask"), environment, *quiet) as server:
            yield DaskBed(server, control, gateways)


@pytest.fixture
def dask(session_dask: DaskBed) -> Iterator[DaskBed]:
    yield session_dask
    control = session_dask.control
    control.faults.clear()
    control.leases.clear()
    control.quotas.clear()
    control.sites = []
    control.gateways_fault = None
    for gateway in session_dask.gateways.values():
        gateway.reset()
    control.gateways[:] = [gateway.view() for gateway in session_dask.gateways.values()]
