"""``perijove://`` on workers: real processes with a worker's environment, which has a lease's token and no other."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Iterator
from typing import Any

import dask.array
import dask.dataframe
import fsspec
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from distributed import Client

import perijove
from tests.support.control import TOKEN, FakeControl, FakeReplica
from tests.support.dask_workers import dask_processes
from tests.support.kernel import kernel_of_fake_control
from tests.support.s3 import Fault, FaultKind, S3Bed, threaded_bed

LEASE_TOKEN = "canary-lease-token-91bd"
DELIVERIES = ("direct", "proxied")
SEA = np.arange(1.0, 1.0 + 64 * 64).reshape(64, 64)
TABLE = pd.DataFrame({"id": np.arange(4000), "flux": np.linspace(0.0, 1.0, 4000)})


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Bed]:
    """A store with a Zarr, Parquet and CSV."""
    directory = tmp_path_factory.mktemp("sea")
    encoding = {"sst": {"chunks": (16, 16)}}
    xr.Dataset({"sst": (("y", "x"), SEA)}).to_zarr(directory / "sea.zarr", zarr_format=2, encoding=encoding)
    for number in range(4):
        part = TABLE.iloc[number * 1000 : (number + 1) * 1000]
        part.to_parquet(directory / f"t{number}.parquet")
        part.to_csv(directory / f"t{number}.csv", index=False)
    with threaded_bed() as bed:
        bed.make_bucket("bucket")
        for path in directory.rglob("*"):
            if path.is_file():
                bed.put_file("bucket", f"d/{path.relative_to(directory)}", path)
        yield bed


@pytest.fixture(scope="module")
def control(bed: S3Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeControl]:
    """This process is the notebook's kernel."""
    with kernel_of_fake_control(tmp_path_factory.mktemp("cache")) as control:
        for delivery in DELIVERIES:
            control.add(delivery, FakeReplica("near", bed, "bucket", "d/"), delivery=delivery)
        yield control


@pytest.fixture(scope="module")
def cluster(control: FakeControl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    environment = {
        "PERIJOVE_CONTROL_URL": control.url, "PERIJOVE_SITE": "esac",
        "PERIJOVE_LEASE_ID": "lease-1", "PERIJOVE_LEASE_TOKEN": LEASE_TOKEN,
    }  # fmt: skip
    with (
        dask_processes(tmp_path_factory.mktemp("dask"), environment, workers=2) as processes,
        Client(processes.address, set_as_default=False) as client,
    ):
        client.wait_for_workers(2, timeout=30)
        yield client


@pytest.fixture
def client(cluster: Client, control: FakeControl) -> Iterator[Client]:
    control.lease_tokens = {LEASE_TOKEN}
    with cluster.as_current():
        yield cluster


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_arrays_and_tables_are_read_by_workers(client: Client, bed: S3Bed, delivery: str) -> None:
    url = f"perijove://{delivery}"

    with xr.open_zarr(f"{url}/sea.zarr", chunks={}) as opened:
        assert opened.sst.chunks == ((16,) * 4, (16,) * 4)
        bed.wait_until_idle()
        assert float(opened.sst.sum().compute()) == SEA.sum()
    array = dask.array.from_zarr(f"{url}/sea.zarr", component="sst")
    assert np.array_equal(array[8:24].compute(), SEA[8:24])
    assert np.allclose(dask.dataframe.read_parquet(f"{url}/t*.parquet").flux.mean().compute(), TABLE.flux.mean())
    frame = dask.dataframe.read_csv(f"{url}/t*.csv", blocksize=4096)
    assert frame.npartitions > 4
    assert int(frame.id.sum().compute()) == TABLE.id.sum()
    assert client.submit(_head, f"{delivery}/t0.csv", pure=False).result() == b"id,flux"


def _head(path: str) -> bytes:
    with perijove.open(path) as file:
        return bytes(file.read(7))


def test_what_travels_holds_no_token_and_no_key(client: Client, control: FakeControl, bed: S3Bed) -> None:
    files = fsspec.filesystem("perijove")
    assert files.cat("direct/t0.csv")[:2] == b"id"
    assert files.cat("proxied/t0.csv")[:2] == b"id"
    with xr.open_zarr("perijove://direct/sea.zarr", chunks={}) as opened, perijove.open("proxied/t1.csv") as file:
        file.read(1)
        travels = [pickle.dumps(each) for each in (files, file, opened.sst.data, files.storage_options)]
        travels.append(pickle.dumps(dask.dataframe.read_csv("perijove://direct/t*.csv")))
    assert len(control.secrets) >= 4
    for secret in (TOKEN, LEASE_TOKEN, control.url, *control.secrets):
        assert not [each for each in travels if secret.encode() in each]


def test_workers_ask_in_the_name_of_their_lease_only(client: Client) -> None:
    def names() -> list[str]:
        import os

        return [name for name in os.environ if "TOKEN" in name]

    assert set(map(tuple, client.run(names).values())) == {("PERIJOVE_LEASE_TOKEN",)}
    with pytest.raises(perijove.Refused):  # what is not about data is no business of theirs
        client.submit(perijove.limits, pure=False).result(timeout=20)


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_token_that_is_not_taken_is_told_in_the_notebook(client: Client, control: FakeControl, delivery: str) -> None:
    with xr.open_zarr(f"perijove://{delivery}/sea.zarr", chunks={}) as opened:
        client.run(_forget)
        control.lease_tokens = set()
        began = time.monotonic()
        with pytest.raises(perijove.Refused, match="You are not signed in"):
            opened.sst.sum().compute()

    assert time.monotonic() - began < 10
    client.run(_forget)


def _forget() -> None:
    """A worker that has just begun."""
    from perijove import filesystem

    filesystem.close_connections()


def test_a_dataset_that_the_lease_may_not_read_is_no_array_of_zeros(client: Client, control: FakeControl) -> None:
    client.run(_forget)
    with xr.open_zarr("perijove://direct/sea.zarr", chunks={}) as opened:
        taken = control.datasets.pop("direct")
        try:
            with pytest.raises(perijove.Refused, match="no dataset direct that you may read"):
                opened.sst.sum().compute()
        finally:
            control.datasets["direct"] = taken


async def _pulse(seconds: float) -> float:
    """How long the loop of a worker was away at most, within so many seconds."""
    longest, end = 0.0, time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - now - 0.01)
    return longest


def _read_new(path: str) -> int:
    _forget()
    return len(fsspec.filesystem("perijove").cat(path))


def test_the_loop_of_a_worker_goes_on_while_its_threads_wait_for_bytes(client: Client, bed: S3Bed) -> None:
    bed.faults.add(Fault(FaultKind.DELAY, "GetObject", times=None, delay_seconds=2.0))
    try:
        reads = client.map(_read_new, [f"{name}/t2.parquet" for name in DELIVERIES], pure=False)
        away = client.run(_pulse, 1.5)
        assert not any(each.done() for each in reads)
    finally:
        bed.faults.clear()

    assert max(away.values()) < 1.0
    assert min(client.gather(reads)) > 0


def test_workers_of_one_machine_share_what_they_have_read_and_still_ask(client: Client, bed: S3Bed) -> None:
    first, second = client.scheduler_info(n_workers=-1)["workers"]

    def read(worker: str) -> tuple[bytes, Any]:
        return client.submit(_counted, "direct/t3.csv", workers=[worker], pure=False).result()

    body, _ = read(first)
    client.run(_forget)
    bed.wait_until_idle()
    bed.reset_counters()
    again, hits = read(second)

    assert again == body
    assert hits > 0
    assert [request.status for request in bed.requests] == [304]


def _counted(path: str) -> tuple[bytes, int]:
    with perijove.open(path) as file:
        return bytes(file.read()), file.counts.cache_hits
