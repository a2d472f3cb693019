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

import aiohttp
import httpx
import pytest

from tests.support.helm import copy_charts, the
from tests.support.killing import new_user
from tests.support.kube import Rule, rules_of_role
from tests.support.netns_site import EDGE_NAME, HTTP_SECONDS, NAMESPACE, RemotePlatform
from tests.support.site_network import SiteNetwork, why_not

HUB = f"system:serviceaccount:{NAMESPACE}:perijove-hub"


@pytest.fixture(scope="module")
def rights(tmp_path_factory: pytest.TempPathFactory) -> list[Rule]:
    charts = copy_charts(tmp_path_factory.mktemp("charts"))
    site = charts.render("perijove-site", {"connect": "ingress", "namespace": {"name": NAMESPACE}})
    return rules_of_role(the(site, "Role", "perijove-hub"))


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


def start(platform: RemotePlatform) -> str:
    """A session of a new user, once it is ready: a real server takes its time."""
    user = new_user(platform)
    assert platform.ask(user).status_code in (201, 202)
    platform.wait("the session", lambda: platform.servers(user).get("", {}).get("ready"))
    return user


@pytest.fixture(scope="module")
def session(platform: RemotePlatform) -> Iterator[tuple[str, httpx.Client]]:
    """Whose session runs at the site, and who asks it through the platform's proxy."""
    user = start(platform)
    token = platform.token(user, "access:servers!user", "users:activity!user")
    headers = {"Authorization": f"token {token}"}
    with httpx.Client(base_url=f"{platform.url}/user/{user}/", headers=headers, timeout=20) as asks:
        yield user, asks


def test_a_session_is_reached_through_proxy_and_edge_with_its_path_kept(
    platform: RemotePlatform, session: tuple[str, httpx.Client]
) -> None:
    user, asks = session
    answer = asks.get("api/contents/")
    # it is the owner's, whom the server has found by asking the hub, from where it is
    assert answer.status_code == 200
    assert httpx.get(asks.base_url.join("api/contents/")).status_code == 403
    assert answer.headers["X-JupyterHub-Version"]
    [ingress] = platform.cluster.objects("ingresses", NAMESPACE)
    [rule] = ingress["spec"]["rules"]
    assert (rule["host"], [path["path"] for path in rule["http"]["paths"]]) == (EDGE_NAME, [f"/user/{user}/"])
    [pod] = platform.pods().values()
    [service] = platform.cluster.objects("services", NAMESPACE)
    for each in (ingress, service):
        assert [owner["uid"] for owner in each["metadata"]["ownerReferences"]] == [pod["metadata"]["uid"]]


async def test_a_websocket_passes(session: tuple[str, httpx.Client]) -> None:
    _, asks = session
    headers = {"Authorization": asks.headers["Authorization"]}
    async with (
        aiohttp.ClientSession(base_url=str(asks.base_url), headers=headers) as http,
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
    time.sleep(2 * HTTP_SECONDS)  # longer than a hub waits for a server
    assert platform.pods().keys() == before.keys() == platform.open_leases().keys()
    assert "" in platform.servers(user)
    platform.edge.come_back()
    platform.wait("the session to be ready", lambda: platform.ready_servers() == 1)
    assert platform.settled()
    platform.wait("the session to be reached", lambda: asks.get("api/contents/").status_code == 200)
    assert {each["metadata"]["uid"] for each in platform.pods().values()} == {
        each["metadata"]["uid"] for each in before.values()
    }


def test_a_stop_takes_service_and_ingress_along(platform: RemotePlatform) -> None:
    user = start(platform)
    path = f"{platform.edge.url}/user/{user}/api"
    assert httpx.get(path).headers["X-JupyterHub-Version"]
    others = platform.pods().keys()
    assert platform.api.delete(f"users/{user}/server").status_code == 204

    def left() -> set[int]:
        return {len(platform.cluster.objects(resource, NAMESPACE)) for resource in ("pods", "services", "ingresses")}

    def is_forgotten() -> bool:
        try:
            return httpx.get(path).status_code == 404
        except httpx.TransportError:  # until it is, the edge may wait for an address that is nobody's any more
            return False

    platform.wait("pod, Service and Ingress to be gone", lambda: left() == {len(others) - 1})
    platform.wait("the edge to know it no more", is_forgotten)


def test_the_rights_of_the_chart_are_enough_and_what_the_edge_adds_is_used(
    platform: RemotePlatform, session: tuple[str, httpx.Client], rights: list[Rule]
) -> None:
    asked = [each for each in platform.cluster.requests if each.user == HUB]
    assert [each for each in asked if each.status in (401, 403)] == []
    used = {(each.verb, each.resource) for each in asked}
    granted = {(verb, resource) for rule in rights for verb in rule.verbs for resource in rule.resources}
    assert used <= granted
    by_edge = {(verb, resource) for verb, resource in granted if resource in ("services", "ingresses")}
    assert by_edge == {("create", "services"), ("create", "ingresses")}
    assert by_edge <= used
