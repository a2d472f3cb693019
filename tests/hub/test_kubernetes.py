"""Sessions in several clusters behind one hub: from the ask to the end, over real processes and the real protocol."""

from __future__ import annotations

import signal

from tests.support.killing import new_user
from tests.support.kube import Fate, FateKind
from tests.support.kube_platform import KubePlatform, clusters, kube_platform

__all__ = ["clusters", "kube_platform"]


def test_sessions_start_in_their_clusters_are_reached_and_end(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    assert clusters.ask(user, datasets=["sky"]).status_code == 201
    assert clusters.ask(user, "away", site="far", without_home=True).status_code == 201
    assert (len(clusters.pods("near")), len(clusters.pods("far"))) == (1, 1)
    assert clusters.settled()
    [pod] = clusters.pods("near").values()
    env = {each["name"]: each["value"] for each in pod["spec"]["containers"][0]["env"]}
    assert env["JUPYTERHUB_API_URL"] == clusters.hub_api_url
    assert env["PERIJOVE_SITE"] == "near"

    for server in ("server", "servers/away"):
        assert clusters.api.delete(f"users/{user}/{server}").status_code == 204
    clusters.wait("no pod", lambda: not clusters.pods())


def test_a_hub_that_was_killed_finds_its_sessions_again(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    assert clusters.ask(user, datasets=["sky"]).status_code == 201
    before = clusters.pods()
    clusters.kill("hub", signal.SIGKILL)
    clusters.launch("hub")
    clusters.wait("the hub to answer", clusters.hub_is_up)
    clusters.wait("the session to be ready", lambda: clusters.ready_servers() == 1)
    assert clusters.pods().keys() == before.keys()
    assert clusters.api.delete(f"users/{user}/server").status_code == 204


def test_a_pod_that_no_lease_knows_is_removed(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    assert clusters.ask(user, datasets=["sky"]).status_code == 201
    [pod] = clusters.pods("near").values()
    labels = pod["metadata"]["labels"] | {"perijove.io/attempt": "f" * 32}
    orphan = {"metadata": {"name": f"session-{'f' * 32}", "labels": labels}}
    clusters.near.put("pods", "users", {**orphan, "spec": {"containers": pod["spec"]["containers"]}})
    clusters.wait("the orphan to be gone", lambda: "f" * 32 not in clusters.pods())
    assert len(clusters.pods()) == 1
    assert clusters.api.delete(f"users/{user}/server").status_code == 204


def test_a_start_that_finds_no_room_goes_to_the_next_cluster_and_says_so(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    clusters.near.fates.add(Fate(FateKind.IMAGE_PULL))
    assert clusters.ask(user, datasets=["sky"]).status_code == 201
    [lease] = clusters.leases_of(user)
    assert (lease["state"], lease["site"]) == ("active", "far")
    assert "Near did not start attempt" in clusters.log("hub")
    assert "its image cannot be fetched: " in clusters.log("hub")
    assert clusters.pods("near") == {}
    assert clusters.api.delete(f"users/{user}/server").status_code == 204
