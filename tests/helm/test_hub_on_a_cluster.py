"""What the charts render really starts a hub, which runs a session in a cluster with the rights that they grant."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.support.chart_bed import NAMESPACE, ChartBed
from tests.support.helm import Charts
from tests.support.killing import new_user
from tests.support.pod_security import violations


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory, charts: Charts) -> Iterator[ChartBed]:
    bed = ChartBed(tmp_path_factory.mktemp("bed"), charts)
    try:
        bed.start()
        yield bed
    finally:
        bed.stop()


def test_a_session_runs_in_the_namespace_of_users_and_passes_what_that_admits(bed: ChartBed) -> None:
    user = new_user(bed)
    assert bed.ask(user).status_code == 201
    [pod] = bed.pods()
    assert pod["metadata"]["namespace"] == NAMESPACE
    # by which zero-to-jupyterhub's policy lets it to the hub
    assert pod["metadata"]["labels"]["hub.jupyter.org/network-access-hub"] == "true"
    assert violations(pod) == []
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["enableServiceLinks"] is False
    [container] = pod["spec"]["containers"]
    # without a limit of memory the namespace's quota would refuse it
    assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
    with bed.control_as(user) as control:
        [lease] = control.get("leases").raise_for_status().json()["items"]
    assert (lease["site"], lease["state"]) == ("far", "active")
    assert bed.api.delete(f"users/{user}/server").status_code in (202, 204)
    bed.wait("no pod", lambda: not bed.pods())


def test_the_hub_is_refused_nothing_that_it_asks_of_the_cluster(bed: ChartBed) -> None:
    user = new_user(bed)
    assert bed.ask(user).status_code == 201
    assert bed.api.delete(f"users/{user}/server").status_code in (202, 204)
    bed.wait("no pod", lambda: not bed.pods())
    asked = bed.cluster.requests
    done = {(each.verb, each.resource) for each in asked}
    assert {("create", "pods"), ("delete", "pods"), ("watch", "pods"), ("create", "persistentvolumeclaims")} <= done
    assert [each for each in asked if each.status in (401, 403)] == []


def test_the_hub_ends_for_another_platform_file_and_comes_back_with_it_and_the_sessions(bed: ChartBed) -> None:
    user = new_user(bed)
    assert bed.ask(user).status_code == 201
    [before] = bed.pods()
    profiles = {
        "small": {"title": "Small", "cpu": 1, "memory_gib": 1},
        "new": {"title": "New", "cpu": 2, "memory_gib": 2},
    }
    bed.write_platform(profiles=profiles)
    bed.wait("the hub to end", lambda: bed.has_ended("hub"))
    bed.signal("control", signal.SIGHUP)  # as its Deployment starts it anew
    bed.launch("hub")
    bed.wait("the hub", bed.hub_is_up)
    bed.wait("the session to be found again", lambda: bed.ready_servers() == 1)
    assert [pod["metadata"]["uid"] for pod in bed.pods()] == [before["metadata"]["uid"]]
    assert bed.ask(user, "second", profile="new", without_home=True).status_code == 201
    assert len(bed.pods()) == 2
    for server in ("server", "servers/second"):
        assert bed.api.delete(f"users/{user}/{server}").status_code in (202, 204)
    bed.wait("no pod", lambda: not bed.pods())
