"""F14 and F15 with clusters: one that is dark at the start of the hub, and one that is cut off while sessions run."""

from __future__ import annotations

from tests.support.killing import new_user
from tests.support.kube_platform import KubePlatform, clusters, kube_platform

__all__ = ["clusters", "kube_platform"]


def test_a_hub_comes_up_beside_a_dark_cluster_and_forgets_nothing(clusters: KubePlatform) -> None:
    user, new = new_user(clusters), new_user(clusters)
    assert clusters.ask(user, site="near").status_code == 201
    pods = clusters.pods().keys()
    clusters.kill("hub")
    with clusters.near.dark():
        clusters.launch("hub")
        clusters.wait("the hub to answer", clusters.hub_is_up)
        clusters.wait("the site to be down", lambda: clusters.health(new, "near") == "down")
        assert clusters.ask(new).status_code == 201
        assert clusters.leases_of(new)[0]["site"] == "far"
        # unknown is not stopped
        assert clusters.leases_of(user)[0]["state"] == "active"
        assert len(clusters.servers(user)) == 1
    clusters.wait("the session to be back", lambda: clusters.ready_servers() == 2)
    assert clusters.pods("near").keys() == pods
    for each in (user, new):
        assert clusters.api.delete(f"users/{each}/server").status_code in (202, 204)


def test_a_session_that_is_cut_off_is_not_started_twice_and_heals(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    assert clusters.ask(user, datasets=["sky"]).status_code == 201
    pods = clusters.pods().keys()
    with clusters.near.dark():
        clusters.wait("the site to be down", lambda: clusters.health(user, "near") == "down")
        assert clusters.ask(user, datasets=["sky"]).status_code == 400  # it runs, as far as anybody knows
        assert len(clusters.servers(user)) == 1
        assert clusters.pods("far") == {}
    clusters.wait("the site to be up", lambda: clusters.health(user, "near") == "up")
    assert clusters.pods().keys() == pods
    assert clusters.api.delete(f"users/{user}/server").status_code in (202, 204)
