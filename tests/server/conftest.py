"""One server, one control and one bed for all tests of this folder; each test has a dataset of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.support.control import TOKEN, FakeControl, FakeReplica, threaded_control
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
