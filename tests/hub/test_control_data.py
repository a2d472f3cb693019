"""Access to stores: what control vends lists and reads one prefix of one copy, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from botocore.exceptions import ClientError

from tests.support.control_bed import SECRET, STORE_SECRET, Answer, ControlBed, running_control
from tests.support.platforms import dataset, replica
from tests.support.s3 import Fault, FaultKind, S3Bed, threaded_bed
from tests.support.s3.clients import anonymous_client, boto_client


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # between its tries the store's client waits for seconds
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0.01)


@pytest.fixture
def store() -> Iterator[S3Bed]:
    with threaded_bed({"control": STORE_SECRET}) as bed:
        bed.put("data", "euclid/README.txt", b"the sky")
        bed.put("data", "euclid/tiles/1 ä.fits", b"tile")
        bed.put("data", "euclid-private/key", b"not yours")
        bed.put("other", "euclid/README.txt", b"not yours")
        bed.make_bucket("open", public=True)
        bed.put("open", "a.txt", b"open")
        yield bed


@pytest.fixture
async def control(store: S3Bed, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, store.endpoint) as control:
        yield control


def refused(call: Any, **arguments: str) -> str:
    """The code with which a store refuses a call."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


async def test_item_22_vended_keys_list_and_read_their_prefix_and_nothing_else(
    control: ControlBed, store: S3Bed
) -> None:
    """Refused by the store: nothing of ours stands between it and these clients."""
    answer = await control.call("POST", "datasets/euclid-demo/credentials", control.ana, body={})
    assert answer.status == 200
    keys = answer.body
    assert {name: keys[name] for name in ("dataset", "replica", "kind", "endpoint", "region", "bucket", "prefix")} == {
        "dataset": "euclid-demo",
        "replica": "esac",
        "kind": "sts",
        "endpoint": store.endpoint,
        "region": "eu-es-madrid",
        "bucket": "data",
        "prefix": "euclid/",
    }
    life = datetime.fromisoformat(keys["expires"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < life <= timedelta(hours=1)

    s3 = boto_client(keys["endpoint"], keys["access_key_id"], keys["secret_access_key"], keys["session_token"])
    listed = s3.list_objects_v2(Bucket="data", Prefix="euclid/")["Contents"]
    assert [item["Key"] for item in listed] == ["euclid/README.txt", "euclid/tiles/1 ä.fits"]
    assert s3.get_object(Bucket="data", Key="euclid/README.txt")["Body"].read() == b"the sky"

    assert refused(s3.list_objects_v2, Bucket="data") == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket="data", Prefix="euclid") == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket="other", Prefix="euclid/") == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket="data", Prefix="euclid-private/") == "AccessDenied"
    assert refused(s3.get_object, Bucket="data", Key="euclid-private/key") == "AccessDenied"
    assert refused(s3.put_object, Bucket="data", Key="euclid-private/new") == "AccessDenied"
    assert refused(s3.put_object, Bucket="data", Key="euclid/new") == "AccessDenied"
    assert refused(s3.get_object, Bucket="other", Key="euclid/README.txt") == "AccessDenied"
    assert refused(s3.put_object, Bucket="data", Key="euclid/README.txt") == "AccessDenied"
    assert refused(s3.delete_object, Bucket="data", Key="euclid/README.txt") == "AccessDenied"
    store.clock_offset_seconds = 3601
    assert refused(s3.get_object, Bucket="data", Key="euclid/README.txt") == "ExpiredToken"


async def test_a_user_may_name_the_copy(control: ControlBed) -> None:
    for name in ("cloud-eu", "esac"):
        answer = await control.call("POST", "datasets/euclid-demo/credentials", control.ana, body={"replica": name})
        assert answer.body["replica"] == name
    await control.start("ana", site="cloud-eu")
    answer = await control.call("POST", "datasets/euclid-demo/credentials", control.ana, body={})
    assert answer.body["replica"] == "cloud-eu", "the nearest to the session"
    for route, body in (("credentials", {}), ("presign", {"paths": ["a"]})):
        answer = await control.call(
            "POST", f"datasets/euclid-demo/{route}", control.ana, body={**body, "replica": "moon"}
        )
        assert answer.status == 404
        assert answer.detail == "euclid-demo has no replica 'moon'; choose from cloud-eu, esac."


async def test_a_public_store_needs_no_keys(control: ControlBed, store: S3Bed) -> None:
    answer = await control.call("POST", "datasets/open-sky/credentials", control.ana, body={})
    assert answer.body == {
        "dataset": "open-sky",
        "replica": "esac",
        "kind": "anonymous",
        "endpoint": store.endpoint,
        "region": "eu-es-madrid",
        "bucket": "open",
        "prefix": "",
        "access_key_id": None,
        "secret_access_key": None,
        "session_token": None,
        "expires": None,
    }
    assert anonymous_client(store.endpoint).get_object(Bucket="open", Key="a.txt")["Body"].read() == b"open"
    answer = await control.call("POST", "datasets/open-sky/presign", control.ana, body={"paths": ["a.txt"]})
    assert answer.body["items"] == [{"path": "a.txt", "url": f"{store.endpoint}/open/a.txt"}]
    assert store.counters["AssumeRole"] == 0


async def test_a_proxied_dataset_gives_no_keys_but_addresses(control: ControlBed) -> None:
    answer = await control.call("POST", "datasets/proxied-data/credentials", control.ana, body={})
    assert answer.status == 403
    assert answer.detail == (
        "proxied-data is delivered through the platform; open it with perijove.open, which needs no keys."
    )
    answer = await control.call("POST", "datasets/proxied-data/presign", control.ana, body={"paths": ["README.txt"]})
    assert answer.status == 200


async def fetched(method: str, url: str) -> tuple[int, bytes]:
    """Status and body, asked for by a client that knows nothing but the address."""
    address = aiohttp.client.URL(url, encoded=True)
    async with aiohttp.ClientSession() as http, http.request(method, address) as response:
        return response.status, await response.read()


async def test_item_21_an_address_reads_one_object_by_one_method_for_a_quarter_of_an_hour(
    control: ControlBed, store: S3Bed
) -> None:
    paths = ["tiles/1 ä.fits", "README.txt", "is-not-there"]
    answer = await control.call("POST", "datasets/euclid-demo/presign", control.ana, body={"paths": paths})
    assert answer.status == 200
    assert [item["path"] for item in answer.body["items"]] == paths
    assert answer.body["expires"] == "2026-03-01T12:15:00Z"
    urls = [item["url"] for item in answer.body["items"]]

    assert await fetched("GET", urls[0]) == (200, b"tile")
    assert await fetched("GET", urls[1]) == (200, b"the sky")
    assert (await fetched("GET", urls[2]))[0] in (403, 404)
    for method in ("PUT", "DELETE", "HEAD"):
        assert (await fetched(method, urls[1]))[0] == 403
    assert (await fetched("GET", urls[1].replace("README.txt", "tiles/1")))[0] == 403
    assert (await fetched("GET", urls[1].replace("/data/euclid/", "/data/euclid-private/")))[0] == 403
    store.clock_offset_seconds = 901
    assert (await fetched("GET", urls[1]))[0] == 403
    assert store.counters["AssumeRole"] == 1, "one set of keys signs all of them"


async def presigned(control: ControlBed, token: str, name: str = "euclid-demo") -> Answer:
    return await control.call("POST", f"datasets/{name}/presign", token, body={"paths": ["README.txt"]})


@pytest.mark.parametrize("skew_seconds", [-600, 0, 600])
async def test_item_21_no_clock_that_is_wrong_makes_an_address_last_longer(
    control: ControlBed, store: S3Bed, skew_seconds: int
) -> None:
    """The store's clock counts, which may differ from control's by ten minutes: a quarter of an hour by it, no more."""
    url = (await presigned(control, control.ana)).body["items"][0]["url"]
    query = dict(parse_qsl(urlsplit(url).query))
    assert int(query["X-Amz-Expires"]) <= 15 * 60
    signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%S%z")

    store.clock_offset_seconds = skew_seconds
    assert await fetched("GET", url) == (200, b"the sky")
    for moved in (-600, 600):  # nor does who holds it: what says when it was signed is signed
        said = f"{signed_at + timedelta(seconds=moved):%Y%m%dT%H%M%SZ}"
        assert (await fetched("GET", url.replace(query["X-Amz-Date"], said)))[0] == 403
    for lasts in ("1800", "604800"):
        longer = url.replace(f"X-Amz-Expires={query['X-Amz-Expires']}", f"X-Amz-Expires={lasts}")
        assert longer != url
        assert (await fetched("GET", longer))[0] == 403

    elapsed_seconds = (datetime.now(UTC) - signed_at).total_seconds()
    store.clock_offset_seconds = 15 * 60 + 1 - elapsed_seconds
    assert (await fetched("GET", url))[0] == 403


async def test_item_21_who_left_a_group_gets_no_address_and_one_at_hand_ends_by_itself(
    control: ControlBed, store: S3Bed
) -> None:
    held = (await presigned(control, control.bob, "staff-only")).body["items"][0]["url"]
    assert await fetched("GET", held) == (200, b"the sky")

    control.hub.tokens[control.bob]["groups"] = []
    control.state.callers.hub_auth.cache.clear()  # what control believes of the hub for less than a minute

    assert (await presigned(control, control.bob, "staff-only")).status == 404
    assert (await presigned(control, control.bob)).status == 200, "of what is still theirs"
    # nobody can call an address back: its own end is the bound, which the docs tell
    store.clock_offset_seconds = 901
    assert (await fetched("GET", held))[0] == 403


async def test_item_21_an_address_is_in_no_log_and_is_passed_on_by_no_page(
    control: ControlBed, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await presigned(control, control.ana)
    query = dict(parse_qsl(urlsplit(answer.body["items"][0]["url"]).query))
    for body in ({"paths": ["/"]}, {"paths": ["README.txt"], "replica": "moon"}):
        await control.call("POST", "datasets/euclid-demo/presign", control.ana, body=body)

    logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.get_records("call")]
    assert any("/datasets/euclid-demo/presign" in line for line in logged)
    for secret in ("X-Amz-", query["X-Amz-Signature"], query["X-Amz-Security-Token"], query["X-Amz-Credential"]):
        assert not [line for line in logged if secret in line]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_hub_needs_no_data(control: ControlBed) -> None:
    for route, body in (("credentials", {}), ("presign", {"paths": ["a"]})):
        answer = await control.call("POST", f"datasets/open-sky/{route}?user=ana", SECRET, body=body)
        assert (answer.status, answer.detail) == (403, "This is asked by users for themselves.")


ALWAYS = 1000


@pytest.mark.parametrize("route", ["credentials", "presign"])
@pytest.mark.parametrize(
    ("kind", "code"),
    [(FaultKind.ERROR, "AccessDenied"), (FaultKind.ERROR, "InternalError"), (FaultKind.HTML, ""), (FaultKind.DROP, "")],
)
async def test_a_store_that_gives_no_keys_is_a_passing_trouble_in_one_sentence(
    control: ControlBed, store: S3Bed, route: str, kind: FaultKind, code: str
) -> None:
    store.faults.add(Fault(kind, op="AssumeRole", code=code, times=ALWAYS))
    body = {"paths": ["README.txt"]} if route == "presign" else {}
    answer = await control.call("POST", f"datasets/euclid-demo/{route}", control.ana, body=body)
    assert answer.status == 503
    assert answer.detail == f"{store.endpoint} gives no credentials for euclid-demo now; try again in a minute."
    assert answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize(("kind", "code"), [(FaultKind.ERROR, "SlowDown"), (FaultKind.DROP, "")])
async def test_a_store_that_stumbles_once_is_asked_again(
    control: ControlBed, store: S3Bed, kind: FaultKind, code: str
) -> None:
    store.faults.add(Fault(kind, op="AssumeRole", code=code, times=1))
    assert (await control.call("POST", "datasets/euclid-demo/credentials", control.ana, body={})).status == 200


async def test_a_store_that_is_away_is_a_passing_trouble(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_control(tmp_path, caplog, "http://127.0.0.1:9") as control:
        answer = await control.call("POST", "datasets/euclid-demo/credentials", control.ana, body={})
        assert answer.status == 503
        assert "http://127.0.0.1:9 gives no credentials for euclid-demo now" in answer.detail
        assert (await control.get("datasets/euclid-demo", control.ana)).status == 200


async def test_a_store_whose_key_is_missing_or_wrong_tells_the_user_no_more(
    store: S3Bed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_control(tmp_path, caplog, store.endpoint) as control:
        secret = tmp_path / "secrets/store"
        good = secret.read_text()
        for spoilt in ("no JSON", good.replace(STORE_SECRET, "rotated away")):
            secret.write_text(spoilt)
            answer = await control.call("POST", "datasets/euclid-demo/credentials", control.ana, body={})
            assert answer.status == 503
            assert "secret" not in answer.detail
        secret.write_text(good)
        answer = await control.call("POST", "datasets/euclid-demo/credentials", control.ana, body={})
        assert answer.status == 200, "a rotated key counts at once"


async def test_after_a_user_left_a_group_no_new_keys_are_given_within_a_minute(
    control: ControlBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "datasets/staff-only/credentials"
    assert (await control.call("POST", path, control.bob, body={})).status == 200
    control.hub.tokens[control.bob]["groups"] = []
    control.state.callers.hub_auth.cache.max_age = 0  # a minute passes
    control.state.callers.hub_auth.cache.clear()
    assert (await control.call("POST", path, control.bob, body={})).status == 404
    del control.hub.tokens[control.bob]
    control.state.callers.hub_auth.cache.clear()
    assert (await control.call("POST", path, control.bob, body={})).status == 401


async def test_a_name_with_odd_letters_gets_keys_too(control: ControlBed) -> None:
    for name in ("jürgen@esa.int", "a" * 200, "日本"):
        token = control.hub.add(name)
        # a header holds no such letters; the token is what the hub knows it by
        plain = token.encode("ascii", "replace").decode()
        control.hub.tokens[plain] = control.hub.tokens.pop(token)
        answer = await control.call("POST", "datasets/euclid-demo/credentials", plain, body={})
        assert answer.status == 200, name


async def test_a_whole_bucket_can_be_a_dataset(store: S3Bed, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sts = {"kind": "sts", "secret": "store"}
    whole = dataset(replica(site="esac", url="s3://other/", endpoint=store.endpoint, credentials=sts))
    async with running_control(tmp_path, caplog, store.endpoint, datasets={"whole": whole}) as control:
        keys = (await control.call("POST", "datasets/whole/credentials", control.ana, body={})).body
        s3 = boto_client(keys["endpoint"], keys["access_key_id"], keys["secret_access_key"], keys["session_token"])
        assert s3.list_objects_v2(Bucket="other")["KeyCount"] == 1
        assert refused(s3.get_object, Bucket="data", Key="euclid/README.txt") == "AccessDenied"
