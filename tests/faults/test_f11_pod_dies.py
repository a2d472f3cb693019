"""F11: a pod is evicted, killed for its memory, or its node is gone: noticed soon, told why, charged until then."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.support.browser import Browser
from tests.support.killing import new_user
from tests.support.kube import Fate, FateKind, Fault, FaultKind
from tests.support.kube_platform import KubePlatform, clusters, kube_platform

__all__ = ["clusters", "kube_platform"]

FATES = [
    (
        Fate(FateKind.OOM, after_seconds=2),
        "it used more memory than it has: choose a larger size, or load less at once",
    ),
    (Fate(FateKind.EVICTED, after_seconds=2), "its node has put it out: The node was low on resource: memory."),
    (Fate(FateKind.CRASH, after_seconds=2, exit_code=3), "its server ended with code 3"),
]


def died_at(clusters: KubePlatform, name: str) -> datetime | None:
    pod = clusters.near.object("pods", "users", name)
    for each in (pod or {"status": {}})["status"].get("containerStatuses", ()):
        if end := each["state"].get("terminated"):
            return datetime.fromisoformat(end["finishedAt"])
    return None


def ready_changed_at(clusters: KubePlatform, name: str) -> datetime:
    conditions = clusters.near.object("pods", "users", name)["status"]["conditions"]
    [ready] = [each for each in conditions if each["type"] == "Ready"]
    return datetime.fromisoformat(ready["lastTransitionTime"])


def my_sessions(browser: Browser) -> str:
    return browser.client.get("/services/perijove/").raise_for_status().text


@pytest.mark.parametrize(("fate", "reason"), FATES, ids=["memory", "evicted", "crash"])
def test_the_owner_reads_why_and_pays_no_longer(clusters: KubePlatform, fate: Fate, reason: str) -> None:
    user = new_user(clusters)
    clusters.near.fates.add(fate)
    # what is dead is cleared away at once: so late that this test sees it, too
    clusters.near.faults.add(Fault(FaultKind.DELAY, "delete", "pods", delay_seconds=2, times=None))
    assert clusters.ask(user, site="near").status_code == 201
    [started] = clusters.pods("near").values()
    clusters.wait("its death", lambda: died_at(clusters, started["metadata"]["name"]) is not None)
    death = died_at(clusters, started["metadata"]["name"])

    clusters.wait("its end", lambda: clusters.leases_of(user)[0]["state"] == "ended", seconds=60)

    [lease] = clusters.leases_of(user)
    assert lease["reason"].startswith(reason)
    # to the second in which it died, not to the look that found it
    assert death is not None
    assert abs((datetime.fromisoformat(lease["ended"]) - death).total_seconds()) <= 1
    clusters.wait("nothing left", lambda: not clusters.servers(user) and not clusters.pods())


def test_a_node_that_is_gone_takes_its_sessions_along_once_the_cluster_says_so(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    assert clusters.ask(user, site="near").status_code == 201
    [name] = [pod["metadata"]["name"] for pod in clusters.pods("near").values()]
    with Browser(clusters, user) as browser:
        clusters.near.lose_node("node-1")
        try:
            clusters.wait("a word to its owner", lambda: " has not answered since " in my_sessions(browser))
            silent_since = ready_changed_at(clusters, name)
            assert clusters.leases_of(user)[0]["state"] == "active"
            # the controller of nodes gives up what runs there; nobody on the node can confirm that
            clusters.near.delete("pods", "users", name, grace_seconds=2)
            clusters.wait("its end", lambda: clusters.leases_of(user)[0]["state"] == "ended", seconds=60)
        finally:
            clusters.near.find_node("node-1")
    [lease] = clusters.leases_of(user)
    assert lease["reason"] == "the node that it ran on is gone"
    assert abs((datetime.fromisoformat(lease["ended"]) - silent_since).total_seconds()) <= 1
    clusters.wait("nothing left", lambda: not clusters.pods())
