"""The token of a lease: what runs on it reads data as its owner, until it is over, and does nothing else."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perijove_hub.web.auth import CACHE_SECONDS
from perijove_hub.web.base import problem_error
from tests.support.control_bed import STORE_SECRET, Answer, ControlBed, gateway_secret, running_control
from tests.support.platforms import dataset, replica, site
from tests.support.s3 import threaded_bed

GATEWAY = {"address": "https://esac.example", "proxy_address": "gateway://esac.example:8786", "secret": "esac-dask"}
CLOUD = {"address": "https://cloud.example", "proxy_address": "gateway://cloud.example:8786", "secret": "cloud-dask"}
SITES = {"esac": site(cpu=8, dask=GATEWAY), "cloud-eu": site("Cloud EU", "eu-de-1", dask=CLOUD)}
DATASETS = {
    "euclid-demo": dataset(replica(site="esac"), groups=["astro"]),
    "staff-only": dataset(replica(site="esac"), groups=["staff"]),
}


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, sites=SITES, datasets=DATASETS) as control:
        yield control


async def ask(control: ControlBed, owner: str = "ana", secret: str = "esac-dask") -> tuple[str, str]:
    """A cluster of ``owner``: its lease's path and token."""
    wish = {
        "owner": owner, "groups": ["staff"], "kind": "cluster", "name": "c1", "attempt_id": uuid.uuid4().hex,
        "resources": {"cpu": 1, "memory_gib": 1},
    }  # fmt: skip
    headers = {"Authorization": f"gateway {gateway_secret(secret)}"}
    answer = await control.call("POST", "leases", body=wish, headers=headers)
    assert answer.status == 201, answer.text
    again = await control.call("POST", "leases", body=wish, headers=headers)
    assert again.body["token"] == answer.body["token"]
    return f"leases/{answer.body['id']}", answer.body["token"]


async def by(control: ControlBed, token: str, method: str, path: str, body: Any = None) -> Answer:
    return await control.call(method, path, body=body, headers={"Authorization": f"lease {token}"})


async def names(control: ControlBed, token: str) -> list[str]:
    answer = await by(control, token, "GET", "datasets")
    return [each["id"] for each in answer.body["items"]] if answer.status == 200 else [str(answer.status)]


async def test_a_worker_reads_what_its_owner_may_until_the_lease_is_over(control: ControlBed) -> None:
    lease, token = await ask(control)
    # the owner's groups are those that the hub tells, and not those that the gateway has said
    assert await names(control, token) == ["euclid-demo"]
    assert (await by(control, token, "GET", "datasets/euclid-demo")).body["id"] == "euclid-demo"
    assert (await by(control, token, "GET", "datasets/staff-only")).status == 404
    headers = {"Authorization": f"gateway {gateway_secret('esac-dask')}"}
    await control.call("PATCH", lease, body={"state": "ended"}, headers=headers)
    assert await names(control, token) == ["401"]


async def test_many_workers_at_once_are_one_question_to_the_hub(
    control: ControlBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = await ask(control)
    ask_hub, asked = control.state.lease_tokens._groups_of, []

    async def count(owner: str) -> frozenset[str]:
        asked.append(owner)
        await asyncio.sleep(0.5)  # longer than a busy machine takes for all of them to come
        return await ask_hub(owner)

    monkeypatch.setattr(control.state.lease_tokens, "_groups_of", count)
    found = await asyncio.gather(*(names(control, token) for _ in range(20)))
    assert found == [["euclid-demo"]] * 20
    assert asked == ["ana"]

    async def fail(owner: str) -> frozenset[str]:
        raise problem_error(503, "Hub unreachable", "Not now.")

    # what went wrong once is asked again
    control.state.lease_tokens._groups.clear()
    monkeypatch.setattr(control.state.lease_tokens, "_groups_of", fail)
    assert await names(control, token) == ["503"]
    monkeypatch.setattr(control.state.lease_tokens, "_groups_of", count)
    assert await names(control, token) == ["euclid-demo"]


async def test_who_leaves_a_group_reads_its_data_no_more(control: ControlBed, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = await ask(control)
    passed = 0.0
    monkeypatch.setattr(control.state.lease_tokens, "_clock", lambda: passed)
    assert await names(control, token) == ["euclid-demo"]
    for model in control.hub.tokens.values():
        model["groups"] = []
    passed = CACHE_SECONDS + 1
    assert await names(control, token) == []
    for known in [name for name, model in control.hub.tokens.items() if model["name"] == "ana"]:
        del control.hub.tokens[known]
    passed += CACHE_SECONDS + 1
    assert await names(control, token) == ["404"]
    control.hub.fault = 500
    assert await names(control, token) == ["503"]


async def test_a_token_is_of_one_lease_and_dies_with_its_gateways_secret(control: ControlBed, tmp_path: Path) -> None:
    lease, token = await ask(control)
    _, of_bob = await ask(control, "bob")
    _, of_cloud = await ask(control, secret="cloud-dask")
    ident, mac = token.split(".")
    for wrong in (
        f"{of_bob.split('.')[0]}.{mac}", f"{ident}.{of_cloud.split('.')[1]}", f"{ident}.{'0' * 64}", f"{ident}.", ident,
        f".{mac}", f"{token} x", f"{uuid.uuid4().hex}.{mac}", "", f"{ident}.{mac}é",
    ):  # fmt: skip
        assert (await by(control, wrong.encode().decode("latin-1"), "GET", "datasets")).status == 401, wrong
    for scheme in ("token", "bearer", "gateway"):
        answer = await control.call("GET", "datasets", headers={"Authorization": f"{scheme} {token}"})
        assert answer.status == 401, scheme
    secret = tmp_path / "secrets" / "esac-dask"
    secret.write_text("another")
    assert await names(control, token) == ["401"]
    secret.unlink()
    assert await names(control, token) == ["401"]
    secret.write_text(gateway_secret("esac-dask"))
    secret.chmod(0o600)
    assert await names(control, token) == ["euclid-demo"]
    assert (await control.get(lease, control.ana)).body["state"] == "starting"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "sites"), ("GET", "profiles"), ("GET", "quotas"), ("GET", "leases"), ("POST", "leases"),
        ("GET", "usage"), ("GET", "gateways"), ("GET", "notices"), ("POST", "placements"),
        ("POST", "overrides"), ("GET", "policy"),
        ("DELETE", "users/ana"), ("GET", "failures"), ("GET", "news"), ("POST", "announcements"),
        ("PUT", "sites/esac/inventory"), ("PUT", "gateways/esac/inventory"),
    ],
)  # fmt: skip
async def test_it_is_for_data_and_nothing_else(control: ControlBed, method: str, path: str) -> None:
    lease, token = await ask(control)
    answer = await by(control, token, method, path, {} if method in ("POST", "PUT") else None)
    assert (answer.status, answer.detail) == (403, "The token of a lease is for reading data and nothing else.")
    assert (await by(control, token, "PATCH", lease, {"state": "ended"})).status == 403


async def test_keys_are_vended_to_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sts = {"kind": "sts", "secret": "store"}
    with threaded_bed({"control": STORE_SECRET}) as bed:
        bed.put("data", "euclid/README.txt", b"the sky")
        data = {"sky": dataset(replica(site="esac", endpoint=bed.endpoint, credentials=sts), groups=["astro"])}
        async with running_control(tmp_path, caplog, endpoint=bed.endpoint, sites=SITES, datasets=data) as control:
            _, token = await ask(control)
            answer = await by(control, token, "POST", "datasets/sky/credentials", {})
            assert answer.status == 200, answer.text
            assert answer.body["endpoint"] == bed.endpoint
            presigned = await by(control, token, "POST", "datasets/sky/presign", {"paths": ["README.txt"]})
            assert presigned.status == 200, presigned.text
