"""F10: a pod never comes up: the reason in plain words, the next cluster tried once, nothing held any more."""

from __future__ import annotations

import pytest

from tests.support.killing import new_user
from tests.support.kube import Fate, FateKind
from tests.support.kube_platform import KubePlatform, clusters, kube_platform

__all__ = ["clusters", "kube_platform"]

#: No more than these: three failures in a row take a site out.
FATES = [
    (Fate(FateKind.PENDING), "no node has enough free cores"),
    (Fate(FateKind.IMAGE_PULL), "its image cannot be fetched"),
]


def test_where_no_cluster_has_room_the_start_says_why_and_frees_what_it_held(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    for cluster in clusters.clusters.values():
        cluster.fates.add(Fate(FateKind.PENDING))
    quota = "the cluster's quota is used up"
    hard = {"metadata": {"name": "all"}, "spec": {"hard": {"pods": "0"}}}
    clusters.far.put("resourcequotas", "users", hard)
    try:
        clusters.ask(user, datasets=["sky"])
        clusters.wait("the start to be over", lambda: not clusters.servers(user))
    finally:
        clusters.far.delete("resourcequotas", "users", "all")
    with clusters.control_as(user) as control:
        [failure] = control.get("failures").json()["items"]
        limits = control.get("quotas").json()["items"]
    assert "Near: it did not come up within 10 s: no node has enough free cores; Far: " in failure["detail"]
    assert quota in failure["detail"]
    assert [limit["used"] for limit in limits] == [0]
    assert clusters.pods() == {}


@pytest.mark.parametrize(("fate", "reason"), FATES, ids=["no node", "image"])
def test_the_next_cluster_has_it(clusters: KubePlatform, fate: Fate, reason: str) -> None:
    user = new_user(clusters)
    clusters.near.fates.add(fate)
    assert clusters.ask(user, datasets=["sky"]).status_code in (201, 202)
    clusters.wait("the server", lambda: clusters.ready_servers() == 1)
    [lease] = clusters.leases_of(user)
    assert (lease["state"], lease["site"]) == ("active", "far")
    assert reason in clusters.log("hub")
    assert clusters.pods("near") == {}
    assert clusters.api.delete(f"users/{user}/server").status_code in (202, 204)
