"""What our services and servers may do with the hub's API, frozen; and that no user is taken for another."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from perijove_hub.hub import CONTROL_SCOPES, CONTROLLER_SCOPES, EXTRA_USER_SCOPES, SERVER_SCOPES
from perijove_hub.web.auth import ADMIN_SCOPE
from tests.support.bed import Bed
from tests.support.browser import Browser

FROZEN = json.loads((Path(__file__).parent / "frozen_scopes.json").read_text())
_numbers = itertools.count()


@pytest.fixture
def user(bed: Bed) -> str:
    name = f"scoped-{next(_numbers)}"
    bed.add_user(name)
    return name


def _as(bed: Bed, token: str) -> httpx.Client:
    return httpx.Client(base_url=bed.url, headers={"Authorization": f"token {token}"}, timeout=60)


def _scopes_of(bed: Bed, token: str) -> list[str]:
    with _as(bed, token) as client:
        scopes: list[str] = client.get("/hub/api/user").raise_for_status().json()["scopes"]
    return sorted(scopes)


def _server_token(bed: Bed, user: str) -> str:
    before = set(bed.session_processes())
    assert bed.ask(user).status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    return bed.session_processes()[attempt].environ()["JUPYTERHUB_API_TOKEN"]


# --- 36: what each holds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["control", "controller"])
def test_a_service_holds_what_is_frozen_and_no_more(bed: Bed, service: str) -> None:
    assert _scopes_of(bed, bed.service_token(service)) == FROZEN["held"][service]


def test_a_servers_token_holds_what_is_frozen_and_no_more(bed: Bed, user: str) -> None:
    held = [scope.replace(user, "USER") for scope in _scopes_of(bed, _server_token(bed, user))]
    assert held == FROZEN["held"]["server"]


def test_what_is_asked_for_in_the_configuration_is_frozen_too() -> None:
    assert FROZEN["asked"] == {
        "control": CONTROL_SCOPES,
        "controller": CONTROLLER_SCOPES,
        "server": SERVER_SCOPES,
        "user": EXTRA_USER_SCOPES,
        "admin pages": [ADMIN_SCOPE],
    }


def test_nobody_outside_the_hub_is_an_admin_of_it_or_inherits(bed: Bed, user: str) -> None:
    held = [scope for service in ("control", "controller") for scope in _scopes_of(bed, bed.service_token(service))]
    held += _scopes_of(bed, _server_token(bed, user))
    asked = [*CONTROL_SCOPES, *CONTROLLER_SCOPES, *SERVER_SCOPES, *EXTRA_USER_SCOPES]
    for scope in (*held, *asked):
        assert not scope.startswith(("admin", "inherit", "proxy", "shutdown", "custom:"))
        assert scope not in ("servers", "users", "groups", "access:servers")


# --- 36: that each is needed -----------------------------------------------------------------------------------------


def _list_users(client: httpx.Client, user: str) -> bool:
    return client.get("/hub/api/users").status_code == 200


def _see_groups(client: httpx.Client, user: str) -> bool:
    return "groups" in client.get(f"/hub/api/users/{user}").json()


def _see_name(client: httpx.Client, user: str) -> bool:
    return "name" in client.get(f"/hub/api/users/{user}").json()


def _see_activity(client: httpx.Client, user: str) -> bool:
    return "last_activity" in client.get(f"/hub/api/users/{user}").json()


def _see_servers(client: httpx.Client, user: str) -> bool:
    return "servers" in client.get(f"/hub/api/users/{user}").json()


def _start(client: httpx.Client, user: str) -> bool:
    return client.post(f"/hub/api/users/{user}/servers/mine").status_code == 201


def _stop(client: httpx.Client, user: str) -> bool:
    return client.delete(f"/hub/api/users/{user}/server").status_code == 204


def _delete(client: httpx.Client, user: str) -> bool:
    return client.delete(f"/hub/api/users/{user}").status_code == 204


def _make_token(client: httpx.Client, user: str) -> bool:
    return client.post(f"/hub/api/users/{user}/tokens", json={"scopes": []}).status_code == 201


def _tell_activity(client: httpx.Client, user: str) -> bool:
    said = {"last_activity": "2026-01-01T00:00:00Z"}
    return client.post(f"/hub/api/users/{user}/activity", json=said).status_code == 200


def _reach_server(client: httpx.Client, user: str) -> bool:
    # the server itself asks the hub whether whoever comes may
    return f"access:servers!server={user}/" in client.get("/hub/api/user").json()["scopes"]


def _reach_control(client: httpx.Client, user: str) -> bool:
    return client.get("/services/perijove/api/v1/quotas").status_code == 200


#: Of each scope, something that our processes do and that it takes.
DEEDS: dict[str, dict[str, Callable[[httpx.Client, str], bool]]] = {
    "like-control": {"read:users:groups": _see_groups, "read:users:name": _see_name},
    "like-controller": {
        "list:users": _list_users,
        "read:users": _see_activity,
        "read:servers": _see_servers,
        "delete:servers": _stop,
        "start:servers": _start,
        "delete:users": _delete,
        "tokens": _make_token,
    },
    "a server": {
        "users:activity!user": _tell_activity,
        "access:servers!server": _reach_server,
        "access:services!service=perijove": _reach_control,
    },
}
#: What a scope allows is allowed by another as well, which has to be left out with it.
ALSO_BY = {"read:users:name": "read:users:groups"}
NEEDED = [(who, scope) for who, deeds in DEEDS.items() for scope in deeds]


def test_every_scope_has_a_deed() -> None:
    asked = {"like-control": CONTROL_SCOPES, "like-controller": CONTROLLER_SCOPES, "a server": SERVER_SCOPES}
    assert {who: set(deeds) for who, deeds in DEEDS.items()} == {who: set(scopes) for who, scopes in asked.items()}


@pytest.mark.parametrize(("who", "scope"), NEEDED)
def test_without_one_scope_what_it_is_for_cannot_be_done(bed: Bed, user: str, who: str, scope: str) -> None:
    # an id of the server that the scope is filtered by, which the hub fills in for a server's own token
    named = {"access:servers!server": f"access:servers!server={user}/"}
    held = [named.get(each, each) for each in DEEDS[who]]
    owner = user if who == "a server" else who
    assert bed.ask(user).status_code == 201
    deed = DEEDS[who][scope]
    less = [each for each in held if each not in (named.get(scope, scope), ALSO_BY.get(scope))]
    with _as(bed, bed.token(owner, *less)) as client:
        assert not deed(client, user)
    with _as(bed, bed.token(owner, *held)) as client:
        assert deed(client, user)
    bed.wait("open leases = live servers", bed.settled)


# --- 35: names -------------------------------------------------------------------------------------------------------

FULL_WIDTH_A, CYRILLIC_A = "\uff41", "\u0430"
#: Names that are near to each other, to a path, or to nothing.
NAMES = [
    "A",
    "a",
    FULL_WIDTH_A,
    CYRILLIC_A,
    "a%2f",
    "a%2F..",
    ".",
    "..",
    "a/../b",
    "a b",
    " a",
    "a\0",
    "a.",
    "-",
    "~",
    "*",
    "(removed)",
]


def _path(name: str) -> str:
    # a dot that is not quoted would be taken out of the path on its way
    return quote(name, safe="").replace(".", "%2e")


def test_every_user_that_the_hub_has_gets_a_home_of_their_own_or_nothing(bed: Bed) -> None:
    for name in NAMES:
        bed.api.post("users", json={"usernames": [name]})
    known = {user["name"] for user in bed.api.get("users").json()}
    homes, refused = {}, []
    # the hub does not tell capitals from small letters
    for name in dict.fromkeys(name.lower() for name in NAMES):
        if name not in known:
            refused.append(name)
            continue
        before = set(bed.session_processes())
        answer = bed.api.post(f"users/{_path(name)}/server")
        started = set(bed.session_processes()) - before
        if answer.status_code == 201:
            homes[name] = {bed.session_processes()[attempt].environ()["HOME"] for attempt in started}
        else:
            assert (answer.status_code, started) == (400, set())
            refused.append(name)
    # the first four by the hub, the others by us
    assert refused == [".", "..", "a/../b", " a", "a\0", "*", "(removed)"]
    assert len(homes) == 9
    assert all(len(home) == 1 for home in homes.values())
    flat = [Path(*home) for home in homes.values()]
    assert len(set(flat)) == len(flat)
    roots = {bed.directory / "sites" / site / "homes" for site in ("near", "far")}
    assert {home.parent for home in flat} <= roots
    assert all(home.is_dir() and home.resolve() == home for home in flat)


@pytest.mark.parametrize(("spelling", "user"), [("A", "a"), ("a", "a"), (FULL_WIDTH_A, FULL_WIDTH_A)])
def test_a_login_is_as_the_user_whose_home_it_gets(bed: Bed, spelling: str, user: str) -> None:
    with Browser(bed, spelling) as browser:
        me = browser.client.get("/hub/api/user", headers={"Referer": f"{bed.url}/hub/home"})
    assert me.json()["name"] == user
