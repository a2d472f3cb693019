"""What the Dask Gateways of sites ask control, over HTTP; on both databases."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from perijove_hub.ledger import life_store
from perijove_hub.policy.secrets import SecretError
from perijove_hub.web.control import make_state
from tests.support.control_bed import (
    SECRET,
    Answer,
    ControlBed,
    gateway_secret,
    running_control,
    write_control_files,
)
from tests.support.pages import Browser, said
from tests.support.platforms import dataset, replica, site


def gateway(secret: str) -> dict[str, str]:
    return {
        "address": f"https://{secret}.example/services/dask-gateway",
        "proxy_address": f"gateway://{secret}.example:8786",
        "secret": secret,
    }


SITES = {
    "esac": site(cpu=8, price={"cpu_hour": 0.5}, dask=gateway("esac-dask")),
    "cloud-eu": site(
        "Cloud EU", "eu-de-1", groups=["staff"], egress_price_gib={"default": 0.1}, dask=gateway("cloud-dask")
    ),
    "polar": site("Polar station", "an-pole-1"),
}
DATASETS = {
    "far": dataset(replica(site="cloud-eu"), groups=["staff"], size_bytes=10 * 2**30),
    "open": dataset(replica(region="us-east-1"), size_bytes=10 * 2**30),
    "both": dataset(replica(region="us-east-1"), replica(site="cloud-eu"), size_bytes=10 * 2**30),
}
ALLOCATIONS = [
    {"group": group, "resource": "credits", "amount": 100, "start": "2026-01-01", "end": "2027-01-01"}
    for group in ("astro", "staff")
]
SMALL = {"cpu": 1.0, "memory_gib": 1.0, "gpu": 0}


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture, ledger: str) -> AsyncIterator[ControlBed]:
    quotas = [{"name": "cores", "resource": "cpu", "limit": 6}]
    async with running_control(
        tmp_path, caplog, ledger=ledger, sites=SITES, datasets=DATASETS, quotas=quotas, allocations=ALLOCATIONS
    ) as control:
        yield control


async def by(control: ControlBed, secret: str, method: str, path: str, body: Any = None, **query: Any) -> Answer:
    """A request of the gateway whose secret has this name."""
    headers = {"Authorization": f"gateway {gateway_secret(secret)}"}
    return await control.call(method, path, body=body, headers=headers, **query)


def wish(**more: Any) -> dict[str, Any]:
    said = {"owner": "ana", "groups": ["astro"], "kind": "cluster", "name": "c1", "resources": SMALL}
    return {**said, "attempt_id": uuid.uuid4().hex, **more}


async def cluster(control: ControlBed, secret: str = "esac-dask", **more: Any) -> str:
    answer = await by(control, secret, "POST", "leases", wish(**more))
    assert answer.status == 201, answer.text
    return f"leases/{answer.body['id']}"


async def test_a_gateway_runs_a_cluster_from_the_ask_to_the_end(control: ControlBed) -> None:
    lease = await cluster(control)
    assert (await control.get(lease, control.ana)).body["state"] == "starting"
    active = await by(control, "esac-dask", "PATCH", lease, {"state": "active"})
    assert (active.status, active.body["lease"]["state"], active.body["capped"]) == (200, "active", None)
    worker = {"cpu": 2, "memory_gib": 2}
    grown = await by(control, "esac-dask", "PATCH", lease, {"resources": {"cpu": 9, "memory_gib": 9}, "step": worker})
    assert (grown.status, grown.body["lease"]["resources"]) == (200, {"cpu": 5.0, "memory_gib": 5.0, "gpu": 0})
    assert grown.body["capped"] == (
        "Limit cores allows 6 cores, and 7 are needed at least. "
        "Choose smaller workers, or fewer, or ask an admin for an extension."
    )
    control.clock.advance(3600)
    ended = await by(control, "esac-dask", "PATCH", lease, {"state": "ended", "reason": "idle for 30 minutes"})
    assert (ended.body["lease"]["state"], ended.body["lease"]["cost"]) == ("ended", 2.5)
    mine = (await control.get(lease, control.ana)).body
    assert (mine["kind"], mine["name"], mine["site"], mine["reason"]) == (
        "cluster",
        "c1",
        "esac",
        "idle for 30 minutes",
    )
    [row] = (await control.get("usage", control.ana, by="kind")).body["items"]
    assert (row["kind"], row["cpu_hours"], row["cost"]) == ("cluster", 5.0, 2.5)


async def test_a_cluster_is_paid_by_the_group_that_pays_for_the_session_unless_another_is_chosen(
    control: ControlBed,
) -> None:
    groups = ["astro", "staff"]
    refused = await by(control, "esac-dask", "POST", "leases", wish(groups=groups))
    assert refused.detail == "charge_to: several of your groups could pay; choose from astro, staff."
    await control.start("ana", *groups, charge_to="staff")
    for asked, paid in (({}, "staff"), ({"charge_to": "astro"}, "astro")):
        lease = await cluster(control, groups=groups, **asked)
        assert (await control.get(lease, control.ana)).body["charge_to"] == paid


async def test_a_gateway_that_was_started_again_is_told_what_it_has_said_of_a_cluster(control: ControlBed) -> None:
    lease = await cluster(control)
    later, sooner = "2026-03-01T14:00:00Z", "2026-03-01T13:00:00Z"
    kept = await by(control, "esac-dask", "PATCH", lease, {"kept_until": later})
    assert (kept.status, kept.body["kept_until"]) == (200, later)
    await by(control, "esac-dask", "PATCH", lease, {"kept_until": sooner})
    again = await by(control, "esac-dask", "PATCH", lease, {"state": "active"})
    assert (again.body["kept_until"], again.body["log_tail"]) == (later, None)
    ended = {"state": "ended", "reason": "its scheduler was lost", "log_tail": "out of memory"}
    await by(control, "esac-dask", "PATCH", lease, ended)
    told = await by(control, "esac-dask", "PATCH", lease, {"state": "ended", "reason": "it was stopped"})
    assert (told.body["lease"]["reason"], told.body["log_tail"]) == ("its scheduler was lost", "out of memory")
    assert (await by(control, "esac-dask", "PATCH", lease, {"kept_until": later})).status == 409
    assert (await by(control, "cloud-dask", "PATCH", lease, {"kept_until": later})).status == 404


async def test_an_admin_gives_up_a_cluster_whose_gateway_is_gone_and_nobody_pays_for_it_any_more(
    control: ControlBed,
) -> None:
    lease = await cluster(control)
    await by(control, "esac-dask", "PATCH", lease, {"state": "active"})
    seen = {"observed_at": control.clock().isoformat(), "reachable": True, "attempts": []}
    attempt = (await control.get(lease, control.admin)).body["attempt_id"]
    await by(
        control,
        "esac-dask",
        "PUT",
        "gateways/esac/inventory",
        {**seen, "attempts": [{"attempt_id": attempt, "owned": True}]},
    )
    body = {"reason": "its machine burnt down"}
    early = await control.call("POST", f"{lease}/give-up", control.admin, body=body)
    assert (early.status, early.detail) == (409, "The gateway of esac was heard 0 s ago: have it stop the cluster.")
    control.clock.advance(3600)
    assert (await control.call("POST", f"{lease}/give-up", control.ana, body=body)).status == 403
    given_up = await control.call("POST", f"{lease}/give-up", control.admin, body=body)
    assert (given_up.status, given_up.body["state"]) == (200, "ended")
    assert given_up.body["reason"] == "root has given it up, as its gateway is gone: its machine burnt down"
    assert given_up.body["cost"] == 0
    assert (await control.call("POST", f"{lease}/give-up", control.admin, body=body)).status == 409
    # one that comes back ends what still runs
    again = {
        "observed_at": control.clock().isoformat(),
        "reachable": True,
        "attempts": [{"attempt_id": attempt, "owned": True}],
    }
    await by(control, "esac-dask", "PUT", "gateways/esac/inventory", again)
    control.clock.advance(60)
    again["observed_at"] = control.clock().isoformat()
    told = await by(control, "esac-dask", "PUT", "gateways/esac/inventory", again)
    assert told.body["remove"] == [attempt]


async def test_no_session_is_given_up(control: ControlBed) -> None:
    session = (await control.start("ana", "astro"))["id"]
    body = {"reason": "its machine burnt down"}
    assert (await control.call("POST", f"leases/{session}/give-up", control.admin, body=body)).status == 404


async def test_a_gateway_whose_clock_was_set_back_is_told_so(control: ControlBed) -> None:
    inventory = {"reachable": True, "attempts": []}
    first = control.clock()
    for ago, status in ((0, 200), (5, 200), (3600, 422)):
        observed_at = (first - timedelta(seconds=ago)).isoformat()
        told = await by(
            control, "esac-dask", "PUT", "gateways/esac/inventory", {**inventory, "observed_at": observed_at}
        )
        assert told.status == status, told.text
    assert told.detail == "observed_at lies before that of the last one: set the clocks of gateway and control."


async def test_an_end_that_is_told_late_is_metered_to_when_it_was(control: ControlBed) -> None:
    lease = await cluster(control)
    await by(control, "esac-dask", "PATCH", lease, {"state": "active"})
    ended_at = control.clock.advance(3600)
    control.clock.advance(7200)
    patch = {"state": "ended", "ended_at": ended_at.isoformat()}
    ended = (await by(control, "esac-dask", "PATCH", lease, patch)).body["lease"]
    assert (ended["ended"], ended["cost"]) == (ended_at.isoformat().replace("+00:00", "Z"), 0.5)
    again = await cluster(control)
    await by(control, "esac-dask", "PATCH", again, {"state": "active"})
    started = control.clock.now
    control.clock.advance(60)
    # neither before it began nor in the future
    patch = {"state": "ended", "ended_at": (started - timedelta(days=1)).isoformat()}
    assert (await by(control, "esac-dask", "PATCH", again, patch)).body["lease"]["cost"] == 0


async def test_a_refused_cluster_is_told_by_which_limit(control: ControlBed) -> None:
    answer = await by(control, "esac-dask", "POST", "leases", wish(resources={"cpu": 7, "memory_gib": 1}))
    assert (answer.status, answer.body["title"], answer.body["limit"]) == (403, "Limit reached", 6)
    assert answer.detail.startswith("Limit cores allows 6 cores, and 7 are needed at least.")


async def test_a_gateway_says_what_it_runs_and_is_told_what_must_end(control: ControlBed) -> None:
    attempt = uuid.uuid4().hex
    lease = await cluster(control, attempt_id=attempt)
    await by(control, "esac-dask", "PATCH", lease, {"state": "ended"})
    control.clock.advance(60)
    seen = {"observed_at": control.clock.now.isoformat(), "reachable": True, "attempts": []}
    assert (await by(control, "esac-dask", "PUT", "gateways/esac/inventory", seen)).body["remove"] == []
    seen["attempts"] = [{"attempt_id": attempt, "owned": True}]
    assert (await by(control, "esac-dask", "PUT", "gateways/esac/inventory", seen)).body["remove"] == [attempt]


async def test_a_gateway_is_told_to_stop_what_the_controller_stops(control: ControlBed) -> None:
    attempt, other = uuid.uuid4().hex, uuid.uuid4().hex
    lease = await cluster(control, attempt_id=attempt)
    await cluster(control, attempt_id=other, name="c2")
    await by(control, "esac-dask", "PATCH", lease, {"state": "active"})
    async with control.state.database.write() as connection:
        assert await life_store.set_reason(connection, lease.removeprefix("leases/"), None, "limit used up")
    control.clock.advance(60)
    seen = {
        "observed_at": control.clock.now.isoformat(),
        "reachable": True,
        "attempts": [{"attempt_id": each, "owned": True} for each in (attempt, other)],
    }
    assert (await by(control, "esac-dask", "PUT", "gateways/esac/inventory", seen)).body["remove"] == [attempt]
    ended = await by(control, "esac-dask", "PATCH", lease, {"state": "ended", "reason": "it was stopped"})
    assert ended.body["lease"]["reason"] == "limit used up"


async def test_an_owner_stops_a_cluster_without_a_session(control: ControlBed) -> None:
    attempt = uuid.uuid4().hex
    lease = await cluster(control, attempt_id=attempt)
    ana = Browser(control, control.ana)
    assert [form.action for form in (await ana.get()).forms] == []
    await by(control, "esac-dask", "PATCH", lease, {"state": "active"})
    stop = lease.replace("leases/", "sessions/") + "/stop"
    assert (await control.call("POST", f"{lease}/stop", control.bob, body={})).status == 404
    page = await ana.follow(await ana.send(await ana.get(), stop))
    assert said(page) == "c1 is being stopped; that takes up to half a minute."
    assert "It is being stopped: its owner has stopped it" in page.text
    seen = {
        "observed_at": control.clock.now.isoformat(),
        "reachable": True,
        "attempts": [{"attempt_id": attempt, "owned": True}],
    }
    assert (await by(control, "esac-dask", "PUT", "gateways/esac/inventory", seen)).body["remove"] == [attempt]


async def test_people_are_told_of_the_gateways_that_they_may_use(control: ControlBed) -> None:
    esac = {
        "site": "esac", "title": "ESAC", "region": "eu-es-madrid",
        "address": "https://esac-dask.example/services/dask-gateway",
        "proxy_address": "gateway://esac-dask.example:8786",
        "price": {"cpu_hour": 0.5, "memory_gib_hour": 0.0, "gpu_hour": 0.0},
        "near": None, "egress_cost": None, "preferred": False,
    }  # fmt: skip
    assert (await control.get("gateways", control.ana)).body == {"items": [esac], "next": None}
    bobs = (await control.get("gateways", control.bob)).body["items"]
    assert [each["site"] for each in bobs] == ["esac", "cloud-eu"]


async def test_people_are_told_which_gateway_is_near_to_some_data(control: ControlBed) -> None:
    async def told(*datasets: str) -> list[tuple[str, str | None, float | None, bool]]:
        answer = await control.get("gateways", control.bob, dataset=datasets)
        keys = ("site", "near", "egress_cost", "preferred")
        return [tuple(each[key] for key in keys) for each in answer.body["items"]]

    assert await told() == [("esac", None, None, False), ("cloud-eu", None, None, False)]
    assert await told("far") == [
        ("esac", "would move 10.0 GiB at 1.00 EUR for egress", 1.0, False),
        ("cloud-eu", "holds far", 0.0, True),
    ]
    assert await told("far", "far", "demo-stac.x") == await told("far")
    unknown = "would move 10.0 GiB at a cost that is not known"
    assert await told("open") == [("esac", unknown, None, False), ("cloud-eu", unknown, None, True)]
    assert await told("both") == [
        ("esac", "would move 10.0 GiB at 1.00 EUR for egress", 1.0, False),
        ("cloud-eu", "holds both", 0.0, True),
    ]
    for wrong, status in (("nothing", 422), ("x" * 500, 422)):
        assert (await control.get("gateways", control.bob, dataset=wrong)).status == status
    assert (await control.get("gateways", control.ana, dataset="far")).status == 422
    assert (await control.get("gateways", control.bob, dataset=["far"] * 101)).status == 400


async def test_a_gateway_speaks_for_its_own_site_and_of_clusters_only(control: ControlBed) -> None:
    session = f"leases/{(await control.start('ana'))['id']}"
    lease = await cluster(control)
    for secret, path in (("cloud-dask", lease), ("esac-dask", session)):
        for method, body in (("GET", None), ("PATCH", {"state": "ended"}), ("PATCH", {"resources": SMALL})):
            assert (await by(control, secret, method, path, body)).status == 404
    inventory = {"observed_at": control.clock.now.isoformat(), "reachable": True}
    for path in ("gateways/cloud-eu/inventory", "gateways/polar/inventory", "sites/esac/inventory"):
        assert (await by(control, "esac-dask", "PUT", path, inventory)).status == 403
    assert (await control.get(session, control.ana)).body["state"] == "active"
    assert (await control.get(lease, control.ana)).body["state"] == "starting"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "sites"), ("GET", "profiles"), ("GET", "quotas?user=ana"), ("GET", "leases"), ("GET", "usage"),
        ("GET", "gateways"), ("GET", "notices"), ("GET", "datasets"), ("POST", "placements"), ("POST", "overrides"),
        ("GET", "policy"), ("DELETE", "users/ana"), ("GET", "failures"), ("GET", "news"), ("POST", "announcements"),
    ],
)  # fmt: skip
async def test_nothing_else_is_for_gateways(control: ControlBed, method: str, path: str) -> None:
    body = {} if method == "POST" else None
    answer = await by(control, "esac-dask", method, path, body)
    assert (answer.status, answer.body["title"]) == (403, "Not allowed")


async def test_what_only_looks_like_a_gateway_is_nobody(control: ControlBed) -> None:
    secret = gateway_secret("esac-dask")
    for header in (f"token {secret}", f"bearer {secret}", "gateway wrong", "gateway ", "gateway", f"gateway {SECRET}"):
        answer = await control.call("POST", "leases", body=wish(), headers={"Authorization": header})
        assert answer.status == 401, header
    for token in (control.ana, control.admin):
        assert (await control.call("POST", "leases", token, body=wish())).status == 403
        inventory = {"observed_at": control.clock.now.isoformat(), "reachable": True}
        assert (await control.call("PUT", "gateways/esac/inventory", token, body=inventory)).status == 403
    # the hub asks for sessions
    assert (await control.call("POST", "leases", SECRET, body=wish(resources=None))).status == 422


async def test_a_rotated_secret_counts_at_once_and_a_lost_one_lets_nobody_in(
    control: ControlBed, tmp_path: Path
) -> None:
    file = tmp_path / "secrets" / "esac-dask"
    file.write_text(gateway_secret("new"))
    assert (await by(control, "esac-dask", "POST", "leases", wish())).status == 401
    assert (await by(control, "new", "POST", "leases", wish())).status == 201
    file.unlink()
    assert (await by(control, "new", "POST", "leases", wish())).status == 401
    assert (await by(control, "cloud-dask", "POST", "leases", wish(groups=["staff"]))).status == 201


def test_control_does_not_start_without_the_secret_of_a_gateway(tmp_path: Path) -> None:
    options = write_control_files(tmp_path, "http://127.0.0.1:9", sites=SITES, datasets={})
    (tmp_path / "secrets" / "cloud-dask").unlink()
    with pytest.raises(SecretError, match="secret 'cloud-dask' cannot be read"):
        make_state(options)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"kind": "session"}, "kind: Input should be <Kind.CLUSTER: 'cluster'>"),
        ({"profile": "large"}, "profile: Extra inputs are not permitted"),
        ({"site": "cloud-eu"}, "site: Extra inputs are not permitted"),
        ({"name": ""}, "name: String should have at least 1 character"),
        ({"owner": "*"}, "owner: Value error, '*' is a word of the platform's own, and no user's name"),
        ({"attempt_id": "c1"}, "attempt_id: String should match pattern"),
        ({"resources": {"cpu": 0, "memory_gib": 1}}, "resources.cpu: Input should be greater than 0"),
        ({"resources": {"cpu": 1e9, "memory_gib": 1}}, "resources.cpu: Input should be less than or equal to 10000"),
    ],
)
async def test_an_ask_that_does_not_fit_is_told_where(control: ControlBed, change: dict[str, Any], detail: str) -> None:
    answer = await by(control, "esac-dask", "POST", "leases", wish(**change))
    assert (answer.status, answer.detail[: len(detail)]) == (422, detail)


@pytest.mark.parametrize(
    ("patch", "detail"),
    [
        ({}, "body: Value error, say either a state, or resources, or until when it is kept"),
        (
            {"state": "active", "resources": SMALL},
            "body: Value error, say either a state, or resources, or until when it is kept",
        ),
        ({"state": "ended", "step": SMALL}, "body: Value error, step: goes with resources"),
        ({"state": "starting"}, "state: Input should be 'active' or 'ended'"),
        ({"resources": {"cpu": -1, "memory_gib": 1}}, "resources.cpu: Input should be greater than 0"),
        ({"resources": SMALL, "site": "cloud-eu"}, "site: Extra inputs are not permitted"),
    ],
)
async def test_a_change_that_does_not_fit_is_told_where(
    control: ControlBed, patch: dict[str, Any], detail: str
) -> None:
    answer = await by(control, "esac-dask", "PATCH", await cluster(control), patch)
    assert (answer.status, answer.detail[: len(detail)]) == (422, detail)
