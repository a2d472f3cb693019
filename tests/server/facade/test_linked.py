"""Datasets of archives of others through the façade: read, and listed a directory at a time."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

import perijove
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import S3Bed


@pytest.fixture
def linked(control: FakeControl, bed: S3Bed) -> Iterator[str]:
    bed.make_bucket("public-archive", public=True)
    bed.put("public-archive", "a.txt", b"hello")
    control.add("archive.some-data", FakeReplica("archive", bed, "public-archive"), delivery="linked")
    control.links["archive.some-data", "a.txt"] = f"{bed.endpoint}/public-archive/a.txt"
    yield "archive.some-data"
    del control.datasets["archive.some-data"]


def test_a_linked_dataset_is_read(linked: str) -> None:
    s3 = boto3.client("s3", **perijove.storage_options(linked, "boto3"))
    answer = s3.get_object(Bucket=linked, Key="a.txt", Range="bytes=1-3")
    assert answer["Body"].read() == b"ell"
    with pytest.raises(ClientError, match="one directory at a time"):
        s3.list_objects_v2(Bucket=linked)
