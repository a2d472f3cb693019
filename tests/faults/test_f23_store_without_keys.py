"""F23: control is up, and the store that lies nearest mints no keys. The other copy is read, as if it were the nearest.

Control, the kernel's side and both stores are real; only what the nearest store answers to AssumeRole is ordered.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import fsspec
import pytest

import perijove
from perijove_hub.catalogue import vending
from tests.support.control_bed import STORE_SECRET, ControlBed, running_control
from tests.support.kernel import kernel_of
from tests.support.platforms import dataset, replica
from tests.support.s3 import Fault, FaultKind, S3Bed, threaded_bed

BODY = random.Random(23).randbytes(300_000)
NAMES = ["direct", "proxied"]
KINDS = [FaultKind.ERROR, FaultKind.DROP, FaultKind.HANG]


def _bed() -> Iterator[S3Bed]:
    with threaded_bed({"control": STORE_SECRET}) as bed:
        for name in ("m13.fits", "m31.fits"):
            bed.put("data", f"euclid/{name}", BODY)
        yield bed


near, far = pytest.fixture(_bed, name="near"), pytest.fixture(_bed, name="far")


@pytest.fixture
async def control(
    near: S3Bed, far: S3Bed, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ControlBed]:
    monkeypatch.setenv("PERIJOVE_CACHE_BYTES", "0")
    monkeypatch.setenv("PERIJOVE_SITE", "esac")
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0.01)
    monkeypatch.setattr(vending, "MINT_SECONDS", 1.0)
    sts = {"kind": "sts", "secret": "store"}
    copies = [
        replica(site=site, endpoint=bed.endpoint, credentials=sts) for site, bed in (("esac", near), ("cloud-eu", far))
    ]
    datasets = {name: dataset(*copies, delivery=name) for name in NAMES}
    async with running_control(tmp_path, caplog, datasets=datasets) as control:
        with kernel_of(control, control.ana, tmp_path / "cache"):
            yield control


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
async def test_the_other_copy_is_read_and_the_store_is_left_alone_for_a_while(
    near: S3Bed, far: S3Bed, name: str, kind: FaultKind
) -> None:
    fault = near.faults.add(Fault(kind, op="AssumeRole", times=None))

    def use() -> None:
        with perijove.open(f"{name}/m13.fits") as file:
            assert file.read() == BODY
        hits = fault.hits
        assert hits >= 1
        with perijove.open(f"{name}/m31.fits") as file:
            assert file.read() == BODY
        assert fsspec.filesystem("perijove").ls(name, detail=False) == [f"{name}/m13.fits", f"{name}/m31.fits"]
        assert fault.hits == hits

    await asyncio.to_thread(use)
    assert near.counters["GetObject"] == near.counters["ListObjectsV2"] == 0
    assert far.counters["GetObject"] >= 2


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("name", NAMES)
async def test_a_directory_is_listed_at_the_other_copy(near: S3Bed, name: str) -> None:
    near.faults.add(Fault(FaultKind.DROP, op="AssumeRole", times=None))

    def use() -> None:
        assert fsspec.filesystem("perijove").ls(name, detail=False) == [f"{name}/m13.fits", f"{name}/m31.fits"]

    await asyncio.to_thread(use)


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("name", NAMES)
async def test_when_no_store_mints_keys_the_nearest_is_named(near: S3Bed, far: S3Bed, name: str) -> None:
    for bed in (near, far):
        bed.faults.add(Fault(FaultKind.ERROR, op="AssumeRole", code="AccessDenied", times=None))

    def use() -> None:
        with pytest.raises(perijove.StoreUnavailable, match=rf"^{near.endpoint} gives no credentials for {name} now; "):
            perijove.open(f"{name}/m13.fits")

    await asyncio.to_thread(use)
