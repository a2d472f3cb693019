"""A site in networks of its own, which the hub reaches by its edge only, with the rights that the chart grants."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
from yarl import URL

from tests.support.helm import copy_charts, the
from tests.support.killing import new_user
from tests.support.kube import Rule, rules_of_role
from tests.support.netns_site import EDGE_NAME, HTTP_SECONDS, NAMESPACE, PUBLIC_NAME, RemotePlatform
from tests.support.site_network import SiteNetwork, why_not

#: A name that is another one in a path, and that no plain reading of a path takes.
USER = "zoë.o'neil@c.d"
HUB = f"system:serviceaccount:{NAMESPACE}:perijove-hub"


@pytest.fixture(scope="module")
def rights(tmp_path_factory: pytest.TempPathFactory) -> list[Rule]:
    charts = copy_charts(tmp_path_factory.mktemp("charts"))
    told = {"connect": "ingress", "namespace": {"name": NAMESPACE}}
    both = [charts.render("perijove-site", told | {"gatewayApi": by_gateway}) for by_gateway in (False, True)]
    return [rule for site in both for rule in rules_of_role(the(site, "Role", "perijove-hub"))]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, rights: list[Rule]) -> Iterator[RemotePlatform]:
    if reason := why_not():
        pytest.skip(reason)
    with SiteNetwork() as network:
        platform = RemotePlatform(tmp_path_factory.mktemp("bed"), network, rights)
        try:
            platform.start()
            yield platform
        finally:
            platform.stop()


def start(platform: RemotePlatform, user: str, site: str = "remote") -> None:
    """A session, once it is ready: a real server takes its time."""
    assert platform.ask(user, site=site).status_code in (201, 202)
    platform.wait("the session", lambda: platform.servers(user).get("", {}).get("ready"))


def made(platform: RemotePlatform) -> dict[str, int]:
    """How much of each the cluster holds of sessions."""
    resources = ("pods", "services", "ingresses", "httproutes")
    return {each: len(platform.cluster.objects(each, NAMESPACE)) for each in resources}


def refused_start(platform: RemotePlatform, user: str, site: str = "remote") -> str:
    """Why a start failed, as its user reads it at once and later; nothing of it is left, and its lease is closed."""
    before, leases = made(platform), platform.open_leases()
    answer = platform.ask(user, site=site)
    assert answer.status_code == 503
    sentence: str = answer.json()["message"]
    assert sentence.startswith(f"No site could start your server. {site.capitalize()}: ")
    assert (made(platform), platform.open_leases()) == (before, leases)
    [lease] = platform.leases_of(user)[:1]
    assert (lease["state"], lease["reason"]) == ("ended", sentence.partition("server. ")[2])
    return sentence


@pytest.fixture(scope="module")
def session(platform: RemotePlatform) -> Iterator[tuple[str, httpx.Client]]:
    """Whose session runs at the site, and who asks it through the platform's proxy."""
    platform.add_user(USER)
    start(platform, USER)
    token = platform.token(USER, "access:servers!user", "users:activity!user")
    # as a browser does, which has the platform's name and the path that the hub gives
    headers = {"Authorization": f"token {token}", "Host": PUBLIC_NAME}
    path = urlsplit(platform.servers(USER)[""]["url"]).path
    with httpx.Client(base_url=f"{platform.url}{path}", headers=headers, timeout=20) as asks:
        yield USER, asks


def test_a_session_is_reached_through_proxy_and_edge_with_its_path_kept(
    platform: RemotePlatform, session: tuple[str, httpx.Client]
) -> None:
    _, asks = session
    answer = asks.get("api/contents/")
    # it is the owner's, whom the server has found by asking the hub, from where it is
    assert answer.status_code == 200
    assert asks.get("api/contents/", headers={"Authorization": ""}).status_code == 403
    assert answer.headers["X-JupyterHub-Version"]
    [ingress] = platform.cluster.objects("ingresses", NAMESPACE)
    paths = {rule["host"]: [path["path"] for path in rule["http"]["paths"]] for rule in ingress["spec"]["rules"]}
    assert paths == {name: ["/user/zo%C3%AB.o%27neil@c.d/", f"/user/{USER}/"] for name in (EDGE_NAME, PUBLIC_NAME)}
    [pod] = platform.pods().values()
    [service] = platform.cluster.objects("services", NAMESPACE)
    for each in (ingress, service):
        assert [owner["uid"] for owner in each["metadata"]["ownerReferences"]] == [pod["metadata"]["uid"]]


async def test_a_websocket_passes(session: tuple[str, httpx.Client]) -> None:
    _, asks = session
    headers = {name: asks.headers[name] for name in ("Authorization", "Host")}
    async with (
        aiohttp.ClientSession(base_url=URL(str(asks.base_url), encoded=True), headers=headers) as http,
        http.ws_connect("api/events/subscribe") as events,
    ):
        assert (await http.get("api/contents/")).status == 200
        event = await events.receive_json(timeout=20)
    assert (event["action"], event["path"]) == ("get", "")


def test_the_pod_itself_is_out_of_reach(platform: RemotePlatform, session: tuple[str, httpx.Client]) -> None:
    [pod] = platform.pods().values()
    address = pod["status"]["podIP"]
    with pytest.raises(OSError, match=os.strerror(errno.EHOSTUNREACH)):
        socket.create_connection((address, 8888), 5)
    # it does listen: who is there reaches it
    there = ["ip", "netns", "exec", platform.network.node, sys.executable, "-c"]
    subprocess.run([*there, f"import socket; socket.create_connection(('{address}', 8888), 5)"], check=True)


def test_an_edge_that_is_down_while_the_hub_comes_up_ends_nothing(
    platform: RemotePlatform, session: tuple[str, httpx.Client]
) -> None:
    user, asks = session
    before = platform.pods()
    platform.edge.go_down()
    platform.kill("hub", signal.SIGKILL)
    platform.launch("hub")
    platform.wait("the hub to answer", platform.hub_is_up)
    until = time.monotonic() + 2 * HTTP_SECONDS  # longer than a hub waits for a server
    assert f"its edge https://{EDGE_NAME}:8443 takes no connection" in refused_start(platform, new_user(platform))
    time.sleep(max(0.0, until - time.monotonic()))
    assert platform.pods().keys() == before.keys() == platform.open_leases().keys()
    assert "" in platform.servers(user)
    platform.edge.come_back()
    platform.wait("the session to be ready", lambda: platform.ready_servers() == 1)
    assert platform.settled()
    platform.wait("the session to be reached", lambda: asks.get("api/contents/").status_code == 200)
    assert {each["metadata"]["uid"] for each in platform.pods().values()} == {
        each["metadata"]["uid"] for each in before.values()
    }


def test_an_edge_that_nobody_trusts_starts_nothing_and_ends_nothing(
    platform: RemotePlatform, session: tuple[str, httpx.Client]
) -> None:
    user, asks = session
    platform.edge.show_untrusted()
    platform.wait("the proxy to refuse the edge", lambda: asks.get("api/contents/").status_code == 503)
    sentence = refused_start(platform, new_user(platform))
    assert f"the certificate of its edge https://{EDGE_NAME}:8443 is not one that the hub can trust (" in sentence
    assert '"Edges with https"' in sentence
    assert platform.servers(user)[""]["ready"]
    platform.edge.show_trusted()
    platform.wait("the session to be reached", lambda: asks.get("api/contents/").status_code == 200)
    assert platform.settled()


def test_a_stop_takes_service_and_ingress_along(platform: RemotePlatform) -> None:
    user = new_user(platform)
    start(platform, user)
    path = f"/user/{user}/api"
    for name in (EDGE_NAME, PUBLIC_NAME):
        assert platform.edge.get(path, name).headers["X-JupyterHub-Version"]
    others = platform.pods().keys()
    assert platform.api.delete(f"users/{user}/server").status_code == 204

    def is_forgotten() -> bool:
        try:
            return platform.edge.get(path).status_code == 404
        except httpx.TransportError:  # until it is, the edge may wait for an address that is nobody's any more
            return False

    left = len(others) - 1
    gone = {"pods": left, "services": left, "ingresses": left, "httproutes": 0}
    platform.wait("pod, Service and Ingress to be gone", lambda: made(platform) == gone)
    platform.wait("the edge to know it no more", is_forgotten)


def test_behind_a_gateway_a_session_has_a_route_that_goes_with_it(platform: RemotePlatform) -> None:
    user = "o'neil@c.d"
    platform.add_user(user)
    start(platform, user, "gated")
    for name in (EDGE_NAME, PUBLIC_NAME):
        assert platform.edge.get("/user/o%27neil@c.d/api", name).headers["X-JupyterHub-Version"]
    headers = {"Authorization": f"token {platform.token(user, 'access:servers!user')}", "Host": PUBLIC_NAME}
    path = urlsplit(platform.servers(user)[""]["url"]).path
    assert httpx.get(f"{platform.url}{path}api/contents/", headers=headers, timeout=20).status_code == 200
    assert made(platform)["httproutes"] == 1
    assert platform.api.delete(f"users/{user}/server").status_code == 204
    platform.wait("the route to be gone", lambda: made(platform)["httproutes"] == 0)


def test_a_gateway_that_takes_no_route_says_so_on_the_page_of_the_start(platform: RemotePlatform) -> None:
    platform.edge.refuses_routes = True
    try:
        sentence = refused_start(platform, new_user(platform), "gated")
    finally:
        platform.edge.refuses_routes = False
    assert sentence.endswith(
        "its Gateway public does not take the session's route (NotAllowedByListeners: no listener lets routes of this "
        "namespace in)."
    )


def test_the_rights_of_the_chart_are_enough_and_what_the_edge_adds_is_used(
    platform: RemotePlatform, session: tuple[str, httpx.Client], rights: list[Rule]
) -> None:
    asked = [each for each in platform.cluster.requests if each.user == HUB]
    assert [each for each in asked if each.status in (401, 403)] == []
    used = {(each.verb, each.resource) for each in asked}
    granted = {(verb, resource) for rule in rights for verb in rule.verbs for resource in rule.resources}
    assert used <= granted
    of_edges = ("services", "ingresses", "httproutes")
    by_edge = {(verb, resource) for verb, resource in granted if resource in of_edges}
    assert by_edge == {*(("create", each) for each in of_edges), ("get", "httproutes")}
    assert by_edge <= used
