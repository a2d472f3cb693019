"""F8: a cluster answers late, fails now and then, or its answer is lost: what is made is made once."""

from __future__ import annotations

import pytest

from tests.support.killing import new_user
from tests.support.kube import Fault, FaultKind
from tests.support.kube_platform import KubePlatform, clusters, kube_platform

__all__ = ["clusters", "kube_platform"]


@pytest.mark.parametrize("fault", ["late", "now and then", "lost answer", "dropped"])
def test_one_session_is_one_pod_and_one_lease(clusters: KubePlatform, fault: str) -> None:
    user = new_user(clusters)
    if fault == "late":
        clusters.near.faults.add(Fault(FaultKind.DELAY, "create", "pods", delay_seconds=5, times=1))
    elif fault == "now and then":
        clusters.near.faults.error(500, times=None, every=5)
    elif fault == "lost answer":
        clusters.near.faults.add(Fault(FaultKind.LOST_ANSWER, "create", "*", times=2))
    else:
        clusters.near.faults.add(Fault(FaultKind.DROP, "create", "*", times=2))
    assert clusters.ask(user, site="near").status_code in (201, 202)
    clusters.wait("the server", lambda: clusters.ready_servers() == 1)
    assert len(clusters.pods("near")) == 1
    clusters.calm()
    clusters.wait("open leases = pods = servers", clusters.settled)
    assert clusters.api.delete(f"users/{user}/server").status_code in (202, 204)
    clusters.wait("no pod", lambda: not clusters.pods())
