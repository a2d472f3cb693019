"""The clients that people use read through the façade with what perijove.storage_options gives them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import boto3
import fsspec
import obstore
import pyarrow.fs
import pytest
import s3fs
from botocore.exceptions import ClientError
from obstore.store import S3Store

import perijove
from tests.server.conftest import Dataset, MakeDataset
from tests.support.control import TOKEN, FakeControl

BODY = os.urandom(3 << 20)
NAMES = ["a.txt", "tiles/1 ä+b&c.fits", "tiles/deep/2.fits", "tiles/日本.fits", "ü" * 300 + "/" + "x" * 423]


@pytest.fixture
def filled(data: Dataset) -> Dataset:
    for name in NAMES:
        data.put(name, BODY)
    return data


def test_boto3_reads_and_lists(filled: Dataset, control: FakeControl) -> None:
    s3 = boto3.client("s3", **perijove.storage_options(filled.id, "boto3"))
    for name in NAMES:
        answer = s3.get_object(Bucket=filled.id, Key=name)
        assert answer["Body"].read() == BODY
        head = s3.head_object(Bucket=filled.id, Key=name)
        assert (head["ContentLength"], head["ETag"]) == (len(BODY), answer["ETag"])
        assert head["LastModified"] == answer["LastModified"]
    part = s3.get_object(Bucket=filled.id, Key="a.txt", Range="bytes=10-19")
    assert (part["Body"].read(), part["ContentRange"]) == (BODY[10:20], f"bytes 10-19/{len(BODY)}")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=filled.id, PaginationConfig={"PageSize": 2})
    assert sorted(item["Key"] for page in pages for item in page["Contents"]) == sorted(NAMES)
    old = s3.get_paginator("list_objects").paginate(Bucket=filled.id, Delimiter="/", PaginationConfig={"PageSize": 1})
    assert {item["Prefix"] for page in old for item in page.get("CommonPrefixes", [])} == {"tiles/", "ü" * 300 + "/"}
    listed = s3.list_objects_v2(Bucket=filled.id, Prefix="tiles/1", Delimiter="/")
    assert [item["Key"] for item in listed["Contents"]] == ["tiles/1 ä+b&c.fits"]
    after = s3.list_objects_v2(Bucket=filled.id, StartAfter="tiles/deep/2.fits")
    assert "a.txt" not in [item["Key"] for item in after["Contents"]]
    assert filled.id in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket=filled.id)["LocationConstraint"] is None
    s3.head_bucket(Bucket=filled.id)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.list_objects_v2(Bucket="nope")
    # not "no such bucket" of an object: Zarr takes that for a chunk that was never written
    for bucket, key, code in ((filled.id, "nope", "NoSuchKey"), ("nope", "a.txt", "AccessDenied")):
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=bucket, Key=key)
        assert caught.value.response["Error"]["Code"] == code
    for write in (
        lambda: s3.put_object(Bucket=filled.id, Key="new", Body=b"x"),
        lambda: s3.delete_object(Bucket=filled.id, Key="a.txt"),
        lambda: s3.create_bucket(Bucket="new-bucket"),
    ):
        with pytest.raises(ClientError, match="read-only"):
            write()
    kept = s3.generate_presigned_url("get_object", Params={"Bucket": filled.id, "Key": NAMES[1]}, ExpiresIn=60)
    assert TOKEN not in kept


def test_s3fs_reads_lists_and_caches(filled: Dataset, tmp_path: Path) -> None:
    options = perijove.storage_options(filled.id)
    files = s3fs.S3FileSystem(**options, skip_instance_cache=True)
    assert files.cat(f"{filled.id}/{NAMES[1]}") == BODY
    assert sorted(files.find(filled.id)) == sorted(f"{filled.id}/{name}" for name in NAMES)
    assert f"{filled.id}/tiles" in files.ls(filled.id)
    assert not files.exists(f"{filled.id}/tiles/nope")
    with files.open(f"{filled.id}/{NAMES[3]}") as file:
        file.seek(1_500_000)
        assert file.read(1000) == BODY[1_500_000:1_501_000]
    cached = {"s3": options, "simplecache": {"cache_storage": str(tmp_path)}}
    for _ in range(2):
        with fsspec.open(f"simplecache::s3://{filled.id}/a.txt", **cached) as file:
            assert file.read() == BODY
    assert len(list(tmp_path.iterdir())) == 1


def test_obstore_reads_and_lists(filled: Dataset) -> None:
    store = S3Store(filled.id, **perijove.storage_options(filled.id, "obstore"))
    for name in NAMES[:4]:
        assert bytes(obstore.get(store, name).bytes()) == BODY
        assert bytes(obstore.get_range(store, name, start=5, end=99)) == BODY[5:99]
    assert {meta["path"] for page in obstore.list(store) for meta in page} == set(NAMES)
    assert obstore.list_with_delimiter(store)["common_prefixes"][0] == "tiles"


def test_pyarrow_reads_and_lists(filled: Dataset) -> None:
    files = pyarrow.fs.S3FileSystem(**perijove.storage_options(filled.id, "pyarrow"))
    for name in NAMES:
        with files.open_input_file(f"{filled.id}/{name}") as file:
            assert file.size() == len(BODY)
            assert file.read_at(100, 1 << 20) == BODY[1 << 20 : (1 << 20) + 100]
    found = files.get_file_info(pyarrow.fs.FileSelector(filled.id, recursive=True))
    assert {info.path for info in found if info.is_file} == {f"{filled.id}/{name}" for name in NAMES}


def test_options_for_the_command_line_are_variables_of_its_environment(filled: Dataset, tmp_path: Path) -> None:
    options = perijove.storage_options(filled.id, "aws")
    assert set(options) == {"AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    # the command line is botocore with the same environment
    code = f"import boto3; print(boto3.client('s3').get_object(Bucket={filled.id!r}, Key='a.txt')['ContentLength'])"
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    said = subprocess.run([sys.executable, "-c", code], env=bare | options, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(len(BODY))


def test_a_direct_dataset_can_be_read_at_its_store(
    make_dataset: MakeDataset, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERIJOVE_CONTROL_URL", control.url)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", TOKEN)
    open_data, closed = make_dataset("direct"), make_dataset("proxied")
    open_data.put("a.txt", b"hello")
    key = f"{open_data.prefix}a.txt"
    s3 = boto3.client("s3", **perijove.storage_options(open_data.id, "boto3", direct=True))
    assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == b"hello"
    files = s3fs.S3FileSystem(**perijove.storage_options(open_data.id, direct=True), skip_instance_cache=True)
    assert files.cat(f"bucket/{key}") == b"hello"
    store = S3Store("bucket", **perijove.storage_options(open_data.id, "obstore", direct=True))
    assert bytes(obstore.get(store, key).bytes()) == b"hello"
    arrow = pyarrow.fs.S3FileSystem(**perijove.storage_options(open_data.id, "pyarrow", direct=True))
    assert arrow.open_input_file(f"bucket/{key}").read() == b"hello"
    with pytest.raises(perijove.Refused, match="delivered through the platform"):
        perijove.storage_options(closed.id, direct=True)


def test_what_cannot_be_given_is_one_sentence(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(perijove.BadRequest, match="choose from s3fs, boto3, obstore, pyarrow, aws"):
        perijove.storage_options(data.id, "rclone")  # type: ignore[arg-type]  # it is none of them
    with pytest.raises(perijove.BadRequest, match="direct=True"):
        perijove.storage_options(data.id, replica="near")
    monkeypatch.delenv("PERIJOVE_DATA_KEY")
    with pytest.raises(perijove.NotConfigured, match="PERIJOVE_DATA_URL"):
        perijove.storage_options(data.id)
