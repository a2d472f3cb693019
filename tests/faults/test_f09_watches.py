"""F9: watches break off, are too old, or bring events in disorder and twice: the hub's picture ends in the truth."""

from __future__ import annotations

import pytest

from tests.support.killing import new_user
from tests.support.kube import Fault, FaultKind, GapEnd
from tests.support.kube_platform import KubePlatform, clusters, kube_platform

__all__ = ["clusters", "kube_platform"]

WEATHER = [
    Fault(FaultKind.WATCH_GAP, gap_seconds=1.5, then=GapEnd.EXPIRED, times=2),
    Fault(FaultKind.WATCH_GAP, gap_seconds=1.5, then=GapEnd.ENDS, times=2),
    Fault(FaultKind.WATCH_DISORDER, times=6),
    Fault(FaultKind.WATCH_DUPLICATE, times=6),
    Fault(FaultKind.WATCH_CUT, times=3),
]


@pytest.mark.parametrize("fault", WEATHER, ids=lambda fault: f"{fault.kind}-{fault.then}")
def test_sessions_start_run_and_end_all_the_same(clusters: KubePlatform, fault: Fault) -> None:
    clusters.near.faults.add(fault)
    user, other = new_user(clusters), new_user(clusters)
    for each in (user, other):
        assert clusters.ask(each, site="near").status_code in (201, 202)
    clusters.wait("both servers", lambda: clusters.ready_servers() == 2)
    clusters.near.compact()
    clusters.near.cut_watches()
    assert clusters.api.delete(f"users/{user}/server").status_code in (202, 204)
    clusters.wait("one pod", lambda: len(clusters.pods("near")) == 1)
    clusters.wait("open leases = pods = servers", clusters.settled)
    assert clusters.leases_of(other)[0]["state"] == "active"
    assert clusters.api.delete(f"users/{other}/server").status_code in (202, 204)
