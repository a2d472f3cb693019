"""What nobody should send: every route answers it with a 4xx that says what is wrong."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.control_bed import PREFIX, SECRET, ControlBed, running_control

ATTEMPT = "1" * 32
NOON = "2026-03-01T12:00:00Z"
GOOD_LEASE = {"owner": "ana", "kind": "session", "attempt_id": ATTEMPT}
TOMORROW = "2026-03-02T12:00:00Z"
GOOD_OVERRIDE = {
    "quota": "two-sessions",
    "subject": "user:ana",
    "limit": 3,
    "reason": "a course",
    "expires": TOMORROW,
}

#: Every route that takes a body, who may call it, and a body that is right.
BODIES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("POST", "placements", "ana", {}),
    ("POST", "leases", "hub", GOOD_LEASE),
    ("PATCH", f"leases/{ATTEMPT}", "hub", {"state": "ended"}),
    ("PUT", "sites/esac/inventory", "hub", {"observed_at": "2026-03-01T11:59:00Z", "reachable": True}),
    ("POST", "datasets/open-sky/credentials", "ana", {}),
    ("POST", "datasets/open-sky/presign", "ana", {"paths": ["a"]}),
    ("POST", "datasets/open-sky/presign-list", "ana", {}),
    ("POST", f"leases/{ATTEMPT}/activity", "ana", {"last_activity": "2026-03-01T11:59:00Z", "busy": False}),
    ("POST", f"leases/{ATTEMPT}/keep", "ana", {"minutes": 30}),
    ("POST", f"leases/{ATTEMPT}/silence", "hub", {"since": "2026-03-01T11:59:00Z"}),
    ("POST", f"leases/{ATTEMPT}/extend", "admin", {"minutes": 30, "reason": "a long run"}),
    ("POST", "overrides", "admin", GOOD_OVERRIDE),
    ("POST", "closures", "admin", {"site": "esac", "reason": "new disks"}),
    ("POST", "announcements", "admin", {"message": "Hello all", "expires": TOMORROW}),
]
IDS = [f"{method} {path}" for method, path, _, _ in BODIES]


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog) as control:
        yield control


def token(control: ControlBed, who: str) -> str:
    return {"hub": SECRET, "admin": control.admin, "ana": control.ana}[who]


@pytest.mark.parametrize(("method", "path", "who", "good"), BODIES, ids=IDS)
async def test_a_body_that_is_no_json_of_ours_is_refused(
    control: ControlBed, method: str, path: str, who: str, good: dict[str, Any]
) -> None:
    async def sent(data: bytes, kind: str = "application/json") -> tuple[int, str]:
        answer = await control.call(method, path, token(control, who), data=data, headers={"Content-Type": kind})
        return answer.status, answer.detail

    no_json = (400, "The body is no valid JSON in UTF-8.")
    assert await sent(b"{") == no_json
    assert await sent(b"nonsense") == no_json
    assert await sent(b'{"profile": "\xff"}') == no_json
    assert await sent(b"[" * 20_000) == no_json
    # deeper than anybody needs is no JSON of ours either
    assert await sent(b'{"a":' * 500 + b"1" + b"}" * 500) == no_json
    assert (await sent(b'{"a":' * 100 + b"1" + b"}" * 100))[0] == 422
    for wrong in (b"[]", b"null", b'"text"', b"1", json.dumps({**good, "more": 1}).encode()):
        status, detail = await sent(wrong)
        assert status == 422
        assert len(detail) < 1100
    status, detail = await sent(json.dumps({**good, "more": 1}).encode())
    assert detail == "more: Extra inputs are not permitted"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", "x"):
        assert await sent(b"{}", kind) == (415, f"Send application/json, not {kind!r}.")
    assert (await sent(b"{}", "multipart/form-data; boundary=x"))[0] == 400


async def test_the_hub_may_say_that_somebody_is_in_very_many_groups_and_others_may_not(control: ControlBed) -> None:
    groups = [f"{number:0200d}" for number in range(10_000)]
    asked = {"owner": "ana", "groups": groups, "kind": "session", "attempt_id": "1" * 32}
    assert (await control.call("POST", "leases", SECRET, body=asked)).status == 201
    assert (await control.call("POST", "placements", SECRET, body={"owner": "ana", "groups": groups})).status == 200
    for path in ("leases", "placements"):
        answer = await control.call("POST", path, SECRET, data=b"x" * (4 * 2**20 + 1))
        assert (answer.status, answer.detail) == (413, "The body has 4194305 bytes; at most 4194304 go here.")
        for token in (control.ana, control.admin, None):
            assert (await control.call("POST", path, token, data=b"x" * 65_537)).status == 413
    # where no groups are said, the hub has no more room than anybody
    answer = await control.call("PATCH", f"leases/{'0' * 32}", SECRET, data=b"x" * 65_537)
    assert answer.status == 413


@pytest.mark.parametrize(("method", "path", "who", "good"), BODIES, ids=IDS)
async def test_a_large_body_is_refused_where_small_ones_are_meant(
    control: ControlBed, method: str, path: str, who: str, good: dict[str, Any]
) -> None:
    answer = await control.call(method, path, token(control, who), body={"a": "x" * 2**20, **good})
    if path.endswith(("presign", "inventory")) or (path, who) == ("leases", "hub"):
        assert (answer.status, answer.detail) == (422, "a: Extra inputs are not permitted")
    else:
        assert answer.status == 413
        assert answer.detail.endswith("bytes; at most 65536 go here.")
    assert (await control.call(method, path, data=b"x" * 65_537)).status in (403, 413)


async def test_a_body_beyond_all_bounds_is_cut_off(control: ControlBed) -> None:
    answer = await control.call("POST", "datasets/open-sky/presign", control.ana, data=b" " * (2**21 + 1))
    assert (answer.status, answer.detail) == (413, "The body has 2097153 bytes; at most 2097152 go here.")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(control.url.rpartition(":")[2]))
    writer.write(f"PUT {PREFIX}api/v1/sites/esac/inventory HTTP/1.1\r\nHost: x\r\n".encode())
    writer.write(b"Content-Length: 100000000\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()


MISFITS: list[tuple[str, str, str, Any, str]] = [
    ("POST", "placements", "ana", {"datasets": "x"}, "datasets: Input should be a valid array"),
    ("POST", "placements", "ana", {"datasets": [1]}, "datasets.0: Input should be a valid string"),
    ("POST", "placements", "ana", {"without_home": "maybe"}, "without_home: Input should be a valid boolean"),
    ("POST", "placements", "ana", {"profile": {"$gt": ""}}, "profile: Input should be a valid string"),
    ("POST", "placements", "ana", {"site": "../x"}, "site: String should match pattern"),
    ("POST", "placements", "ana", {"datasets": ["a"] * 101}, "datasets: List should have at most 100 items"),
    ("POST", "placements", "ana", {"profile": "moon"}, "There is no profile 'moon'; choose from standard."),
    ("POST", "placements", "ana", {"site": "moon"}, "There is no site 'moon'; choose from cloud-eu, esac."),
    ("POST", "placements", "ana", {"datasets": ["moon"]}, "There is no dataset 'moon' that you may read."),
    ("POST", "placements", "ana", {"datasets": ["staff-only"]}, "There is no dataset 'staff-only' that you may"),
    ("POST", "placements", "hub", {}, "owner: the hub must say for whom it asks."),
    ("POST", "leases", "hub", {**GOOD_LEASE, "owner": ""}, "owner: String should have at least 1 character"),
    ("POST", "leases", "hub", {**GOOD_LEASE, "owner": "a\nb"}, "owner: String should match pattern"),
    ("POST", "leases", "hub", {**GOOD_LEASE, "name": "a\0b"}, "name: String should match pattern"),
    ("POST", "leases", "hub", {**GOOD_LEASE, "attempt_id": "1"}, "attempt_id: String should match pattern"),
    ("POST", "leases", "hub", {**GOOD_LEASE, "kind": "moon"}, "kind: Input should be 'session', 'cluster'"),
    ("POST", "leases", "hub", {"kind": "session", "attempt_id": ATTEMPT}, "owner: Field required"),
    ("PATCH", f"leases/{ATTEMPT}", "hub", {"state": "offered"}, "state: Input should be 'starting', 'active'"),
    ("PATCH", f"leases/{ATTEMPT}", "hub", {"state": "starting"}, "site: say where it is starting."),
    ("PATCH", f"leases/{ATTEMPT}", "hub", {"state": "ended", "reason": "x" * 2001}, "reason: String should have"),
    ("PUT", "sites/esac/inventory", "hub", {"observed_at": "noon", "reachable": True}, "observed_at: Input should"),
    (
        "PUT",
        "sites/esac/inventory",
        "hub",
        {"observed_at": "2026-03-01T12:00:00", "reachable": True},
        "observed_at: Input should have timezone info",
    ),
    (
        "PUT",
        "sites/esac/inventory",
        "hub",
        {"observed_at": "0001-01-01T00:00:00Z", "reachable": True},
        "observed_at: Input should be greater than or equal to 1970",
    ),
    (
        "PUT",
        "sites/esac/inventory",
        "hub",
        {"observed_at": NOON, "reachable": True, "homes": [{"owner": "a", "used_bytes": 2**63, "measured_at": NOON}]},
        "homes.0.used_bytes: Input should be less than or equal to",
    ),
    (
        "PUT",
        "sites/esac/inventory",
        "hub",
        {"observed_at": "2027-03-01T12:00:00Z", "reachable": True},
        "observed_at lies in the future: set the clocks of hub and control.",
    ),
    (
        "PUT",
        "sites/esac/inventory",
        "hub",
        {"observed_at": "2026-03-01T12:00:00Z", "reachable": True, "attempts": [{"attempt_id": "x", "owned": 1}]},
        "attempts.0.attempt_id: String should match pattern",
    ),
    ("POST", "datasets/open-sky/credentials", "ana", {"replica": 1}, "replica: Input should be a valid string"),
    ("POST", "datasets/open-sky/presign", "ana", {}, "paths: Field required"),
    ("POST", "datasets/open-sky/presign", "ana", {"paths": []}, "paths: List should have at least 1 item"),
    ("POST", "datasets/open-sky/presign", "ana", {"paths": ["a"] * 1001}, "paths: List should have at most 1000"),
    ("POST", "datasets/open-sky/presign", "ana", {"paths": [None]}, "paths.0: Input should be a valid string"),
]


async def test_a_body_that_does_not_fit_names_the_key_and_what_was_expected(control: ControlBed) -> None:
    for method, path, who, body, detail in MISFITS:
        answer = await control.call(method, path, token(control, who), body=body)
        assert (answer.status, answer.detail[: len(detail)]) == (422, detail)


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"owner": "bob"}, 403, "owner and groups are for the hub; yours are known."),
        ({"groups": ["staff"]}, 403, "owner and groups are for the hub; yours are known."),
        ({"profile": "large"}, 403, "Profile Large is for euclid only."),
    ],
)
async def test_a_user_does_not_ask_as_another(
    control: ControlBed, body: dict[str, Any], status: int, detail: str
) -> None:
    answer = await control.call("POST", "placements", control.ana, body=body)
    assert (answer.status, answer.detail) == (status, detail)


async def test_the_hub_asks_for_sessions_with_the_attempt_as_key(control: ControlBed) -> None:
    answer = await control.call("POST", "leases", SECRET, body={**GOOD_LEASE, "kind": "cluster"})
    assert (answer.status, answer.detail) == (403, "The hub asks for sessions, not for kind 'cluster'.")
    headers = {"Idempotency-Key": "2" * 32}
    answer = await control.call("POST", "leases", SECRET, body=GOOD_LEASE, headers=headers)
    assert (answer.status, answer.detail) == (422, "The Idempotency-Key is the attempt id.")


UNKNOWN = ["moon", "staff-only", "x" * 63, "-"]
CLIMBS = [
    "..",
    "%2e%2e",
    "..%2f..%2fsecrets",
    "%2e%2e%2f",
    ".",
    "a%00b",
    "A",
    "%ff",
    "%F0%9F",
    "a;b",
    "x" * 64,
    "é",
    "a/b",
]
DATASET_ROUTES = [("GET", ""), ("POST", "/credentials"), ("POST", "/presign")]


@pytest.mark.parametrize(("method", "tail"), DATASET_ROUTES)
async def test_a_dataset_that_is_not_there_for_this_user_is_not_there(
    control: ControlBed, method: str, tail: str
) -> None:
    body = {"paths": ["a"]} if tail == "/presign" else {} if tail else None
    for name in UNKNOWN:
        answer = await control.call(method, f"datasets/{name}{tail}", control.ana, body=body)
        assert (answer.status, answer.detail) == (404, f"There is no dataset {name!r} that you may read.")
    for name in CLIMBS:
        answer = await control.call(method, f"datasets/{name}{tail}", control.ana, body=body)
        assert answer.status in (400, 404), name
        assert answer.detail


async def test_an_id_that_is_none_leads_nowhere(control: ControlBed) -> None:
    for name in [*CLIMBS, "1" * 31, "1" * 33, "G" * 32]:
        for method, path, body in (
            ("GET", f"leases/{name}", None),
            ("PATCH", f"leases/{name}", {"state": "ended"}),
            ("PUT", f"sites/{name}/inventory", BODIES[3][3]),
        ):
            answer = await control.call(method, path, SECRET, body=body)
            assert (answer.status in (400, 404), bool(answer.detail)) == (True, True), name


async def test_an_address_without_a_route_is_a_problem_too(control: ControlBed) -> None:
    for path in ("", "nothing", "../../etc/passwd", "%2e%2e/%2e%2e/", "leases/", "sites/x", "health/x"):
        for caller in (None, control.ana, SECRET):
            answer = await control.call("GET", path, caller)
            assert (answer.status, answer.detail) == (404, "There is nothing at this address."), path


async def test_a_method_that_is_not_there_is_a_problem_too(control: ControlBed) -> None:
    for method in ("DELETE", "PUT", "PATCH", "OPTIONS"):
        for path in ("sites", "quotas", "datasets", "leases", "placements", "datasets/open-sky", "health"):
            answer = await control.call(method, path, control.ana)
            assert (answer.status, answer.detail) == (405, "Method Not Allowed."), (method, path)


async def test_a_path_that_could_lead_elsewhere_gets_no_address(control: ControlBed) -> None:
    for path in ("../secrets", "/etc/passwd", "a/../../b", "..", "a//b", "a\\b", "a\0b", "a\nb", "."):
        answer = await control.call("POST", "datasets/open-sky/presign", control.ana, body={"paths": ["good", path]})
        assert (answer.status, answer.detail[:9]) == (400, "The path "), path


async def test_a_path_is_at_most_as_long_as_a_key(control: ControlBed) -> None:
    answer = await control.call("POST", "datasets/open-sky/presign", control.ana, body={"paths": ["é" * 1000]})
    assert (answer.status, answer.detail) == (400, "A path stands for a key of at most 1024 bytes.")


async def test_a_limit_is_a_small_number(control: ControlBed) -> None:
    for limit in ("0", "-1", "1001", "x", "1e2", "", "9" * 5000, "١"):
        for path in ("leases", "datasets"):
            answer = await control.get(path, control.ana, limit=limit)
            assert (answer.status, answer.detail) == (400, "limit is a number from 1 to 1000."), limit


def cursor(content: Any) -> str:
    return base64.urlsafe_b64encode(content if isinstance(content, bytes) else json.dumps(content).encode()).decode()


NO_CURSORS = ["x", "====", "é", *map(cursor, ({"a": 1}, [1, 2], "text", b"\xff\xfe", b"[" * 20_000, None))]
NO_PLACES = [
    [],
    ["2026-03-01T12:00:00+00:00"],
    ["yesterday", "x"],
    *([NOON, text] for text in ("x", "", "0\0", "\ud800")),
    ["0001-01-01T00:00:00+14:00", "x"],
    ["9999-12-31T23:59:59-14:00", "x"],
]


async def test_a_cursor_is_one_of_ours(control: ControlBed) -> None:
    asked = [(path, text) for path in ("leases", "datasets") for text in NO_CURSORS]
    for path, text in [*asked, *(("leases", cursor(place)) for place in NO_PLACES)]:
        answer = await control.get(path, control.ana, cursor=text)
        assert (answer.status, answer.detail) == (400, "Take `cursor` from the `next` of the page before."), text


async def test_a_query_that_is_no_utf8_is_refused(control: ControlBed) -> None:
    for name in ("q", "limit", "site", "group", "cursor"):
        answer = await control.get(f"datasets?{name}=%ff", control.ana)
        assert (answer.status, bool(answer.detail)) == (400, True), name


async def test_what_the_hub_leaves_out_is_named(control: ControlBed) -> None:
    for path in ("sites", "profiles", "quotas", "datasets", "datasets/open-sky"):
        answer = await control.get(path, SECRET)
        assert (answer.status, answer.detail) == (400, "Missing argument user")


async def test_odd_text_is_searched_for_like_any_other(control: ControlBed) -> None:
    odd = ["<script>alert(1)</script>", "'; DROP TABLE leases; --", "{{7*7}}", "%s%s%n", "\u202e", "\U0001f30c" * 50]
    for text in odd:
        found = (await control.get("datasets", control.ana, q=text)).body
        assert (found["items"], found["next"]) == ([], None)
        assert (await control.get("datasets", control.ana, site=text)).status == 200
        assert (await control.get("leases", control.admin, owner=text)).body == {"items": [], "next": None}


async def test_answers_are_not_framed_sniffed_or_kept(control: ControlBed) -> None:
    for answer in (await control.get("sites", control.ana), await control.get("sites")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in answer.headers


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["owner", "groups", "kind", "name", "attempt_id", "profile", "datasets", "site", "state", "paths", "attempts"]
KEYS += [
    "quota",
    "subject",
    "limit",
    "reason",
    "expires",
    "starts",
    "stops_at",
    "reopens",
    "message",
    "minutes",
    "busy",
]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(BODIES), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4), st.booleans())
async def test_no_body_breaks_a_route(
    control: ControlBed, route: tuple[str, str, str, dict[str, Any]], odd: dict[str, Any], whole: bool
) -> None:
    method, path, who, good = route
    answer = await control.call(method, path, token(control, who), body={**(good if whole else {}), **odd})
    assert answer.status < 500
    assert answer.status < 400 or answer.detail
