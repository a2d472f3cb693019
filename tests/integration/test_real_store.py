"""A real gateway behind real control: what a kernel reads, and what the store itself refuses it."""

from __future__ import annotations

import asyncio
import json
import random
import re
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from botocore.exceptions import ClientError

import perijove
from perijove_demo.clouds import CONTROL_KEY, ROOT_KEY, Cloud
from tests.support.control_bed import ControlBed, running_control
from tests.support.gateway import running_cloud
from tests.support.kernel import kernel_of
from tests.support.platforms import dataset, replica
from tests.support.s3.clients import boto_client

BODY = random.Random(5).randbytes(3 << 20)
KEYS = {"sky/a b/tile ü.fits": BODY, "sky/README.txt": b"the sky", "skylark/song.txt": b"not yours", "other/x": b"nor"}
KEYS |= {"sky-evil/x": b"nor this"}
DATASETS = ("sky", "sky-proxied", "larks")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud"), ["science"]) as cloud:
        root = boto_client(cloud.endpoint, ROOT_KEY, cloud.root_secret)
        for key, body in KEYS.items():
            root.put_object(Bucket="science", Key=key, Body=body)
        yield cloud


@pytest.fixture
async def control(cloud: Cloud, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    private = {"site": "esac", "endpoint": cloud.endpoint, "credentials": {"kind": "sts", "secret": "store"}}
    sky = replica(url="s3://science/sky/", **private)
    datasets = {
        "sky": dataset(sky),
        "sky-proxied": dataset(sky, delivery="proxied"),
        "larks": dataset(replica(url="s3://science/skylark/", **private), groups=["staff"]),
    }
    async with running_control(tmp_path, caplog, datasets=datasets) as control:
        key = {"access_key_id": CONTROL_KEY, "secret_access_key": cloud.control_secret}
        (tmp_path / "secrets/store").write_text(json.dumps(key))
        with kernel_of(control, control.ana, tmp_path):
            yield control


def read(path: str) -> bytes:
    with perijove.open(path) as file:
        data: bytes = file.read()
        return data


async def vended(control: ControlBed) -> tuple[dict[str, Any], Any]:
    """The keys that control gives a user for the dataset, and a client that has them."""
    answer = await control.call("POST", "datasets/sky/credentials", control.ana, body={})
    assert answer.status == 200, answer.text
    keys = answer.body
    client = boto_client(keys["endpoint"], keys["access_key_id"], keys["secret_access_key"], keys["session_token"])
    return keys, client


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(Bucket="science", **arguments)
    return str(caught.value.response["Error"]["Code"])


async def test_item_22_the_store_itself_holds_vended_keys_to_the_prefix(control: ControlBed, cloud: Cloud) -> None:
    keys, client = await vended(control)
    assert (keys["kind"], keys["bucket"], keys["prefix"]) == ("sts", "science", "sky/")
    assert keys["access_key_id"] != CONTROL_KEY

    def use() -> None:
        assert client.get_object(Bucket="science", Key="sky/README.txt")["Body"].read() == b"the sky"
        listed = client.list_objects_v2(Bucket="science", Prefix="sky/")
        assert {each["Key"] for each in listed["Contents"]} == {key for key in KEYS if key.startswith("sky/")}
        # the same keys, the same store, without anything of ours between: a neighbour whose name begins alike, too
        for key in ("skylark/song.txt", "sky-evil/x", "other/x", "sky/../other/x"):
            assert refused(client.get_object, Key=key) in ("AccessDenied", "XMinioInvalidResourceName")
        for prefix in ("", "sky", "skylark/", "sky-evil/", "other/"):
            assert refused(client.list_objects_v2, Prefix=prefix) == "AccessDenied"
        for key in ("sky/new", "sky/README.txt", "sky-evil/x", "new"):
            assert refused(client.put_object, Key=key, Body=b"") == "AccessDenied"
        assert refused(client.delete_object, Key="sky/README.txt") == "AccessDenied"
        for wrong in ("", keys["session_token"][:-4] + "AAAA"):
            forged = boto_client(cloud.endpoint, keys["access_key_id"], keys["secret_access_key"], wrong or None)
            with pytest.raises(ClientError):
                forged.get_object(Bucket="science", Key="sky/README.txt")

    await asyncio.to_thread(use)


@pytest.mark.parametrize("name", ["sky", "sky-proxied"])
async def test_a_kernel_reads_and_lists(control: ControlBed, name: str, caplog: pytest.LogCaptureFixture) -> None:
    def use() -> None:
        files = fsspec.filesystem("perijove")
        assert files.find(name) == [f"{name}/README.txt", f"{name}/a b/tile ü.fits"]
        assert read(f"{name}/a b/tile ü.fits") == BODY
        with perijove.open(f"{name}/a b/tile ü.fits") as file:
            file.seek(-100_000, 2)
            assert file.read(10) == BODY[-100_000:-99_990]
        with pytest.raises(perijove.NotFound):
            read(f"{name}/missing")
        with pytest.raises(perijove.PerijoveError):
            read(f"{name}/../skylark/song.txt")

    await asyncio.to_thread(use)
    # a signed address is a key as long as it lasts, and no log is a place for keys
    assert "/api/v1/datasets" in caplog.text
    assert "X-Amz-" not in caplog.text


async def test_item_21_a_presigned_address_opens_its_object_and_no_other(control: ControlBed) -> None:
    answer = await control.call("POST", "datasets/sky-proxied/presign", control.ana, body={"paths": ["README.txt"]})
    (item,) = answer.body["items"]

    def use() -> None:
        with urllib.request.urlopen(item["url"]) as found:
            assert found.read() == b"the sky"
        url = item["url"]
        lasts = re.sub("X-Amz-Expires=900", "X-Amz-Expires=3600", url)
        others = [url.replace("README.txt", "a%20b"), url.replace("sky/README", "other/x"), lasts]
        assert url not in others
        wrong = [urllib.request.Request(each) for each in others]
        for each in [*wrong, *(urllib.request.Request(url, method=method) for method in ("PUT", "DELETE", "HEAD"))]:
            with pytest.raises(urllib.error.HTTPError, match="403") as caught:
                urllib.request.urlopen(each)
            caught.value.close()

    await asyncio.to_thread(use)
    listing = {"path": "", "limit": 10}
    answer = await control.call("POST", "datasets/sky-proxied/presign-list", control.ana, body=listing)
    assert answer.status == 200, answer.text

    def look() -> str:
        with urllib.request.urlopen(answer.body["url"]) as found:
            text: str = found.read().decode()
            return text

    text = await asyncio.to_thread(look)
    assert "README.txt" in text
    assert "skylark" not in text


async def test_who_is_not_in_the_group_gets_no_keys(control: ControlBed) -> None:
    assert (await control.call("POST", "datasets/larks/credentials", control.ana, body={})).status == 404
    assert (await control.call("POST", "datasets/larks/credentials", control.bob, body={})).status == 200
    with pytest.raises(perijove.NotFound):
        await asyncio.to_thread(read, "larks/song.txt")
