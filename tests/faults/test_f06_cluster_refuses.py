"""F6: the API of a cluster refuses: new sessions go elsewhere, running ones stay, one line tells of each change."""

from __future__ import annotations

import pytest

from tests.support.killing import new_user
from tests.support.kube_platform import KubePlatform, clusters, kube_platform

__all__ = ["clusters", "kube_platform"]


@pytest.mark.parametrize("fault", ["refuses", "401", "403"])
def test_starts_go_elsewhere_and_what_runs_is_untouched(clusters: KubePlatform, fault: str) -> None:
    before, running, new = clusters.log("hub"), new_user(clusters), new_user(clusters)
    assert clusters.ask(running, datasets=["sky"]).status_code == 201
    pods = clusters.pods("near").keys()
    if fault == "refuses":
        clusters.near.go_dark()
    else:
        clusters.near.faults.error(int(fault), times=None)
    try:
        clusters.wait("the site to be down", lambda: clusters.health(running, "near") == "down")
        assert clusters.ask(new, datasets=["sky"]).status_code == 201
        [lease] = clusters.leases_of(new)
        assert (lease["state"], lease["site"]) == ("active", "far")
        assert clusters.leases_of(running)[0]["state"] == "active"
        assert len(clusters.servers(running)) == 1
    finally:
        clusters.calm()
        if fault == "refuses":
            clusters.near.come_back()
    clusters.wait("the site to be up again", lambda: clusters.health(running, "near") == "up")
    assert clusters.pods("near").keys() == pods
    said = clusters.log("hub").removeprefix(before)
    assert said.count("site near does not tell what it runs") == 1
    assert said.count("site near tells what it runs again") == 1
    # its watches notice in their own time, perhaps after this test
    for words in ("does not tell of its pods", "tells of its pods again"):
        assert said.count(f"cluster near {words}") <= 1
    assert "Traceback" not in said
    for user in (running, new):
        assert clusters.api.delete(f"users/{user}/server").status_code == 204
