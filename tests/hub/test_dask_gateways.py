"""Real Dask Gateways over real control: clusters are admitted, grow, are metered and end; with real processes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dask_bed import DaskBed, running_dask_bed

pytestmark = pytest.mark.slow


@pytest.fixture
async def bed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[DaskBed]:
    async with running_dask_bed(tmp_path, caplog) as bed:
        yield bed


async def test_a_cluster_is_admitted_grows_as_far_as_the_limit_and_ends(bed: DaskBed) -> None:
    gateway = bed.gateway
    name = await gateway.new(bed.ana, title="Mosaic")
    [lease] = await bed.leases()
    assert (lease["owner"], lease["kind"], lease["site"], lease["name"]) == ("ana", "cluster", "esac", "Mosaic")
    assert lease["resources"] == {"cpu": 1.0, "memory_gib": 0.5, "gpu": 0}
    await gateway.wait(bed.ana, name, lambda each: each["state"] == "running")
    [lease] = await bed.leases()
    assert lease["state"] == "active"

    status, said = await gateway.call("POST", f"v1/clusters/{name}/scale", bed.ana, {"count": 10})
    assert (status, said["ok"]) == (200, True)
    grown = await gateway.wait(bed.ana, name, lambda each: each["workers"] == 3)
    assert (grown["workers_wanted"], grown["workers_granted"]) == (10, 3)
    assert "Limit cores allows 4 cores" in grown["capped"]
    [lease] = await bed.leases()
    assert lease["resources"] == {"cpu": 4.0, "memory_gib": 6.5, "gpu": 0}

    await gateway.call("POST", f"v1/clusters/{name}/scale", bed.ana, {"count": 1})
    shrunk = await gateway.wait(bed.ana, name, lambda each: each["workers"] == 1 and each["workers_granted"] == 1)
    assert shrunk["capped"] is None
    assert (await gateway.call("DELETE", f"v1/clusters/{name}", bed.ana))[0] == 204
    ended = await gateway.wait(bed.ana, name, lambda each: each["state"] == "stopped")
    assert ended["reason"] == "it was stopped"
    lease = await bed.settled("ended")
    assert lease["reason"] == "it was stopped"
    assert lease["cost"] > 0
    assert gateway.processes() == []
    [row] = (await bed.control.get("usage", bed.control.ana, by="kind")).body["items"]
    assert row["kind"] == "cluster"
    assert row["cost"] == pytest.approx(lease["cost"], abs=1e-4)


async def test_item_30_what_adapts_without_bound_gets_what_there_is_and_is_told_why(bed: DaskBed) -> None:
    gateway = bed.gateway
    name = await gateway.running(bed.ana)
    for wrong in ({"minimum": -1}, {"minimum": "many"}, {"minimum": 3, "maximum": 2}, {"active": 5}):
        assert (await gateway.call("POST", f"v1/clusters/{name}/adapt", bed.ana, wrong))[0] == 422, wrong
    wish = {"minimum": 10**9, "maximum": 10**9, "active": True}
    assert (await gateway.call("POST", f"v1/clusters/{name}/adapt", bed.ana, wish))[0] == 200
    grown = await gateway.wait(bed.ana, name, lambda each: each["workers"] == 3)
    assert grown["adaptive"] == {"minimum": 9999, "maximum": 9999}
    assert "Limit cores allows 4 cores" in grown["capped"]
    [lease] = await bed.leases()
    assert lease["resources"]["cpu"] == 4.0


async def test_a_refusal_and_a_wrong_option_are_told_in_words_and_start_nothing(bed: DaskBed) -> None:
    gateway = bed.gateway

    async def refused(status: int = 422, **options: Any) -> str:
        answer, body = await gateway.call("POST", "v1/clusters/", bed.ana, {"cluster_options": options})
        assert answer == status, body
        return str(body["error"])

    assert await refused(colour="red") == "Unknown fields ['colour']"
    assert await refused(worker_cores=64) == "worker_cores must be <= 4.000000, got 64"
    assert await refused(title="two\nlines") == "title: expected one line of 80 characters at most."
    assert await refused(title="a\ttab") == "title: expected one line of 80 characters at most."
    assert await refused(title=5) == "title: expected one line of 80 characters at most."
    assert await refused(charge_to=5) == "charge_to: Input should be a valid string"
    for _ in range(2):
        await gateway.new(bed.ana)
    # what is in the way is no wrong option: the same may be asked in an hour
    assert await refused(409) == (
        "Limit two-clusters reached: 2 of 2 clusters used. Stop a running cluster, then start this one."
    )
    assert len(await gateway.clusters(bed.ana)) == 2
    status, body = await gateway.call("POST", "v1/clusters/", bed.ana, {"cluster_options": [1]})
    assert (status, body["error"]) == (422, "cluster_options: expected an object with an option for each key.")


async def test_item_17_nobody_sees_or_changes_the_cluster_of_another(bed: DaskBed) -> None:
    gateway = bed.gateway
    name = await gateway.running(bed.ana)
    assert await gateway.clusters(bed.bob) == []
    for method, path, body in (
        ("GET", f"v1/clusters/{name}", None), ("DELETE", f"v1/clusters/{name}", None),
        ("POST", f"v1/clusters/{name}/scale", {"count": 1}), ("POST", f"v1/clusters/{name}/adapt", {"maximum": 1}),
        ("GET", f"perijove/v1/clusters/{name}", None), ("POST", f"perijove/v1/clusters/{name}/keep", {}),
    ):  # fmt: skip
        assert (await gateway.call(method, path, bed.bob, body))[0] in (403, 404), path
        assert (await gateway.call(method, path, None, body))[0] == 401, path
        assert (await gateway.call(method, path, "nonsense", body))[0] >= 400, path
    # a token of a user who may not come to this gateway
    assert (await gateway.call("GET", "perijove/v1/clusters", bed.control.ana))[0] == 401
    [mine] = await gateway.clusters(bed.ana)
    assert (mine["name"], mine["state"]) == (name, "running")


async def test_what_a_scheduler_says_of_itself_neither_hides_nor_adds_workers(bed: DaskBed) -> None:
    gateway = bed.gateway
    name = await gateway.running(bed.ana, workers=2)
    scheduler = gateway.processes_with("scheduler")[0]
    token = scheduler.environ()["DASK_GATEWAY_API_TOKEN"]
    scheduler.suspend()  # its owner speaks in its place
    try:
        workers = [
            each.environ() and each.cmdline()[each.cmdline().index("--name") + 1]
            for each in gateway.processes()
            if "--name" in each.cmdline()
        ]
        said: dict[str, Any] = dict.fromkeys(("scheduler_address", "dashboard_address", "api_address"), "")
        said |= {"closing_workers": [], "closed_workers": []}

        async def beat(count: Any) -> int:
            async with gateway.http.post(
                f"{gateway.told.address}/api/v1/clusters/{name}/heartbeat",
                json={**said, "count": count, "active_workers": workers},
                headers={"Authorization": f"token {token}"},
            ) as answer:
                return answer.status

        assert await beat(0) == 200
        assert (await bed.leases())[0]["resources"]["cpu"] == 3.0  # two workers run, whatever it says
        assert await beat(10**9) == 200
        assert (await bed.leases())[0]["resources"]["cpu"] == 4.0
        for nonsense in (-1, "7", None, True, 1.5):
            assert await beat(nonsense) == 409
    finally:
        scheduler.resume()


async def test_nothing_secret_is_listed_or_logged(bed: DaskBed) -> None:
    gateway = bed.gateway
    name = await gateway.running(bed.ana, title="Secret?")
    [process] = gateway.processes_with("scheduler")
    environment = process.environ()
    listed = json.dumps(await gateway.clusters(bed.ana))
    for secret in (environment["DASK_GATEWAY_API_TOKEN"], environment["PERIJOVE_LEASE_TOKEN"], bed.ana, "BEGIN "):
        assert secret not in listed
        assert secret not in gateway.log()
    assert "canary" not in gateway.log()
    assert "canary" not in json.dumps(environment)
    assert (await gateway.clusters(bed.ana))[0]["name"] == name
    assert environment["PERIJOVE_SITE"] == "esac"
    assert "JUPYTERHUB_API_TOKEN" not in environment


async def test_needs_are_told_before_anything_is_started(bed: DaskBed) -> None:
    wish = {"cluster_options": {"worker_cores": 2, "worker_memory_gib": 1.5, "idle": "5 minutes", "title": "x"}}
    status, body = await bed.gateway.call("POST", "perijove/v1/needs", bed.ana, wish)
    assert (status, body) == (
        200,
        {
            "scheduler": {"cpu": 1.0, "memory_gib": 0.5, "gpu": 0},
            "worker": {"cpu": 2.0, "memory_gib": 1.5, "gpu": 0},
            "workers_max": None,
            "idle_stop_seconds": 300.0,
        },
    )
    for wrong in ({"cluster_options": {"worker_cores": "two"}}, {"cluster_options": 5}, {"more": 1}, "x" * 70_000):
        status, body = await bed.gateway.call("POST", "perijove/v1/needs", bed.ana, wrong)
        assert status in (413, 422), wrong
    assert await bed.leases() == []
