"""What the controller asks of the hub, and what it makes of a hub that misbehaves."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from perijove_hub.controller.hub_client import HubClient, HubNotConfigured, HubRefused, HubUnavailable, Stopped
from tests.support.hub_api import FakeHub, running_hub


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with running_hub() as running:
        yield running


@pytest.fixture
async def client(hub: FakeHub) -> AsyncIterator[HubClient]:
    client = HubClient(hub.url, hub.own_token, request_seconds=0.3)
    yield client
    await client.close()


def run_server(hub: FakeHub, name: str, *groups: str, server: str = "") -> None:
    hub.add(name, *groups)
    hub.servers.add((name, server))


async def test_groups_are_those_of_users_with_servers(hub: FakeHub, client: HubClient) -> None:
    run_server(hub, "ana", "euclid", "staff")
    run_server(hub, "bob")
    hub.add("eva", "euclid")
    found = await client.groups_of({"ana", "bob", "eva", "nobody"})
    assert found == {"ana": frozenset({"euclid", "staff"}), "bob": frozenset()}


async def test_pages_are_read_until_all_are_found_and_no_further(hub: FakeHub, client: HubClient) -> None:
    for number in range(450):
        run_server(hub, f"user-{number}", "all")
    assert set(await client.groups_of({"user-0", "user-3"})) == {"user-0", "user-3"}
    assert hub.asked == ["/hub/api/users"]
    assert set(await client.groups_of({"user-0", "user-449"})) == {"user-0", "user-449"}
    assert len(hub.asked) == 4
    assert set(await client.groups_of({"user-1", "gone"})) == {"user-1"}
    assert len(hub.asked) == 7
    assert await client.groups_of(set()) == {}
    assert len(hub.asked) == 7


@pytest.mark.parametrize("fault", [403, 500, 503, "drop", "slow", "html"])
async def test_a_hub_that_fails_says_nothing_about_groups(hub: FakeHub, client: HubClient, fault: int | str) -> None:
    run_server(hub, "ana", "euclid")
    hub.fault = fault  # type: ignore[assignment]  # a literal, from the table
    with pytest.raises(HubUnavailable):
        await client.groups_of({"ana"})


async def test_a_token_that_may_not_read_groups_proves_no_loss(hub: FakeHub, client: HubClient) -> None:
    run_server(hub, "ana", "euclid")
    for model in hub.tokens.values():
        model["groups"] = None
    assert await client.groups_of({"ana"}) == {}


@pytest.mark.parametrize(
    ("name", "server"), [("ana", ""), ("ana", "big"), ("a/../b ?#%2F", ""), ("..", "."), ("é", "ü")]
)
async def test_a_server_is_stopped_by_its_name_whatever_that_is(
    hub: FakeHub, client: HubClient, name: str, server: str
) -> None:
    run_server(hub, name, server=server)
    assert await client.stop(name, server) is Stopped.DONE
    assert hub.stops == [(name, server)]
    assert hub.servers == set()


@pytest.mark.parametrize(("status", "answer"), [(202, Stopped.PENDING), (204, Stopped.DONE), (404, Stopped.UNKNOWN)])
async def test_what_the_hub_says_to_a_stop(hub: FakeHub, client: HubClient, status: int, answer: Stopped) -> None:
    hub.stop_answers["ana"] = status
    assert await client.stop("ana", "") is answer


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_a_hub_that_does_not_stop_a_server_says_so(hub: FakeHub, client: HubClient, status: int) -> None:
    hub.stop_answers["ana"] = status
    with pytest.raises(HubRefused, match=str(status)):
        await client.stop("ana", "")


@pytest.mark.parametrize(("fault", "is_certain"), [("drop", False), ("slow", False), (503, True)])
async def test_a_hub_that_does_not_answer_may_have_stopped_a_server(
    hub: FakeHub, client: HubClient, fault: int | str, is_certain: bool
) -> None:
    hub.fault = fault  # type: ignore[assignment]  # a literal, from the table
    with pytest.raises(HubUnavailable) as caught:
        await client.stop("ana", "")
    assert caught.value.is_certain is is_certain


async def test_a_hub_that_is_away_has_certainly_stopped_nothing() -> None:
    client = HubClient("http://127.0.0.1:9/hub/api", "token")
    with pytest.raises(HubUnavailable, match="cannot be reached") as caught:
        await client.stop("ana", "")
    assert caught.value.is_certain
    await client.close()


@pytest.mark.parametrize(
    ("url", "token", "sentence"),
    [
        ("", "", "JUPYTERHUB_API_URL and JUPYTERHUB_API_TOKEN must be set"),
        ("http://hub", "", "JUPYTERHUB_API_TOKEN must be set"),
        ("hub:8081", "t", "expected an address"),
    ],
)
def test_a_process_that_was_not_told_of_the_hub_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, url: str, token: str, sentence: str
) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_URL", url)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token)
    with pytest.raises(HubNotConfigured, match=sentence):
        HubClient.from_environment()
