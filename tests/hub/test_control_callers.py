"""Who may call control: the hub by its secret, users by tokens and logins of the hub, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tornado.web import create_signed_value

from perijove.models import Inventory, LeaseRequest
from perijove_hub.admission.client import ControlClient
from perijove_hub.web import base
from tests.support.control_bed import PREFIX, SECRET, ControlBed, running_control
from tests.support.hub_api import ACCESS

LEASE = "leases/" + "0" * 32
INVENTORY = {"observed_at": "2026-03-01T11:59:00Z", "reachable": True}
ATTEMPT = {"owner": "ana", "kind": "session", "attempt_id": "1" * 32}
ACTIVITY = {"last_activity": "2026-03-01T11:59:00Z", "busy": False}
TOMORROW = "2026-03-02T12:00:00Z"
OVERRIDE = {
    "quota": "two-sessions",
    "subject": "user:ana",
    "limit": 3,
    "reason": "a course",
    "expires": TOMORROW,
}

#: Every route of the API that needs a caller, with a body that is right.
USER_ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "sites", None),
    ("GET", "gateways", None),
    ("GET", "profiles", None),
    ("GET", "quotas", None),
    ("POST", "placements", {}),
    ("GET", "leases", None),
    ("GET", LEASE, None),
    ("POST", f"{LEASE}/activity", ACTIVITY),
    ("POST", f"{LEASE}/keep", {}),
    ("POST", f"{LEASE}/stop", {}),
    ("GET", "usage", None),
    ("GET", "failures", None),
    ("GET", "notices", None),
    ("GET", "datasets", None),
    ("GET", "datasets/open-sky", None),
    ("POST", "datasets/open-sky/credentials", {}),
    ("POST", "datasets/open-sky/presign", {"paths": ["a"]}),
    ("POST", "datasets/nothing/presign-list", {}),
    ("GET", "datasets/earth.nothing/tree", None),
]
HUB_ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "leases", ATTEMPT),
    ("PATCH", LEASE, {"state": "ended"}),
    ("POST", f"{LEASE}/silence", {"since": TOMORROW}),
    ("PUT", "sites/esac/inventory", INVENTORY),
    ("GET", "news?user=ana&group=astro", None),
]
ADMIN_ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "overrides", None),
    ("POST", "overrides", OVERRIDE),
    ("DELETE", "overrides/99", None),
    ("GET", "closures", None),
    ("POST", "closures", {"site": "esac", "reason": "new disks"}),
    ("DELETE", "closures/99", None),
    ("GET", "announcements", None),
    ("POST", "announcements", {"message": "Hello all", "expires": TOMORROW}),
    ("DELETE", "announcements/99", None),
    ("GET", "limits/near", None),
    ("GET", "policy", None),
    ("DELETE", "users/zoe", None),
    ("POST", f"{LEASE}/extend", {"minutes": 60, "reason": "a long run"}),
    ("POST", f"{LEASE}/give-up", {"reason": "the rack burnt down"}),
]
GATEWAY_ROUTES: list[tuple[str, str, Any]] = [("PUT", "gateways/esac/inventory", INVENTORY)]
ROUTES = USER_ROUTES + HUB_ROUTES + ADMIN_ROUTES + GATEWAY_ROUTES


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog) as control:
        yield control


async def statuses(control: ControlBed, routes: list[tuple[str, str, Any]], token: str | None, **more: Any) -> set[Any]:
    """The answers of all routes; those that are errors must be problems with a sentence."""
    found = set()
    for method, path, body in routes:
        answer = await control.call(method, path, token, body=body, **more)
        if answer.status >= 400:
            assert answer.detail.endswith((".", "`.")), answer.detail
        found.add((method if token is None else "", answer.status))
    return found


async def test_the_table_of_these_tests_has_every_route_of_the_api(control: ControlBed) -> None:
    def matches(method: str, path: str) -> str:
        for number, rule in enumerate(control.app.wildcard_router.rules):
            if rule.matcher.regex.match(f"{PREFIX}api/v1/{path.partition('?')[0]}"):
                return f"{method} {number}"
        raise AssertionError(f"{path} has no route")

    there = {
        f"{method.upper()} {number}"
        for number, rule in enumerate(control.app.wildcard_router.rules)
        for method in ("get", "post", "put", "patch", "delete", "head", "options")
        if method in vars(rule.target) and rule.matcher.regex.pattern.startswith(f"{PREFIX}api/")
    }
    assert there - {matches("GET", "health")} == {matches(method, path) for method, path, _ in ROUTES}


async def test_a_user_reaches_what_is_for_users(control: ControlBed) -> None:
    assert await statuses(control, USER_ROUTES, control.ana) == {("", 200), ("", 404)}


async def test_nobody_reaches_anything_but_health(control: ControlBed) -> None:
    no_login = {("GET", 401), ("POST", 403), ("PATCH", 403), ("PUT", 403), ("DELETE", 403)}
    assert await statuses(control, ROUTES, None) == no_login
    assert (await control.get("health")).body == {
        "status": "ok",
        "policy_version": control.state.platform().version,
    }


@pytest.mark.parametrize("token", ["nonsense", SECRET[:-1], SECRET + "x", "ä".encode().decode("latin1")])
async def test_a_wrong_token_is_nobodys(control: ControlBed, token: str) -> None:
    assert {status for _, status in await statuses(control, ROUTES, token)} == {401}


async def test_a_hub_with_the_secret_of_before_reads_it_again_whatever_it_asks(control: ControlBed) -> None:
    for ask in (
        lambda hub: hub.ask(LeaseRequest.model_validate(ATTEMPT)),
        lambda hub: hub.report("esac", Inventory.model_validate(INVENTORY)),
        lambda hub: hub.sites("ana", ()),
    ):
        secrets = ["the secret of before", SECRET]
        hub = ControlClient(control.url + PREFIX, lambda secrets=secrets: secrets.pop(0), 5)
        assert await ask(hub)
        assert secrets == []
        await hub.close()


async def test_only_the_hub_reaches_what_is_for_the_hub(control: ControlBed) -> None:
    for token in (control.ana, control.admin):
        assert await statuses(control, HUB_ROUTES + GATEWAY_ROUTES, token) == {("", 403)}
    assert await statuses(control, GATEWAY_ROUTES, SECRET) == {("", 403)}
    assert await statuses(control, HUB_ROUTES, SECRET) == {("", 201), ("", 404), ("", 200)}
    for scheme in ("Bearer", "token", "TOKEN"):
        headers = {"Authorization": f"{scheme} {SECRET}"}
        assert (await control.call("PUT", "sites/esac/inventory", body=INVENTORY, headers=headers)).status == 200
    headers = {"Authorization": f"Basic {SECRET}"}
    assert (await control.call("PUT", "sites/esac/inventory", body=INVENTORY, headers=headers)).status == 401


async def test_only_admins_reach_what_is_for_admins(control: ControlBed) -> None:
    assert await statuses(control, ADMIN_ROUTES, control.admin) == {("", 200), ("", 201), ("", 404)}
    # the token of an admin's own server lacks the scope, whatever the hub says of the admin otherwise
    notebook = control.hub.add("root", scopes=(ACCESS, "access:servers!server=root/", "users:activity!user=root"))
    for token in (control.ana, control.bob, notebook, SECRET):
        before = [(await control.get(path, control.admin)).body for path in ("overrides", "closures", "announcements")]
        assert await statuses(control, ADMIN_ROUTES, token) == {("", 403)}
        after = [(await control.get(path, control.admin)).body for path in ("overrides", "closures", "announcements")]
        assert after == before


async def test_the_hub_does_not_speak_for_users(control: ControlBed) -> None:
    mine = [(method, path, body) for method, path, body in USER_ROUTES if path in ("usage", "failures", "notices")]
    mine += [(method, path, body) for method, path, body in USER_ROUTES if path.endswith(("/activity", "/keep"))]
    assert len(mine) == 5
    assert await statuses(control, mine, SECRET) == {("", 403)}


async def test_the_hubs_secret_is_told_without_asking_the_hub(control: ControlBed) -> None:
    control.hub.fault = "drop"
    await control.start("ana")
    assert control.hub.asked == []


@pytest.mark.parametrize(
    "model",
    [
        {"scopes": ()},
        {"scopes": ("access:servers", "access:services!service=other", "access:services!service=perijove2")},
        {"kind": "service"},
    ],
    ids=["no scope", "scopes of others", "a service"],
)
async def test_a_token_that_does_not_reach_this_service_is_refused(control: ControlBed, model: dict[str, Any]) -> None:
    token = control.hub.add("eva", **model)
    assert await statuses(control, ROUTES, token) == {("", 403)}
    assert (await control.get("sites", token)).detail == "This token does not reach this service."


async def test_a_token_for_all_services_reaches_this_one(control: ControlBed) -> None:
    assert (await control.get("sites", control.hub.add("eva", scopes=("access:services",)))).status == 200


async def test_a_token_in_the_address_is_refused(control: ControlBed) -> None:
    for method, path, body in ROUTES:
        answer = await control.call(method, f"{path}?token={control.ana}", body=body)
        assert answer.status == (401 if method == "GET" else 403)


@pytest.mark.parametrize("header", ["X-Forwarded-User", "X-Remote-User", "REMOTE_USER", "X-Forwarded-For", "Cookie"])
async def test_headers_that_name_a_user_name_nobody(control: ControlBed, header: str) -> None:
    assert (await control.call("GET", "leases", headers={header: "root"})).status == 401
    lease = (await control.start("bob"))["id"]
    answer = await control.call("GET", f"leases/{lease}", control.ana, headers={header: "bob"})
    assert answer.status == 404


@pytest.mark.parametrize("fault", [500, 502, 400, "drop", "html"])
async def test_a_hub_that_is_away_is_no_verdict_on_a_token(control: ControlBed, fault: Any) -> None:
    control.hub.fault = fault
    for method, path, body in ROUTES:
        answer = await control.call(method, path, control.ana, body=body)
        assert answer.status == 503
        assert answer.detail == "The hub cannot be asked who you are; try again in a moment."
        assert answer.headers["Retry-After"] == "2"
    control.hub.fault = None
    assert (await control.get("sites", control.ana)).status == 200


async def test_a_hub_that_is_slow_is_not_waited_for_long(control: ControlBed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "HUB_SECONDS", 0.2)
    control.hub.fault = "slow"
    assert (await control.get("sites", control.ana)).status == 503


async def test_the_hub_is_asked_once_in_half_a_minute_about_a_token(control: ControlBed) -> None:
    for _ in range(3):
        await control.get("sites", control.ana)
    assert control.hub.asked == ["/hub/api/user"]
    assert control.state.callers.hub_auth.cache_max_age == 30


OTHERS = ["quotas?user=", "leases?owner=", "usage?user=", "failures?owner="]


@pytest.mark.parametrize("path", [path + name for path in OTHERS for name in ("bob", "*", "")])
async def test_only_admins_ask_about_others(control: ControlBed, path: str) -> None:
    answer = await control.get(path, control.ana)
    assert answer.status == 403
    assert answer.detail.startswith("Only admins may ask about others with `")


async def test_an_admin_asks_about_others_and_the_hub_tells_their_groups(control: ControlBed) -> None:
    lease = (await control.start("bob", "staff"))["id"]
    assert [item["id"] for item in (await control.get("leases?owner=bob", control.admin)).body["items"]] == [lease]
    assert [item["owner"] for item in (await control.get("leases?owner=*", control.admin)).body["items"]] == ["bob"]
    assert (await control.get(f"leases/{lease}", control.admin)).body["owner"] == "bob"
    assert (await control.get("quotas?user=bob", control.admin)).body["items"][0]["used"] == 1
    answer = await control.get("quotas?user=nobody", control.admin)
    assert (answer.status, answer.detail) == (404, "The hub knows no user 'nobody'.")
    control.hub.fault = 500
    answer = await control.get("quotas?user=bob", control.admin)
    assert (answer.status, answer.detail) == (503, "The hub cannot be asked about this user now.")


@pytest.mark.parametrize("name", ["*", "(removed)"])
async def test_a_user_whose_name_stands_for_others_is_refused(control: ControlBed, name: str) -> None:
    await control.start("bob")
    token = control.hub.add(name)
    assert await statuses(control, ROUTES, token) == {("", 403)}
    sentence = "stands for others: ask an admin of the hub for another name."
    assert (await control.get("leases", token)).detail.endswith(sentence)
    page = await control.call("GET", PREFIX, headers={"Cookie": login(control, token)})
    assert (page.status, sentence in page.text) == (403, True)


async def test_a_notebook_of_an_admin_is_no_admin(control: ControlBed) -> None:
    notebook = control.hub.add("root", scopes=(ACCESS, "access:servers!server=root/", "users:activity!user=root"))
    assert (await control.get("leases?owner=*", notebook)).status == 403


async def test_another_users_lease_is_not_there(control: ControlBed) -> None:
    lease = (await control.start("bob"))["id"]
    answer = await control.get(f"leases/{lease}", control.ana)
    nothing = await control.get(f"leases/{'0' * 32}", control.ana)
    assert (answer.status, nothing.status) == (404, 404)
    assert answer.body["detail"].replace(lease, "ID") == nothing.body["detail"].replace("0" * 32, "ID")
    assert (await control.get("leases", control.ana)).body == {"items": [], "next": None}


def login(control: ControlBed, token: str) -> str:
    """The cookie that a browser has after a login."""
    value = create_signed_value(control.app.settings["cookie_secret"], "service-perijove", token)
    return f"service-perijove={value.decode()}"


async def test_a_browser_that_is_logged_in_may_look(control: ControlBed) -> None:
    answer = await control.call("GET", "sites", headers={"Cookie": login(control, control.ana)})
    assert answer.status == 200
    cookie = login(control, control.ana)
    forged = cookie[:-1] + ("1" if cookie.endswith("0") else "0")
    assert (await control.call("GET", "sites", headers={"Cookie": forged})).status == 401


async def test_a_browser_changes_nothing_without_its_xsrf_token(control: ControlBed) -> None:
    admins = login(control, control.admin)
    modes = ("no-cors", "navigate", "same-origin", "cors", "websocket")
    tries: list[dict[str, str]] = [{}, {"X-XSRFToken": "guess"}, {"Origin": "https://evil.example"}]
    tries += [{"Sec-Fetch-Mode": mode, "Sec-Fetch-Site": "cross-site"} for mode in modes]
    for method, path, body in ROUTES:
        if method == "GET":
            continue
        for cookie in (login(control, control.ana), admins):
            for headers in tries:
                answer = await control.call(method, path, body=body, headers={"Cookie": cookie, **headers})
                assert (answer.status, bool(answer.detail)) == (403, True), (method, path, headers)
    for path in ("overrides", "closures", "announcements"):
        assert (await control.get(path, control.admin)).body == {"items": [], "next": None}


async def test_a_page_sends_a_browser_to_the_login(control: ControlBed) -> None:
    answer = await control.get(PREFIX)
    assert answer.status == 302
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize?")


async def test_a_page_shows_what_is_the_users_own(control: ControlBed) -> None:
    await control.start("ana", name="<b>lab</b>")
    await control.start("bob", name="bobs")
    answer = await control.call("GET", PREFIX, headers={"Cookie": login(control, control.ana)})
    assert answer.status == 200
    assert "1 of 2 sessions" in answer.text
    assert "&lt;b&gt;lab&lt;/b&gt;" in answer.text
    assert "bobs" not in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_the_hubs_secret_is_no_login_for_pages(control: ControlBed) -> None:
    assert (await control.get(PREFIX, SECRET)).status == 403
