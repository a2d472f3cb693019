"""F12: a pod runs and its server does not answer, or somebody else does: it is not taken for running, and goes."""

from __future__ import annotations

import pytest

from tests.support.killing import new_user
from tests.support.kube_platform import KubePlatform, clusters, kube_platform

__all__ = ["clusters", "kube_platform"]


@pytest.mark.parametrize("profile", ["deaf", "stranger"])
def test_it_is_given_up_in_its_time_and_leaves_nothing(clusters: KubePlatform, profile: str) -> None:
    user = new_user(clusters)
    clusters.ask(user, profile=profile, site="near")
    clusters.wait("the start to be over", lambda: not clusters.servers(user))
    [lease] = clusters.leases_of(user)
    assert lease["state"] in ("ended", "failed")
    assert lease["cost"] == 0
    assert "the server did not answer within 10 s." in lease["reason"]
    clusters.wait("no pod", lambda: not clusters.pods())
