"""F7: the API of a cluster has too much to do: it is asked again later, everybody gets a server, and no storm comes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.killing import new_user
from tests.support.kube_platform import KubePlatform, clusters, kube_platform

__all__ = ["clusters", "kube_platform"]


def test_a_rush_on_a_cluster_that_takes_little_is_served(clusters: KubePlatform) -> None:
    users = [new_user(clusters) for _ in range(12)]
    clusters.near.forget_requests()
    clusters.near.faults.requests_per_second = 15
    try:
        with ThreadPoolExecutor(len(users)) as pool:
            answers = list(pool.map(lambda user: clusters.ask(user, site="near").status_code, users))
    finally:
        clusters.near.faults.requests_per_second = None
    assert set(answers) <= {201, 202}
    clusters.wait("all servers", lambda: clusters.ready_servers() == len(users))
    assert len(clusters.pods("near")) == len(users)
    created = [each for each in clusters.near.requests if each.method == "POST" and each.path.endswith("/pods")]
    # one that is refused comes again after as long as it was told, not at once
    assert len(created) < 6 * len(users)
    for user in users:
        assert clusters.api.delete(f"users/{user}/server").status_code in (202, 204)
    clusters.wait("no pod", lambda: not clusters.pods())
