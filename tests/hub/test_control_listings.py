"""Addresses that list: of proxied datasets, one prefix, one method, a quarter of an hour; and keys that stay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from perijove_demo.clouds import CONTROL_KEY, ROOT_KEY
from tests.support.control_bed import STORE_SECRET, ControlBed, running_control
from tests.support.gateway import running_cloud
from tests.support.platforms import dataset, replica
from tests.support.s3 import Fault, FaultKind, S3Bed, threaded_bed
from tests.support.s3.clients import boto_client
from tests.support.s3.sts import User


@pytest.fixture
def store() -> Iterator[S3Bed]:
    with threaded_bed({"control": STORE_SECRET}) as bed:
        for key in ("euclid/README.txt", "euclid/tiles/1 ä.fits", "euclid/tiles/2.fits", "euclid-private/key"):
            bed.put("data", key, b"tile")
        yield bed


def datasets(endpoint: str) -> dict[str, Any]:
    keys = replica(site="esac", endpoint=endpoint, credentials={"kind": "keys", "secret": "store"})
    sts = replica(site="esac", endpoint=endpoint, credentials={"kind": "sts", "secret": "store"})
    return {
        "by-keys": dataset(keys, delivery="proxied"),
        "by-sts": dataset(sts, delivery="proxied"),
        "staff-only": dataset(keys, delivery="proxied", groups=["staff"]),
        "direct": dataset(sts),
        "literal": dataset(keys | {"literal_keys": True}, delivery="proxied"),
    }


@pytest.fixture
async def control(store: S3Bed, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, store.endpoint, datasets=datasets(store.endpoint)) as control:
        yield control


async def fetched(method: str, url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.request(method, URL(url, encoded=True)) as response:
        return response.status, await response.text()


async def listing(control: ControlBed, name: str, **wish: Any) -> str:
    answer = await control.call("POST", f"datasets/{name}/presign-list", control.ana, body=wish)
    assert answer.status == 200, answer.text
    return str(answer.body["url"])


@pytest.mark.parametrize("name", ["by-keys", "by-sts"])
async def test_an_address_lists_one_directory_page_by_page(control: ControlBed, name: str) -> None:
    status, text = await fetched("GET", await listing(control, name))
    assert status == 200
    assert "<Key>euclid/README.txt</Key>" in text
    assert "<Prefix>euclid/tiles/</Prefix>" in text
    assert "private" not in text
    _, first = await fetched("GET", await listing(control, name, path="tiles", limit=1))
    token = first.partition("<NextContinuationToken>")[2].partition("<")[0]
    _, second = await fetched("GET", await listing(control, name, path="tiles", limit=1, cursor=token))
    assert "<Key>euclid/tiles/1+%C3%A4.fits</Key>" in first
    assert "<Key>euclid/tiles/2.fits</Key>" in second
    _, everything = await fetched("GET", await listing(control, name, delimiter=""))
    assert everything.count("<Key>") == 3
    _, some = await fetched("GET", await listing(control, name, path="tiles", begins="2"))
    assert some.count("<Key>") == 1


@pytest.mark.parametrize("name", ["by-keys", "by-sts"])
async def test_keys_that_are_no_paths_are_signed_as_they_are(control: ControlBed, store: S3Bed, name: str) -> None:
    for key in ("//x", "a\\b", "d%2Fe"):
        store.put("data", f"euclid/{key}", key.encode())

    _, text = await fetched("GET", await listing(control, name, path="~/~"))
    assert "<Key>euclid///x</Key>" in text
    for path, key in (("~/~/x", "//x"), ("a~5cb", "a\\b"), ("d~252Fe", "d%2Fe")):
        answer = await control.call("POST", f"datasets/{name}/presign", control.ana, body={"paths": [path]})
        assert await fetched("GET", answer.body["items"][0]["url"]) == (200, key)


@pytest.mark.parametrize("name", ["by-keys", "by-sts"])
async def test_item_22_no_dots_are_signed_for_a_store_that_might_climb_by_them(control: ControlBed, name: str) -> None:
    for path in ("~2e~2e/euclid-private/key", "tiles/~2e~2e/README.txt", "..~5ceuclid-private~5ckey", "~2e/README.txt"):
        for route, body in (
            ("presign", {"paths": [path]}),
            ("presign-list", {"path": path}),
            ("presign-list", {"start_after": path}),
        ):
            answer = await control.call("POST", f"datasets/{name}/{route}", control.ana, body=body)
            assert (answer.status, "literal_keys" in answer.text) == (400, True), (route, path)


async def test_dots_are_signed_where_the_platform_file_says_that_they_are_only_names(
    control: ControlBed, store: S3Bed
) -> None:
    store.put("data", "euclid/a/../b", b"dots")

    answer = await control.call("POST", "datasets/literal/presign", control.ana, body={"paths": ["a/~2e~2e/b"]})

    assert await fetched("GET", answer.body["items"][0]["url"]) == (200, "dots")


@pytest.mark.parametrize("name", ["by-keys", "by-sts"])
async def test_security_21_an_address_does_nothing_else(control: ControlBed, store: S3Bed, name: str) -> None:
    lists = await listing(control, name, path="tiles")
    reads = await control.call("POST", f"datasets/{name}/presign", control.ana, body={"paths": ["README.txt"]})
    read = reads.body["items"][0]["url"]
    assert (await fetched("GET", read))[0] == 200
    for url in (lists, read):
        for method in ("PUT", "DELETE", "HEAD", "POST"):
            assert (await fetched(method, url))[0] in (403, 501), method
    for other in ("prefix=euclid-private%2F", "prefix=", "prefix=euclid%2F"):
        assert (await fetched("GET", lists.replace("prefix=euclid%2Ftiles%2F", other)))[0] == 403
    assert (await fetched("GET", read.replace("euclid/README", "euclid/tiles/1")))[0] == 403
    for url in (lists, read):
        store.clock_offset_seconds = -601 if name == "by-keys" else 0  # ten minutes fast or slow is no way around
        assert (await fetched("GET", url))[0] == 200
        store.clock_offset_seconds = 901
        assert (await fetched("GET", url))[0] == 403
        assert "X-Amz-Expires=900" in url
        store.clock_offset_seconds = 0


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"path": "../x"}, "must be relative"),
        ({"path": "/x"}, "must be relative"),
        ({"path": "a//b"}, "must be relative"),
        ({"start_after": "../x"}, "must be relative"),
        ({"begins": "a/b"}, "holds no slash"),
        ({"replica": "moon"}, "no replica"),
    ],
)
async def test_what_is_no_prefix_below_the_dataset_is_refused(
    control: ControlBed, wish: dict[str, str], said: str
) -> None:
    answer = await control.call("POST", "datasets/by-keys/presign-list", control.ana, body=wish)
    assert answer.status in (400, 404)
    assert said in answer.detail


async def test_a_direct_dataset_is_listed_with_keys(control: ControlBed) -> None:
    answer = await control.call("POST", "datasets/direct/presign-list", control.ana, body={})
    assert (answer.status, answer.detail) == (
        400,
        "direct is listed at its store, with keys from `datasets/direct/credentials`.",
    )


async def test_static_keys_are_never_given_out(control: ControlBed, tmp_path: Path) -> None:
    answer = await control.call("POST", "datasets/by-keys/credentials", control.ana, body={})
    assert answer.status == 403
    (tmp_path / "secrets/store").unlink()
    answer = await control.call("POST", "datasets/by-keys/presign-list", control.ana, body={})
    assert answer.status == 503
    assert "gives no credentials for by-keys now" in answer.detail


async def test_security_21_who_left_the_group_or_a_dataset_gone_gets_no_address(
    control: ControlBed, tmp_path: Path
) -> None:
    routes = (("presign", {"paths": ["README.txt"]}), ("presign-list", {}))
    for route, body in routes:
        assert (await control.call("POST", f"datasets/staff-only/{route}", control.bob, body=body)).status == 200
    control.hub.tokens[control.bob]["groups"] = []
    control.state.callers.hub_auth.cache.clear()  # what it keeps for at most half a minute
    for route, body in routes:
        assert (await control.call("POST", f"datasets/staff-only/{route}", control.bob, body=body)).status == 404
    policy = json.loads((tmp_path / "perijove.yaml").read_text())
    del policy["datasets"]["by-keys"]
    (tmp_path / "perijove.yaml").write_text(json.dumps(policy))
    control.state.platform.reload()
    for route, body in routes:
        assert (await control.call("POST", f"datasets/by-keys/{route}", control.ana, body=body)).status == 404


async def test_security_22_a_real_store_itself_refuses_more_than_the_prefix(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        cloud = await asyncio.to_thread(lambda: stack.enter_context(running_cloud(tmp_path / "cloud", ["data"])))
        root = boto_client(cloud.endpoint, ROOT_KEY, cloud.root_secret)
        for key in ("euclid/README.txt", "euclid-evil/key"):
            await asyncio.to_thread(root.put_object, Bucket="data", Key=key, Body=b"data")
        async with running_control(tmp_path, caplog, cloud.endpoint, datasets=datasets(cloud.endpoint)) as control:
            key = {"access_key_id": CONTROL_KEY, "secret_access_key": cloud.control_secret}
            (tmp_path / "secrets/store").write_text(json.dumps(key))
            keys = (await control.call("POST", "datasets/direct/credentials", control.ana, body={})).body
            lists = await listing(control, "by-sts")
        s3 = boto_client(keys["endpoint"], keys["access_key_id"], keys["secret_access_key"], keys["session_token"])

        def codes() -> list[str]:
            found = []
            for call, wish in (
                (s3.get_object, {"Key": "euclid/README.txt"}),
                (s3.list_objects_v2, {"Prefix": "euclid/"}),
                (s3.list_objects_v2, {}),
                (s3.list_objects_v2, {"Prefix": "euclid-evil/"}),
                (s3.get_object, {"Key": "euclid-evil/key"}),
                (s3.put_object, {"Key": "euclid/new", "Body": b""}),
                (s3.delete_object, {"Key": "euclid/README.txt"}),
            ):
                try:
                    call(Bucket="data", **wish)
                    found.append("")
                except s3.exceptions.ClientError as error:
                    found.append(error.response["Error"]["Code"])
            return found

        assert await asyncio.to_thread(codes) == ["", "", *["AccessDenied"] * 5]
        status, text = await fetched("GET", lists)
        assert status == 200
        assert "euclid/README.txt" in text
        assert (await fetched("GET", lists.replace("prefix=euclid%2F", "prefix=euclid-evil%2F")))[0] == 403


async def test_addresses_of_one_user_are_signed_by_one_session_for_five_minutes(
    control: ControlBed, store: S3Bed
) -> None:
    """A file of a proxied dataset is an address: each by a session of its own would be a call to the store for each."""

    async def addresses(token: str, count: int = 10) -> None:
        calls = [
            control.call("POST", "datasets/by-sts/presign", token, body={"paths": ["README.txt"]}) for _ in range(count)
        ]
        answers = await asyncio.gather(*calls)
        assert {answer.status for answer in answers} == {200}
        urls = [answer.body["items"][0]["url"] for answer in answers]
        assert {await fetched("GET", url) for url in urls} == {(200, "tile")}

    await addresses(control.ana)
    assert store.counters["AssumeRole"] == 1
    await listing(control, "by-sts")
    assert store.counters["AssumeRole"] == 1
    await addresses(control.admin)
    assert store.counters["AssumeRole"] == 2, "the store knows who it is"
    control.clock.advance(299)
    await addresses(control.ana)
    assert store.counters["AssumeRole"] == 2
    control.clock.advance(2)
    await addresses(control.ana)
    assert store.counters["AssumeRole"] == 3


async def test_no_session_that_could_not_be_had_is_remembered(control: ControlBed, store: S3Bed) -> None:
    store.faults.add(Fault(FaultKind.ERROR, op="AssumeRole", code="AccessDenied", times=1))

    async def status() -> int:
        answer = await control.call("POST", "datasets/by-sts/presign", control.ana, body={"paths": ["README.txt"]})
        return answer.status

    assert await status() == 503
    assert await status() == 200


async def test_a_key_that_was_replaced_signs_no_more(control: ControlBed, store: S3Bed, tmp_path: Path) -> None:
    async def read(name: str) -> int:
        answer = await control.call("POST", f"datasets/{name}/presign", control.ana, body={"paths": ["README.txt"]})
        status, _ = await fetched("GET", answer.body["items"][0]["url"])
        return status

    assert (await read("by-keys"), await read("by-sts")) == (200, 200)
    store.identities.users["control"] = User("another-secret")
    key = json.dumps({"access_key_id": "control", "secret_access_key": "another-secret"})
    (tmp_path / "secrets" / "store").write_text(key)

    assert (await read("by-keys"), await read("by-sts")) == (200, 200)
