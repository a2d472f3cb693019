"""What nobody should send to the routes of limits, closures, notices and usage; and that reading changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub.test_control_hostile import ATTEMPT, CLIMBS, GOOD_OVERRIDE, TOMORROW
from tests.support.control_bed import PREFIX, SECRET, ControlBed, running_control
from tests.support.ledgers import dump_tables

CLOSURE = {"site": "esac", "reason": "new disks"}
ANNOUNCEMENT = {"message": "Hello all", "expires": TOMORROW}
EXTENSION = {"minutes": 30, "reason": "a long run"}
ACTIVITY = {"last_activity": "2026-03-01T11:59:00Z", "busy": False}
ADMIN_PATHS = ("overrides", "closures", "announcements", "limits/near", "policy")


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture, ledger: str) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, ledger=ledger) as control:
        yield control


NUMBER = "limit: Input should be a valid number"
MISFITS: list[tuple[str, dict[str, Any], str]] = [
    ("overrides", {**GOOD_OVERRIDE, "limit": -0.1}, "limit: Input should be greater than or equal to 0"),
    ("overrides", {**GOOD_OVERRIDE, "limit": "many"}, NUMBER),
    ("overrides", {**GOOD_OVERRIDE, "limit": [3]}, NUMBER),
    ("overrides", {**GOOD_OVERRIDE, "limit": float("inf")}, "limit: Input should be a finite number"),
    ("overrides", {**GOOD_OVERRIDE, "limit": float("nan")}, "limit: Input should be a finite number"),
    ("overrides", {**GOOD_OVERRIDE, "quota": "../x"}, "quota: String should match pattern"),
    ("overrides", {**GOOD_OVERRIDE, "quota": "moon"}, "quota: there is no limit 'moon'; choose from two-sessions."),
    ("overrides", {**GOOD_OVERRIDE, "subject": "ana"}, "subject: String should match pattern"),
    ("overrides", {**GOOD_OVERRIDE, "subject": "user:"}, "subject: String should match pattern"),
    ("overrides", {**GOOD_OVERRIDE, "subject": "user:a\nb"}, "subject: String should match pattern"),
    ("overrides", {**GOOD_OVERRIDE, "subject": "user:a\0"}, "subject: String should match pattern"),
    ("overrides", {**GOOD_OVERRIDE, "subject": "user:" + "x" * 256}, "subject: String should match pattern"),
    ("overrides", {**GOOD_OVERRIDE, "subject": "root:ana"}, "subject: String should match pattern"),
    ("overrides", {**GOOD_OVERRIDE, "subject": "group:staff"}, "subject: limit two-sessions is per user; expected"),
    ("overrides", {**GOOD_OVERRIDE, "reason": "  x "}, "reason: String should have at least 3 characters"),
    ("overrides", {**GOOD_OVERRIDE, "reason": "x" * 501}, "reason: String should have at most 500 characters"),
    ("overrides", {**GOOD_OVERRIDE, "reason": "be\0cause"}, "reason: String should match pattern"),
    ("overrides", {**GOOD_OVERRIDE, "expires": "tomorrow"}, "expires: Input should be a valid datetime"),
    ("overrides", {**GOOD_OVERRIDE, "expires": "2026-03-02T12:00:00"}, "expires: Input should have timezone info"),
    ("overrides", {**GOOD_OVERRIDE, "expires": "2026-03-01T12:00:00Z"}, "expires: lies in the past; say a time to"),
    ("overrides", {**GOOD_OVERRIDE, "expires": "2028-03-03T12:00:00Z"}, "expires: lies more than two years ahead."),
    ("overrides", {**GOOD_OVERRIDE, "expires": "0001-01-01T00:00:00+14:00"}, "expires: Input should be greater than"),
    ("overrides", {**GOOD_OVERRIDE, "expires": "9999-12-31T23:59:59-14:00"}, "expires: Input should be less than"),
    ("overrides", {**GOOD_OVERRIDE, "author": "eva"}, "author: Extra inputs are not permitted"),
    ("closures", {"site": "esac"}, "reason: Field required"),
    ("closures", {**CLOSURE, "site": "moon"}, "site: there is no site 'moon'; choose from cloud-eu, esac."),
    ("closures", {**CLOSURE, "site": "esac/../x"}, "site: String should match pattern"),
    ("closures", {**CLOSURE, "stops_at": "2026-03-01T11:00:00Z"}, "stops_at: lies in the past; sessions can be"),
    ("closures", {**CLOSURE, "reopens": "2026-03-01T12:00:00Z"}, "reopens: lies before starts; say when it takes"),
    ("closures", {**CLOSURE, "starts": TOMORROW, "stops_at": "2026-03-01T13:00:00Z"}, "stops_at: lies before starts;"),
    ("closures", {**CLOSURE, "starts": "2036-03-01T12:00:00Z"}, "starts: lies more than two years ahead."),
    ("closures", {**CLOSURE, "withdrawn": None}, "withdrawn: Extra inputs are not permitted"),
    ("announcements", {**ANNOUNCEMENT, "message": "   \n "}, "message: String should have at least 3 characters"),
    ("announcements", {**ANNOUNCEMENT, "message": "x" * 1001}, "message: String should have at most 1000 characters"),
    ("announcements", {**ANNOUNCEMENT, "message": "bell \a bell"}, "message: String should match pattern"),
    ("announcements", {**ANNOUNCEMENT, "severity": "fatal"}, "severity: Input should be 'info', 'warning' or 'error'"),
    ("announcements", {**ANNOUNCEMENT, "groups": "staff"}, "groups: Input should be a valid array"),
    ("announcements", {**ANNOUNCEMENT, "groups": ["a\0"]}, "groups.0: String should match pattern"),
    ("announcements", {**ANNOUNCEMENT, "groups": ["a"] * 101}, "groups: List should have at most 100 items"),
    ("announcements", {"message": "Hello all"}, "expires: Field required"),
    ("announcements", {**ANNOUNCEMENT, "owner": "ana"}, "owner: Extra inputs are not permitted"),
    (f"leases/{ATTEMPT}/extend", {**EXTENSION, "minutes": 0}, "minutes: Input should be greater than or equal to 1"),
    (f"leases/{ATTEMPT}/extend", {**EXTENSION, "minutes": 10_081}, "minutes: Input should be less than or equal to"),
    (f"leases/{ATTEMPT}/extend", {**EXTENSION, "minutes": 1.5}, "minutes: Input should be a valid integer"),
    (f"leases/{ATTEMPT}/extend", {"minutes": 30}, "reason: Field required"),
    (f"leases/{ATTEMPT}/stop", {"reason": "x"}, "reason: String should have at least 3 characters"),
    (f"leases/{ATTEMPT}/stop", {"owner": "eva"}, "owner: Extra inputs are not permitted"),
    (f"leases/{ATTEMPT}/keep", {"minutes": 31}, "minutes: Input should be less than or equal to 30"),
    (f"leases/{ATTEMPT}/keep", {"minutes": -30}, "minutes: Input should be greater than or equal to 1"),
    (f"leases/{ATTEMPT}/activity", {"busy": True}, "last_activity: Field required"),
    (f"leases/{ATTEMPT}/activity", {**ACTIVITY, "busy": "perhaps"}, "busy: Input should be a valid boolean"),
    (f"leases/{ATTEMPT}/activity", {**ACTIVITY, "last_activity": "2026-03-01T11:59"}, "last_activity: Input should"),
]


async def test_a_body_that_does_not_fit_names_the_key_and_changes_nothing(control: ControlBed) -> None:
    before = await dump_tables(control.state.database)
    for path, body, detail in MISFITS:
        answer = await control.call("POST", path, control.admin, body=body)
        assert (answer.status, answer.detail[: len(detail)]) == (422, detail)
    assert await dump_tables(control.state.database) == before


@pytest.mark.parametrize("what", ["override", "closure", "announcement"])
async def test_an_id_that_is_none_is_not_there(control: ControlBed, what: str) -> None:
    for number in ("1", "0", "007", "9" * 18):
        answer = await control.call("DELETE", f"{what}s/{number}", control.admin)
        assert (answer.status, answer.detail) == (404, f"There is no {what} {int(number)}.")
    for name in [*CLIMBS, "-1", "1.5", "1e3", "9" * 19, "٧", "1%0a", "all", "*"]:
        answer = await control.call("DELETE", f"{what}s/{name}", control.admin)
        assert (answer.status in (400, 404), bool(answer.detail)) == (True, True), name


@pytest.mark.parametrize("tail", ["activity", "keep", "extend", "stop"])
async def test_a_lease_that_is_none_leads_nowhere(control: ControlBed, tail: str) -> None:
    for name in [*CLIMBS, "1" * 31, "1" * 33, "G" * 32, ""]:
        answer = await control.call("POST", f"leases/{name}/{tail}", control.admin, body={})
        assert (answer.status in (400, 404), bool(answer.detail)) == (True, True), name


@pytest.mark.parametrize("name", ["a%00b", "%0a", "x" * 256, "%7f", "%ff", ""])
async def test_a_name_that_no_user_has_removes_nobody(control: ControlBed, name: str) -> None:
    before = await dump_tables(control.state.database)
    answer = await control.call("DELETE", f"users/{name}", control.admin)
    assert (answer.status in (400, 404), bool(answer.detail)) == (True, True)
    assert await dump_tables(control.state.database) == before


QUERIES: list[tuple[str, dict[str, Any], str]] = [
    ("overrides", {"active": "maybe"}, "active is true or false."),
    ("closures", {"active": ""}, "active is true or false."),
    ("limits/near", {"share": "1.1"}, "share is a number from 0 to 1, as 0.8."),
    ("limits/near", {"share": "-0"}, "share is a number from 0 to 1, as 0.8."),
    ("limits/near", {"share": "nan"}, "share is a number from 0 to 1, as 0.8."),
    ("limits/near", {"share": "0_1"}, "share is a number from 0 to 1, as 0.8."),
    ("limits/near", {"share": "0.5\n"}, ""),
    ("limits/near", {"share": "٠.٥"}, "share is a number from 0 to 1, as 0.8."),
    ("limits/near", {"limit": "0"}, "limit is a number from 1 to 1000."),
    ("failures", {"limit": "1001"}, "limit is a number from 1 to 1000."),
    ("notices", {"limit": "x"}, "limit is a number from 1 to 1000."),
]


async def test_a_query_that_makes_no_sense_is_refused(control: ControlBed) -> None:
    for path, query, detail in QUERIES:
        answer = await control.get(path, control.admin, **query)
        if detail:
            assert (answer.status, answer.detail) == (400, detail), query
        else:
            assert answer.status == 200


async def test_odd_names_are_looked_for_like_any_other(control: ControlBed) -> None:
    odd = ["<script>alert(1)</script>", "'; DROP TABLE leases; --", "{{7*7}}", "%s%n", "\u202e", "a\0b", "x" * 9000]
    for text in odd:
        assert (await control.get("failures", control.admin, owner=text)).body == {"items": [], "next": None}
        usage = (await control.get("usage", control.admin, user=text, group=text)).body["items"]
        assert [row["session_hours"] for row in usage] == [0.0]
    for name in ("user", "group", "by", "since", "format"):
        answer = await control.get(f"usage?{name}=%ff", control.admin)
        assert (answer.status, bool(answer.detail)) == (400, True)


async def test_a_method_that_is_not_there_is_a_problem(control: ControlBed) -> None:
    wrong = [("DELETE", path) for path in (*ADMIN_PATHS, "usage", "failures", "notices")]
    wrong += [("POST", path) for path in ("limits/near", "policy", "usage", "failures", "notices", "users/zoe")]
    wrong += [("GET", path) for path in ("overrides/1", "closures/1", "announcements/1", "users/zoe")]
    wrong += [
        (method, f"leases/{ATTEMPT}/{tail}")
        for method in ("GET", "PUT", "DELETE")
        for tail in ("keep", "extend", "stop")
    ]
    for method, path in wrong:
        answer = await control.call(method, path, control.admin)
        assert (answer.status, answer.detail) == (405, "Method Not Allowed."), (method, path)
    for path in (*ADMIN_PATHS, "usage", "users/zoe"):
        for method in ("PUT", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW"):
            answer = await control.call(method, path, control.admin)
            assert answer.status == 405, (method, path)
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_reading_changes_nothing(control: ControlBed) -> None:
    lease = (await control.start("ana"))["id"]
    for path, body in (("overrides", GOOD_OVERRIDE), ("closures", CLOSURE), ("announcements", ANNOUNCEMENT)):
        assert (await control.call("POST", path, control.admin, body=body)).status == 201
    control.clock.advance(5000)
    before = await dump_tables(control.state.database)
    paths = ["sites", "profiles", "quotas", "leases", f"leases/{lease}", "usage", "usage?by=day&format=csv", "failures"]
    paths += [
        "gateways",
        "notices",
        "news",
        "datasets",
        "datasets/open-sky",
        "datasets/open-sky/tree",
        "health",
        *ADMIN_PATHS,
    ]
    for token in (control.ana, control.admin, SECRET, None):
        for path in [*paths, *(f"{path}{'&' if '?' in path else '?'}user=ana" for path in paths)] * 2:
            answer = await control.get(path, token)
            assert answer.status in (200, 400, 401, 403, 404), path
    routes = [rule.matcher.regex.pattern for rule in control.app.wildcard_router.rules]
    readable = [
        pattern for pattern, rule in zip(routes, control.app.wildcard_router.rules, strict=True)
        if pattern.startswith(f"{PREFIX}api/") and "get" in vars(rule.target)
    ]  # fmt: skip
    # every route that can be read was read
    assert len(readable) == len({path.partition("?")[0] for path in paths})
    assert await dump_tables(control.state.database) == before
