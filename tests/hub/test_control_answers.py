"""What control answers when all is well, whole, as other programs rely on it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perijove_hub import hub
from perijove_hub.web.auth import ADMIN_SCOPE
from perijove_hub.web.control import ControlOptions, make_state
from tests.support.control_bed import PREFIX, SECRET, ControlBed, running_control
from tests.support.platforms import dataset, profile, replica, site

NOON = "2026-03-01T12:00:00Z"
ATTEMPT = "1" * 32


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog) as control:
        yield control


async def test_sites_are_those_a_user_may_use(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sites = {
        "esac": site(price={"cpu_hour": 0.01}, gpu=1),
        "staff": site("Staff", "moon", groups=["staff"], homes=False),
    }
    async with running_control(tmp_path, caplog, sites=sites, datasets={}) as control:
        await control.call(
            "PUT", "sites/esac/inventory", SECRET, body={"observed_at": NOON, "reachable": True, "attempts": []}
        )
        await control.start("ana")
        answer = await control.get("sites", control.ana)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.body == {
            "items": [
                {
                    "name": "esac",
                    "title": "ESAC",
                    "kind": "local",
                    "region": "eu-es-madrid",
                    "health": "up",
                    "health_reason": "",
                    "load": 0.125,
                    "price": {"cpu_hour": 0.01, "memory_gib_hour": 0.0, "gpu_hour": 0.0},
                    "capacity": {"cpu": 8.0, "memory_gib": 16.0, "gpu": 1},
                    "homes": True,
                    "closed": None,
                }
            ],
            "next": None,
        }
        others = (await control.get("sites", control.bob)).body["items"]
        assert [(item["name"], item["health"], item["health_reason"]) for item in others] == [
            ("esac", "up", ""),
            ("staff", "unknown", "has not been heard of yet"),
        ]
        body = {"site": "esac", "reason": "new disks"}
        assert (await control.call("POST", "closures", control.admin, body=body)).status == 201
        (mine,) = (await control.get("sites", control.ana)).body["items"]
        assert mine["closed"] == "takes no starts: new disks"
        for groups, found in (([], ["esac"]), (["staff", "x"], ["esac", "staff"])):
            answer = await control.get("sites", SECRET, user="ana", group=groups)
            assert [item["name"] for item in answer.body["items"]] == found


async def test_profiles_say_whom_they_are_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    profiles = {
        "standard": profile(description="For plots", max_hours=12, idle_minutes=60),
        "large": profile("Large", cpu=4, memory_gib=8, gpu=1, groups=["euclid", "staff"]),
    }
    sites = {
        "esac": site(price={"cpu_hour": 0.25, "memory_gib_hour": 0.125}, gpu=1),
        "cloud": site("Cloud", "eu-de-1", price={"cpu_hour": 1, "gpu_hour": 2}),
        "staff": site("Staff", "moon", price={"cpu_hour": 8}, gpu=1, groups=["staff"]),
    }
    async with running_control(tmp_path, caplog, profiles=profiles, sites=sites, datasets={}) as control:
        answer = await control.get("profiles", control.ana)
        assert answer.body["items"][0] == {
            "name": "standard",
            "title": "Standard",
            "description": "For plots",
            "resources": {"cpu": 1.0, "memory_gib": 2.0, "gpu": 0},
            "max_hours": 12.0,
            "idle_minutes": 60.0,
            "allowed": True,
            "reason": None,
            "cost_hour_least": 0.5,
            "cost_hour_most": 1.0,
            "image": None,
            "user_images": [],
            "user_images_help": "",
        }
        allowed = (answer.body["items"][1]["allowed"], answer.body["items"][1]["reason"])
        assert allowed == (False, "for euclid, staff only")
        costs = (answer.body["items"][1]["cost_hour_least"], answer.body["items"][1]["cost_hour_most"])
        assert costs == (2.0, 2.0)  # the cloud has no GPU, and staff's is for staff
        staff = (await control.get("profiles", control.bob)).body["items"]
        assert [item["allowed"] for item in staff] == [True, True]
        assert [(item["cost_hour_least"], item["cost_hour_most"]) for item in staff] == [(0.5, 8.0), (2.0, 32.0)]


async def test_quotas_say_what_is_used(control: ControlBed) -> None:
    await control.start("ana")
    assert (await control.get("quotas", control.ana)).body == {
        "items": [
            {
                "name": "two-sessions",
                "resource": "sessions",
                "unit": "sessions",
                "limit": 2.0,
                "used": 1.0,
                "reserved": 0.0,
                "per": "user",
                "subject": "user:ana",
                "window": None,
                "window_start": None,
                "window_end": None,
                "warn_at": [0.8],
                "on_exhaustion": "deny",
                "empty_at": None,
                "override": None,
                "state": "ok",
            }
        ],
        "next": None,
    }
    assert (await control.get("quotas", control.bob)).body["items"][0]["used"] == 0
    assert (await control.get("quotas", SECRET, user="ana")).body["items"][0]["used"] == 1


async def test_a_dry_run_ranks_the_sites(control: ControlBed) -> None:
    answer = await control.call("POST", "placements", control.ana, body={"datasets": ["open-sky"]})
    assert answer.status == 200
    assert answer.body == {
        "allowed": True,
        "reason": None,
        "candidates": [
            {
                "site": "esac",
                "title": "ESAC",
                "score": 1.0,
                "reasons": ["holds open-sky", "has 8 of 8 cores free"],
                "cost_hour": 0.0,
            },
            {
                "site": "cloud-eu",
                "title": "Cloud EU",
                "score": 0.615385,
                "reasons": ["would move 1.0 GiB", "has 16 of 16 cores free"],
                "cost_hour": 0.0,
            },
        ],
        "rejected": [],
        "summary": "ESAC: it holds open-sky; the other site would move 1.0 GiB",
        "cost_hour": 0.0,
        "lasts_hours": None,
        "charge_to": "astro",
        "may_charge": [],
    }
    body = {"owner": "bob", "groups": ["staff"], "datasets": ["staff-only"]}
    answer = await control.call("POST", "placements", SECRET, body=body)
    assert answer.body["summary"] == "ESAC: it holds staff-only; the other site would move 1.0 GiB"
    assert (await control.get("leases", control.ana)).body["items"] == []


async def test_a_lease_lives_over_http_as_the_design_says(control: ControlBed) -> None:
    asked = {"owner": "ana", "groups": [], "kind": "session", "name": "lab", "attempt_id": ATTEMPT}
    answer = await control.call("POST", "leases", SECRET, body=asked, headers={"Idempotency-Key": ATTEMPT})
    assert answer.status == 201
    assert list(answer.body) == ["id", "attempt_id", "candidates", "spawn", "explanation", "starting", "token"]
    assert answer.body["token"] is None  # the hub gets none: a session has the token of its server
    again = await control.call("POST", "leases", SECRET, body=asked)
    assert (again.status, again.body) == (201, answer.body)
    path = f"leases/{answer.body['id']}"
    lease = {
        "id": answer.body["id"],
        "attempt_id": ATTEMPT,
        "owner": "ana",
        "kind": "session",
        "name": "lab",
        "profile": "standard",
        "image": None,
        "charge_to": None,
        "site": None,
        "state": "offered",
        "resources": {"cpu": 1.0, "memory_gib": 2.0, "gpu": 0},
        "created": NOON,
        "started": None,
        "ended": None,
        "reason": None,
        "cost": 0.0,
        "cost_hour": 0.0,
        "ends_at": None,
        "idle_stop_at": None,
        "quota_stop_at": None,
        "allowed_stop_at": None,
        "keeps_left": 2,
        "explanation": answer.body["explanation"],
    }
    assert (await control.get(path, control.ana)).body == lease

    async def patched(**patch: Any) -> Any:
        return (await control.call("PATCH", path, SECRET, body=patch)).body

    assert await patched(state="starting", site="esac") == {**lease, "state": "starting", "site": "esac"}
    control.clock.advance(10)
    active = {**lease, "state": "active", "site": "esac", "started": "2026-03-01T12:00:10Z"}
    assert await patched(state="active") == active
    assert (await control.get(path, SECRET)).body == active
    assert (await control.get("leases", control.ana)).body == {"items": [active], "next": None}
    control.clock.advance(10)
    ended = {**active, "state": "ended", "ended": "2026-03-01T12:00:20Z", "reason": "stopped"}
    assert await patched(state="ended", reason="stopped") == ended
    refused = await control.call("PATCH", path, SECRET, body={"state": "active"})
    assert (refused.status, refused.detail) == (409, f"Lease {lease['id']} is ended; ask for a new one.")
    refused = await control.call("POST", "leases", SECRET, body=asked)
    assert (refused.status, refused.body["title"]) == (409, "The lease is over")


async def test_a_refusal_by_a_limit_is_a_problem_with_figures(control: ControlBed) -> None:
    for _ in range(2):
        await control.start("ana")
    body = {"owner": "ana", "kind": "session", "attempt_id": ATTEMPT}
    answer = await control.call("POST", "leases", SECRET, body=body)
    assert answer.status == 403
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body == {
        "type": "urn:perijove:over-limit",
        "title": "Limit reached",
        "status": 403,
        "detail": "Limit two-sessions reached: 2 of 2 sessions used. Stop a running server, then start this one.",
        "limit": 2.0,
        "used": 2.0,
        "unit": "sessions",
    }


async def test_an_inventory_is_answered_with_what_must_go(control: ControlBed) -> None:
    offer = await control.start("ana")
    seen = [{"attempt_id": offer["attempt_id"], "owned": True}, {"attempt_id": ATTEMPT, "owned": False}]
    body = {"observed_at": NOON, "reachable": True, "attempts": seen}
    answer = await control.call("PUT", "sites/esac/inventory", SECRET, body=body)
    assert (answer.status, answer.body) == (200, {"remove": [ATTEMPT], "adopted": {}})
    answer = await control.call("PUT", "sites/moon/inventory", SECRET, body=body)
    assert (answer.status, answer.detail) == (404, "There is no site 'moon' in the platform file.")


async def test_an_inventory_of_a_large_site_is_taken(control: ControlBed) -> None:
    seen = [{"attempt_id": f"{number:032x}", "owned": False} for number in range(20_000)]
    body = {"observed_at": NOON, "reachable": True, "attempts": seen}
    answer = await control.call("PUT", "sites/esac/inventory", SECRET, body=body)
    assert answer.status == 200
    assert len(answer.body["remove"]) == 20_000


async def pages(control: ControlBed, path: str, token: str, key: str = "id", **query: Any) -> list[list[str]]:
    """Follow `next` to the end; the ids of each page."""
    found, answer = [], await control.get(path, token, **query)
    while True:
        assert answer.status == 200
        found.append([item[key] for item in answer.body["items"]])
        if answer.body["next"] is None:
            return found
        assert answer.body["next"].startswith(f"{PREFIX}api/v1/{path}?")
        answer = await control.get(answer.body["next"], token)


async def test_lists_are_paged_to_the_end(control: ControlBed) -> None:
    ids = []
    for _ in range(3):
        control.clock.advance(1)
        offer = await control.start("ana")
        ids.insert(0, offer["id"])
        await control.call("PATCH", f"leases/{offer['id']}", SECRET, body={"state": "ended"})
    assert await pages(control, "leases", control.ana, limit=2) == [ids[:2], ids[2:]]
    assert await pages(control, "leases", control.ana, limit=3) == [ids]
    assert await pages(control, "leases", control.admin, limit=1, owner="ana") == [[each] for each in ids]
    assert await pages(control, "datasets", control.ana, limit=2) == [["euclid-demo", "open-sky"], ["proxied-data"]]
    assert await pages(control, "datasets", control.ana, limit=1, q="o") == [
        ["euclid-demo"],
        ["open-sky"],
        ["proxied-data"],
    ]


async def test_the_groups_that_the_hub_asks_for_hold_on_every_page(control: ControlBed) -> None:
    query = {"user": "bob", "group": ["staff", "zebra"], "limit": 1}
    found = await pages(control, "datasets", SECRET, **query)
    assert found == [["euclid-demo"], ["open-sky"], ["proxied-data"], ["staff-only"]]


async def test_datasets_are_ranked_for_where_the_session_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    both = dataset(replica(site="esac"), replica(site="cloud-eu"), size_bytes=2**30)
    async with running_control(tmp_path, caplog, datasets={"euclid-demo": both}) as control:

        async def nearest(**query: Any) -> str:
            return str((await control.get("datasets/euclid-demo", control.ana, **query)).body["replicas"][0]["id"])

        assert await nearest() == "esac"
        assert await nearest(site="cloud-eu") == "cloud-eu"
        offer = await control.start("ana", site="cloud-eu")
        assert await nearest() == "cloud-eu"
        await control.call("PATCH", f"leases/{offer['id']}", SECRET, body={"state": "ended"})
        assert await nearest() == "esac"
        answer = await control.get("datasets", control.ana)
        assert answer.body["items"][0] == (await control.get("datasets/euclid-demo", control.ana)).body
        assert answer.body["items"][0]["replicas"][1] == {
            "id": "cloud-eu",
            "site": "cloud-eu",
            "region": "eu-de-1",
            "url": "s3://data/euclid/",
            "endpoint": None,
            "rank": 1,
            "egress_cost": 0.0,
        }


async def test_a_user_may_narrow_datasets_to_a_group_but_not_widen_them(control: ControlBed) -> None:
    def ids(answer: Any) -> list[str]:
        return [item["id"] for item in answer.body["items"]]

    assert "staff-only" not in ids(await control.get("datasets", control.ana, group="staff"))
    assert "staff-only" in ids(await control.get("datasets", control.bob, group="staff"))
    assert "staff-only" not in ids(await control.get("datasets", control.bob, group="other"))


async def test_a_busy_ledger_is_a_passing_trouble(control: ControlBed, monkeypatch: pytest.MonkeyPatch) -> None:
    async with control.state.database.write() as connection:
        await connection.exec_driver_sql("drop table sites")
    answer = await control.get("sites", control.ana)
    assert (answer.status, answer.detail) == (503, "The ledger is busy; try again in a moment.")
    assert answer.headers["Retry-After"] == "2"
    assert (await control.get("health")).status == 503


async def test_a_fault_of_ours_is_logged_and_not_shown(
    control: ControlBed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(control.state.admission, "sites", broken)
    answer = await control.get("sites?a=secret-query", control.ana)
    assert (answer.status, answer.detail) == (500, "Something broke on our side; the log of the service says what.")
    assert "inner workings" not in answer.text
    (record,) = [record for record in caplog.records if record.exc_info]
    assert re.fullmatch(rf"unhandled error at {PREFIX}api/v1/sites", record.getMessage())
    assert "secret-query" not in caplog.text


def test_a_missing_secret_keeps_control_from_starting(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("sites: {}")
    with pytest.raises(Exception, match=r"p\.yaml:1: sites: Dictionary should have at least 1 item"):
        make_state(ControlOptions(tmp_path / "p.yaml", "sqlite+aiosqlite:///x", tmp_path, "127.0.0.1", 0))


def test_the_scopes_are_those_of_the_design() -> None:
    # a literal copy of the design's table: who changes one changes the other, and says why
    assert hub.SERVER_SCOPES == [
        "users:activity!user",
        "access:servers!server",
        "access:services!service=perijove",
    ]
    assert hub.EXTRA_USER_SCOPES == ["access:services!service=perijove"]
    assert hub.CONTROL_SCOPES == ["read:users:groups", "read:users:name"]
    assert hub.CONTROLLER_SCOPES == [
        "list:users",
        "read:users",
        "read:servers",
        "delete:servers",
        "start:servers",
        "delete:users",
        "tokens",
    ]
    assert ADMIN_SCOPE == "custom:perijove:admin"
    everything = [*hub.SERVER_SCOPES, *hub.EXTRA_USER_SCOPES, *hub.CONTROL_SCOPES, *hub.CONTROLLER_SCOPES]
    assert not [scope for scope in everything if scope.startswith("admin") or scope == ADMIN_SCOPE]
