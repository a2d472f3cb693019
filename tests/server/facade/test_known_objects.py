"""Objects that the façade has seen a moment ago: what it asks for them again, and of which copy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

import perijove
from perijove import replicas
from perijove.client import AsyncControlClient
from perijove_server.facade import service
from perijove_server.facade.errors import S3Error
from tests.server.conftest import Dataset, MakeDataset
from tests.support.control import TOKEN, FakeControl, FakeReplica
from tests.support.s3 import Fault, FaultKind, S3Bed

BODY = bytes(range(256)) * 400


@pytest.mark.parametrize("size_bytes", [100 << 10, 700 << 10], ids=["sent in one go", "sent after its headers"])
def test_each_read_of_what_one_answer_holds_is_one_request_to_its_store(data: Dataset, size_bytes: int) -> None:
    body = (BODY * 8)[:size_bytes]
    data.put("a.bin", body)
    s3 = boto3.client("s3", **perijove.storage_options(data.id, "boto3"))
    data.bed.reset_counters()
    for _ in range(3):
        assert s3.get_object(Bucket=data.id, Key="a.bin")["Body"].read() == body
        assert s3.get_object(Bucket=data.id, Key="a.bin", Range="bytes=7-9")["Body"].read() == body[7:10]
    assert data.bed.counters == {"GetObject": 6}


def test_parts_that_insist_on_one_version_cost_their_store_one_request_each(data: Dataset, tmp_path: Path) -> None:
    body = BODY * 40
    data.put("a.bin", body)
    s3 = boto3.client("s3", **perijove.storage_options(data.id, "boto3"))
    data.bed.reset_counters()
    in_parts = TransferConfig(multipart_threshold=1 << 20, multipart_chunksize=1 << 20)
    s3.download_file(data.id, "a.bin", str(tmp_path / "a.bin"), Config=in_parts)  # a HEAD, and GETs with If-Match
    assert (tmp_path / "a.bin").read_bytes() == body
    assert data.bed.counters.total() == 1 + 4
    etag = s3.head_object(Bucket=data.id, Key="a.bin")["ETag"]
    data.put("a.bin", body[::-1])
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.get_object(Bucket=data.id, Key="a.bin", Range="bytes=0-9", IfMatch=etag)


@pytest.fixture
async def here(control: FakeControl, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[service.Facade]:
    """A façade in this process, which believes what it has seen of objects for as long as a test takes."""
    monkeypatch.setattr(service, "OBJECT_SECONDS", 3600.0)
    facade = service.Facade(AsyncControlClient(control.url, TOKEN))
    yield facade
    await facade.close()


async def read(facade: service.Facade, dataset_id: str, asked: str = "") -> bytes:
    request = make_mocked_request("GET", f"/{dataset_id}/a.bin", headers={"Range": asked} if asked else {})
    answer = await facade.answer(request, dataset_id, "a.bin", {})
    assert isinstance(answer, web.Response)
    assert isinstance(answer.body, bytes)
    return answer.body


async def test_for_short_reads_by_urls_no_store_is_made_for_each(
    here: service.Facade, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_dataset("proxied")
    data.put("a.bin", BODY)
    monkeypatch.setattr(replicas, "HTTPStore", None)
    for asked, expected in (("", BODY), ("bytes=5-8", BODY[5:9]), ("", BODY), ("bytes=9-", BODY[9:])):
        assert await read(here, data.id, asked) == expected


@pytest.fixture
def two_versions(control: FakeControl, bed: S3Bed) -> Iterator[str]:
    """A dataset with two copies, which hold two versions of one object."""
    for name, body in (("near", BODY), ("far", BODY[::-1])):
        bed.put(f"version-{name}", "a.bin", body)
    control.add(
        "two-versions", *(FakeReplica(name, bed, f"version-{name}") for name in ("near", "far")), delivery="proxied"
    )
    yield "two-versions"
    del control.datasets["two-versions"]
    bed.faults.clear()


async def test_reading_goes_on_with_the_version_that_it_began_with_though_another_copy_has_another(
    here: service.Facade, two_versions: str, bed: S3Bed
) -> None:
    assert await read(here, two_versions, "bytes=0-9") == BODY[:10]
    bed.faults.add(Fault(FaultKind.ERROR, bucket="version-near", code="InternalError", times=None))
    with pytest.raises(S3Error, match="no other copy gives the same version") as refused:
        await read(here, two_versions, "bytes=10-19")
    assert refused.value.status == 503
    bed.faults.clear()
    assert await read(here, two_versions, "bytes=20-29") == BODY[20:30]
