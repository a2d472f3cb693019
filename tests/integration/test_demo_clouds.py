"""The demo's clouds and the data on them, with real gateways."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from perijove_demo.clouds import CONTROL_KEY, ROOT_KEY, Cloud
from perijove_demo.data import buckets, build_demo_data
from perijove_demo.data.catalogue import Copy, copies
from perijove_demo.data.mosaic import MosaicSpec
from perijove_demo.data.upload import shelf
from perijove_demo.problem import DemoProblem
from tests.support.gateway import running_cloud, running_clouds
from tests.support.s3.clients import boto_client, read_policy

SKY = MosaicSpec(size_px=1024, seed=3)


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[dict[str, Cloud]]:
    with running_clouds(tmp_path, {name: buckets(name) for name in ("esac", "cloud-eu")}) as started:
        yield started


def keys_of(cloud: Cloud, prefix: str = "") -> dict[str, int]:
    client = boto_client(cloud.endpoint, ROOT_KEY, cloud.root_secret)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="science", Prefix=prefix)
    return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}


def build(state_dir: Path, clouds: dict[str, Cloud]) -> list[str]:
    lines: list[str] = []

    async def run() -> None:
        await build_demo_data(state_dir, clouds, lines.append, sky=SKY)
        await asyncio.sleep(0)  # lines come through the loop

    asyncio.run(run())
    return lines


def test_a_cloud_keeps_its_data_and_control_its_key_through_a_restart_elsewhere(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "before", ["science"]) as cloud:
        root = boto_client(cloud.endpoint, ROOT_KEY, cloud.root_secret)
        root.put_object(Bucket="science", Key="k", Body=b"kept")
    (tmp_path / "before").rename(tmp_path / "moved")
    with running_cloud(tmp_path / "moved", ["science"], root_secret="another-root-secret") as cloud:
        control = boto_client(cloud.endpoint, CONTROL_KEY, cloud.control_secret)
        assert control.get_object(Bucket="science", Key="k")["Body"].read() == b"kept"
        with pytest.raises(ClientError, match="AccessDenied"):
            control.put_object(Bucket="science", Key="k", Body=b"")


def test_a_control_secret_that_has_changed_is_set_anew(tmp_path: Path) -> None:
    with running_cloud(tmp_path, ["science"]) as cloud:
        changed = replace(cloud, control_secret="changed-secret")
        asyncio.run(changed.provision(["science"]))
        assert (
            boto_client(cloud.endpoint, CONTROL_KEY, "changed-secret").list_objects_v2(Bucket="science")["KeyCount"]
            == 0
        )
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            boto_client(cloud.endpoint, CONTROL_KEY, cloud.control_secret).list_objects_v2(Bucket="science")


def test_a_cloud_listens_on_loopback_only_and_shows_no_secret(tmp_path: Path) -> None:
    with running_cloud(tmp_path, ["science"]) as cloud:
        listening = [
            connection
            for process in psutil.Process().children(recursive=True)
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert cloud.port in {connection.laddr.port for connection in listening}
        assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
        shown = " ".join(cloud.command()) + repr(cloud) + (tmp_path / "gateway.out").read_text()
        assert cloud.root_secret not in shown
        assert cloud.control_secret not in shown
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_control_vends_keys_that_aiobotocore_and_presigned_urls_use(tmp_path: Path) -> None:
    async def assume(cloud: Cloud) -> dict[str, Any]:
        async with get_session().create_client(
            "sts",
            endpoint_url=cloud.endpoint,
            region_name=cloud.region,
            aws_access_key_id=CONTROL_KEY,
            aws_secret_access_key=cloud.control_secret,
        ) as sts:
            answer = await sts.assume_role(
                RoleArn="arn:aws:iam::000000000000:role/perijove",
                RoleSessionName="test",
                DurationSeconds=3600,
                Policy=json.dumps(read_policy("science", "in/")),
            )
            keys: dict[str, Any] = answer["Credentials"]
            return keys

    with running_cloud(tmp_path, ["science"]) as cloud:
        boto_client(cloud.endpoint, ROOT_KEY, cloud.root_secret).put_object(Bucket="science", Key="in/k", Body=b"data")
        keys = asyncio.run(assume(cloud))
        vended = boto_client(cloud.endpoint, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        url = vended.generate_presigned_url("get_object", Params={"Bucket": "science", "Key": "in/k"}, ExpiresIn=900)
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"data"


def test_a_volume_that_is_damaged_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "meta.db").write_bytes(b"this is no database" * 100)
    cloud = Cloud("esac", 1, tmp_path, "eu-test-1", "root-secret", "control-secret")
    with pytest.raises(DemoProblem, match="volume of the cloud esac cannot be made") as caught:
        cloud.format()
    assert "\n" not in str(caught.value)


def test_a_cloud_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    cloud = Cloud("esac", 1, tmp_path, "eu-test-1", "root-secret", "control-secret")
    with pytest.raises(DemoProblem, match=r"cloud esac did not answer at http://127\.0\.0\.1:1"):
        asyncio.run(cloud.wait_ready(timeout_seconds=0.3))


def test_the_data_come_to_their_clouds_once(tmp_path: Path, clouds: dict[str, Cloud]) -> None:
    lines = build(tmp_path, clouds)
    assert "generating the sky: 100 %" in lines
    esac, cloud_eu = keys_of(clouds["esac"]), keys_of(clouds["cloud-eu"])
    assert esac.keys() > {
        "euclid-demo/mosaic.fits",
        "euclid-demo/README.txt",
        "euclid-demo/catalogue/sources.csv",
        "euclid-demo/cutouts/01-nucleus.fits",
        "sun-sdo-soho/sdo/aia_171_20110215.fits",
    }
    assert not any(key.startswith("euclid-demo/") for key in cloud_eu)
    assert "m13/compressed/m13_rice.fits" in cloud_eu
    for copy in copies():
        manifest = shelf(clouds[copy.site], copy).manifest()
        assert manifest is not None
        assert manifest.complete
        assert keys_of(clouds[copy.site], copy.prefix) == {
            copy.prefix + path: size for path, size in manifest.sizes_bytes.items()
        }
    assert not any((tmp_path / "build").iterdir())
    assert build(tmp_path, clouds) == []


def test_a_build_that_is_interrupted_goes_on_where_it_stopped(tmp_path: Path, clouds: dict[str, Cloud]) -> None:
    build(tmp_path, clouds)
    client = boto_client(clouds["cloud-eu"].endpoint, ROOT_KEY, clouds["cloud-eu"].root_secret)
    place = shelf(clouds["cloud-eu"], Copy("m13", "cloud-eu", "science", "m13/"))
    manifest = place.manifest()
    assert manifest is not None
    # as if it had stopped with one object missing, one cut short and one of an older build left over
    client.put_object(
        Bucket="science",
        Key=".manifests/m13.json",
        Body=manifest.model_copy(update={"complete": False}).model_dump_json().encode(),
    )
    before = {
        key: client.head_object(Bucket="science", Key=key)["LastModified"]
        for key in keys_of(clouds["cloud-eu"], "m13/")
    }
    client.delete_object(Bucket="science", Key="m13/m13.fits")
    client.put_object(Bucket="science", Key="m13/README.txt", Body=b"cut")
    client.put_object(Bucket="science", Key="m13/old.fits", Body=b"old")
    lines = build(tmp_path, clouds)
    assert {line.partition(":")[0] for line in lines} == {"uploading m13 to cloud-eu"}
    after = keys_of(clouds["cloud-eu"], "m13/")
    assert after == {f"m13/{path}": size for path, size in manifest.sizes_bytes.items()}
    kept = "m13/compressed/m13_plio.fits"
    assert client.head_object(Bucket="science", Key=kept)["LastModified"] == before[kept]


def test_a_build_that_is_cancelled_ends_at_once_and_can_be_taken_up(tmp_path: Path, clouds: dict[str, Cloud]) -> None:
    async def cancel_early() -> None:
        began = asyncio.Event()
        large = MosaicSpec(size_px=4096, seed=1)
        task = asyncio.create_task(build_demo_data(tmp_path, clouds, lambda _: began.set(), sky=large))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, timeout=5)

    asyncio.run(cancel_early())
    assert not any(key.startswith("euclid-demo/") for key in keys_of(clouds["esac"]))
    assert "generating the sky: 100 %" in build(tmp_path, clouds)
    assert "euclid-demo/mosaic.fits" in keys_of(clouds["esac"])


def test_a_full_disk_is_one_sentence_before_anything_is_written(
    tmp_path: Path, clouds: dict[str, Cloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=200 << 20))
    with pytest.raises(DemoProblem, match=r"need .* GiB of disk at .* only 0\.2 GiB are free"):
        build(tmp_path, clouds)
    assert keys_of(clouds["esac"]) == {}


def test_a_cloud_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    gone = {
        name: Cloud(name, 1, tmp_path, "eu-test-1", "root-secret", "control-secret") for name in ("esac", "cloud-eu")
    }
    with pytest.raises(DemoProblem, match="cannot be brought to the clouds") as caught:
        build(tmp_path, gone)
    assert "\n" not in str(caught.value)
    assert "root-secret" not in str(caught.value)
