"""What admins say over HTTP, whole, as pages and other programs rely on it; on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_bed import SECRET, ControlBed, running_control

NOON = "2026-03-01T12:00:00Z"
TOMORROW = "2026-03-02T12:00:00Z"
QUOTAS = [
    {"name": "two-sessions", "resource": "sessions", "limit": 2},
    {"name": "staff-cpu", "resource": "cpu", "limit": 4, "per": "group", "applies_to": {"groups": ["staff"]}},
]
EMPTY = {"items": [], "next": None}


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture, ledger: str) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, ledger=ledger, quotas=QUOTAS) as control:
        yield control


def changed(limit: float, **more: Any) -> dict[str, Any]:
    return {
        "quota": "two-sessions",
        "subject": "user:ana",
        "limit": limit,
        "reason": " a course ",
        "expires": TOMORROW,
        **more,
    }


async def test_an_override_lives_over_http(control: ControlBed) -> None:
    answer = await control.call("POST", "overrides", control.admin, body=changed(3, expires="2026-03-02T13:00+01:00"))
    override = {
        "id": answer.body["id"],
        "quota": "two-sessions",
        "subject": "user:ana",
        "limit": 3.0,
        "reason": "a course",
        "author": "root",
        "created": NOON,
        "expires": TOMORROW,
        "revoked": None,
        "revoked_by": None,
    }
    assert (answer.status, answer.body) == (201, override)
    assert (await control.get("overrides", control.admin)).body == {"items": [override], "next": None}
    mine = (await control.get("quotas", control.ana)).body["items"][0]
    assert (mine["limit"], mine["override"]) == (3.0, "root set it to 3 until 2 March 2026, 12:00 UTC")

    control.clock.advance(60)
    path = f"overrides/{override['id']}"
    revoked = {**override, "revoked": "2026-03-01T12:01:00Z", "revoked_by": "root"}
    for _ in range(2):
        answer = await control.call("DELETE", path, control.admin)
        assert (answer.status, answer.body) == (200, revoked)
        control.clock.advance(60)
    assert (await control.get("overrides", control.admin)).body == EMPTY
    assert (await control.get("overrides", control.admin, active="true")).body == EMPTY
    assert (await control.get("overrides", control.admin, active="false")).body == {"items": [revoked], "next": None}
    assert (await control.get("quotas", control.ana)).body["items"][0]["limit"] == 2.0


async def test_a_closure_lives_over_http(control: ControlBed) -> None:
    body = {"site": "esac", "stops_at": "2026-03-01T13:00:00Z", "reopens": TOMORROW, "reason": "new disks"}
    answer = await control.call("POST", "closures", control.admin, body=body)
    closure = {
        "id": answer.body["id"],
        "site": "esac",
        "starts": NOON,
        "stops_at": "2026-03-01T13:00:00Z",
        "reopens": TOMORROW,
        "reason": "new disks",
        "author": "root",
        "created": NOON,
        "withdrawn": None,
        "withdrawn_by": None,
    }
    assert (answer.status, answer.body) == (201, closure)
    assert (await control.get("closures", control.admin)).body == {"items": [closure], "next": None}
    again = await control.call("POST", "closures", control.admin, body={"site": "esac", "reason": "once more"})
    assert (again.status, again.body) == (
        409,
        {
            "type": "about:blank",
            "title": "Closed already",
            "status": 409,
            "detail": f"Closure {closure['id']} of site esac overlaps; withdraw it first, or choose other times.",
        },
    )
    sites = (await control.get("sites", control.ana)).body["items"]
    assert {site["name"]: site["closed"] for site in sites} == {
        "esac": "takes no starts until 2 March 2026, 12:00 UTC: new disks",
        "cloud-eu": None,
    }
    placed = await control.call("POST", "placements", control.ana, body={})
    assert [candidate["site"] for candidate in placed.body["candidates"]] == ["cloud-eu"]

    answer = await control.call("DELETE", f"closures/{closure['id']}", control.admin)
    withdrawn = {**closure, "withdrawn": NOON, "withdrawn_by": "root"}
    assert (answer.status, answer.body) == (200, withdrawn)
    assert (await control.get("closures", control.admin)).body == EMPTY
    assert (await control.get("closures", control.admin, active="false")).body == {"items": [withdrawn], "next": None}


async def test_an_announcement_lives_over_http(control: ControlBed) -> None:
    body = {"message": "Coffee <b>at</b> ten", "severity": "warning", "groups": ["staff"], "expires": TOMORROW}
    answer = await control.call("POST", "announcements", control.admin, body=body)
    announcement = {
        "id": answer.body["id"],
        "message": "Coffee <b>at</b> ten",
        "severity": "warning",
        "groups": ["staff"],
        "author": "root",
        "created": NOON,
        "expires": TOMORROW,
        "withdrawn": None,
    }
    assert (answer.status, answer.body) == (201, announcement)
    assert (await control.get("announcements", control.admin)).body == {"items": [announcement], "next": None}
    told = {
        "id": announcement["id"],
        "created": NOON,
        "expires": TOMORROW,
        "severity": "warning",
        "topic": "announcement",
        "message": "Coffee <b>at</b> ten",
        "lease": None,
        "keep_minutes": None,
    }
    assert (await control.get("notices", control.bob)).body == {"items": [told], "next": None}
    assert (await control.get("notices", control.ana)).body == EMPTY

    answer = await control.call("DELETE", f"announcements/{announcement['id']}", control.admin)
    assert (answer.status, answer.body) == (200, {**announcement, "withdrawn": NOON})
    assert (await control.get("announcements", control.admin)).body == EMPTY
    assert (await control.get("notices", control.bob)).body == EMPTY


async def test_who_is_near_a_limit_is_listed_the_fullest_first(control: ControlBed) -> None:
    await control.start("ana")
    await control.start("bob", "staff")
    await control.start("bob", "staff")
    everybody = (await control.get("limits/near", control.admin, share="0.25")).body["items"]
    assert [(view["name"], view["subject"], view["used"]) for view in everybody] == [
        ("two-sessions", "user:bob", 2.0),
        ("staff-cpu", "group:staff", 2.0),
        ("two-sessions", "user:ana", 1.0),
    ]
    assert (await control.get("limits/near", control.admin)).body == {"items": everybody[:1], "next": None}
    one = await control.get("limits/near", control.admin, share="0", limit=1)
    assert one.body == {"items": everybody[:1], "next": None}


async def test_the_policy_says_what_was_wrong_with_the_last_file(control: ControlBed, tmp_path: Path) -> None:
    version = control.state.platform().version
    in_force = {"version": version, "loaded_at": NOON, "refused_at": None, "faults": []}
    assert (await control.get("policy", control.admin)).body == in_force
    path = tmp_path / "perijove.yaml"
    good = path.read_text()
    path.write_text("sites: {}\ncolour: red\n")
    control.clock.advance(60)
    control.state.platform.reload()
    assert (await control.get("policy", control.admin)).body == {
        **in_force,
        "refused_at": "2026-03-01T12:01:00Z",
        "faults": [
            f"{path}:1: sites: Dictionary should have at least 1 item after validation, not 0",
            f"{path}:1: profiles: missing",
            f"{path}:2: colour: unknown key",
        ],
    }
    assert (await control.get("sites", control.ana)).status == 200
    path.write_text(good)
    control.clock.advance(60)
    control.state.platform.reload()
    assert (await control.get("policy", control.admin)).body == {**in_force, "loaded_at": "2026-03-01T12:02:00Z"}


async def test_a_removed_user_leaves_sums_and_no_name(control: ControlBed) -> None:
    lease = (await control.start("zoe", "staff"))["id"]
    answer = await control.call("DELETE", "users/zoe", control.admin)
    assert (answer.status, answer.body) == (
        409,
        {
            "type": "about:blank",
            "title": "Still in use",
            "status": 409,
            "detail": "1 lease is open: stop what runs of this user, then remove the name.",
        },
    )
    control.clock.advance(3600)
    await control.call("PATCH", f"leases/{lease}", SECRET, body={"state": "ended"})
    before = (await control.get("usage", control.admin, user="*", by="group")).body
    answer = await control.call("DELETE", "users/zoe", control.admin)
    assert (answer.status, answer.body) == (200, {"leases": 1, "usage_entries": 1})
    answer = await control.call("DELETE", "users/zoe", control.admin)
    assert (answer.status, answer.body) == (200, {"leases": 0, "usage_entries": 0})
    assert (await control.get("usage", control.admin, user="*", by="group")).body == before
    assert [row["user"] for row in (await control.get("usage", control.admin, user="*", by="user")).body["items"]] == [
        "(removed)"
    ]
    assert "zoe" not in (await control.get("leases", control.admin, owner="*")).text


@pytest.mark.parametrize(
    ("name", "owner"), [("ana%2Fb", "ana/b"), ("%C3%BCmit", "ümit"), ("a%20b", "a b"), ("**", "**"), ("%3Cb%3E", "<b>")]
)
async def test_any_name_can_be_removed(control: ControlBed, name: str, owner: str) -> None:
    lease = (await control.start(owner))["id"]
    await control.call("PATCH", f"leases/{lease}", SECRET, body={"state": "ended"})
    answer = await control.call("DELETE", f"users/{name}", control.admin)
    assert (answer.status, answer.body["leases"]) == (200, 1)


async def test_an_admin_extends_the_time_of_a_session(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ledger: str
) -> None:
    timed = {"standard": {"title": "Standard", "cpu": 1, "memory_gib": 2, "max_hours": 2}}
    async with running_control(tmp_path, caplog, ledger=ledger, profiles=timed) as control:
        lease = (await control.start("ana"))["id"]
        before = (await control.get(f"leases/{lease}", control.ana)).body
        assert before["ends_at"] == "2026-03-01T14:00:00Z"
        body = {"minutes": 90, "reason": "a long run"}
        refused = await control.call("POST", f"leases/{lease}/extend", control.ana, body=body)
        assert (refused.status, refused.detail) == (403, "Only admins may do this, on the platform's own pages.")
        answer = await control.call("POST", f"leases/{lease}/extend", control.admin, body=body)
        assert (answer.status, answer.body) == (200, {**before, "ends_at": "2026-03-01T15:30:00Z"})
        notice = (await control.get("notices", control.ana)).body["items"][0]
        assert notice["message"] == ("root has put off the end of your server to 1 March 2026, 15:30 UTC: a long run")
