"""The path of a session at an edge: its forms, its HTTPRoute, and what a Gateway says of it."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_asyncio import client

from perijove_hub.policy.sites import GatewayRef
from perijove_hub.sites.kubernetes.routes import http_route, path_forms, refusal
from tests.support.gateway_api import ACCEPTED, parents

GATEWAY = GatewayRef(name="public")
METADATA = client.V1ObjectMeta(name="session-1")


@pytest.mark.parametrize(
    ("path", "forms"),
    [
        ("/user/ana/", ["/user/ana/"]),
        ("/user/a.b@c.d/", ["/user/a.b@c.d/"]),
        ("/user/o%27neil/", ["/user/o%27neil/", "/user/o'neil/"]),
        ("/user/%C3%BCnal/lab/", ["/user/%C3%BCnal/lab/", "/user/ünal/lab/"]),
        # what could end a path in a controller's configuration, and begin something else
        ("/user/ana/my%20lab/", ["/user/ana/my%20lab/"]),
        ("/user/ana/x%7B%7D%3B/", ["/user/ana/x%7B%7D%3B/"]),
        ("/user/ana/%0Areturn/", ["/user/ana/%0Areturn/"]),
        ("/user/ana/%22%60%24%5C/", ["/user/ana/%22%60%24%5C/"]),
        # it would be a path of somebody else
        ("/user/a%2Fna/", ["/user/a%2Fna/"]),
    ],
)
def test_a_path_is_given_as_it_is_sent_and_decoded_where_that_is_harmless(path: str, forms: list[str]) -> None:
    assert path_forms(path) == forms


@pytest.mark.parametrize(
    ("gateway", "parent"),
    [
        (GATEWAY, {"name": "public"}),
        (
            GatewayRef(name="public", namespace="edges", listener="https"),
            {"name": "public", "namespace": "edges", "sectionName": "https"},
        ),
    ],
)
def test_a_route_names_its_gateway_its_hosts_and_its_service(gateway: GatewayRef, parent: dict[str, str]) -> None:
    made = http_route(gateway, ["esac.example", "science.example"], "/user/o%27neil/", 8888, METADATA)
    assert made == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": METADATA,
        "spec": {
            "parentRefs": [parent],
            "hostnames": ["esac.example", "science.example"],
            "rules": [
                {
                    "matches": [
                        {"path": {"type": "PathPrefix", "value": "/user/o%27neil/"}},
                        {"path": {"type": "PathPrefix", "value": "/user/o'neil/"}},
                    ],
                    "backendRefs": [{"name": "session-1", "port": 8888}],
                    "timeouts": {"request": "0s"},
                }
            ],
        },
    }


def test_a_decoded_path_that_the_gateway_api_refuses_is_left_out() -> None:
    [rule] = http_route(GATEWAY, ["esac.example"], "/user/%C3%BCnal/", 8888, METADATA)["spec"]["rules"]
    assert [each["path"]["value"] for each in rule["matches"]] == ["/user/%C3%BCnal/"]


RESOLVED = ("True", "ResolvedRefs", "")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (parents("public", Accepted=ACCEPTED, ResolvedRefs=RESOLVED), None),
        (parents("public", Accepted=ACCEPTED), None),
        (
            parents("public", Accepted=("False", "NotAllowedByListeners", "no listener lets users in.")),
            "does not take the session's route (NotAllowedByListeners: no listener lets users in)",
        ),
        (
            parents("public", Accepted=ACCEPTED, ResolvedRefs=("False", "BackendNotFound", "")),
            "does not take the session's route (BackendNotFound)",
        ),
        (parents("public"), "does not say whether it takes the session's route"),
        (parents("public", Accepted=("Unknown", "Pending", "")), "does not say whether it takes the session's route"),
        (
            parents("another", Accepted=ACCEPTED),
            "does not take up the session's route; is it there, and does its controller run?",
        ),
        ({}, "does not take up the session's route; is it there, and does its controller run?"),
        (None, "does not take up the session's route; is it there, and does its controller run?"),
    ],
)
def test_what_a_gateway_says_of_a_route_is_told_in_plain_words(status: dict[str, Any] | None, said: str | None) -> None:
    assert refusal({} if status is None else {"status": status}, GATEWAY) == said


def test_one_listener_that_takes_a_route_is_enough() -> None:
    refused = parents("public", Accepted=("False", "NoMatchingListenerHostname", ""))
    taken = parents("public", Accepted=ACCEPTED)
    for first, second in ((refused, taken), (taken, refused)):
        assert refusal({"status": {"parents": [*first["parents"], *second["parents"]]}}, GATEWAY) is None
