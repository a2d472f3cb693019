"""Sessions on a real control plane through a real hub, with the rights that a site's chart grants and no others."""

from __future__ import annotations

import base64
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster_platform import ClusterPlatform
from tests.support.control_plane import ControlPlane
from tests.support.helm import Charts, the
from tests.support.killing import new_user
from tests.support.kube.probe_target import pod
from tests.support.releases import Releases

NAMESPACE = "real-users"
SITE = {
    "site": "real",
    "namespace": {"name": NAMESPACE},
    "capacity": {"cpu": 100, "memory_gib": 40},  # more cores than the node has
    "connect": "pod",
    "network": {"ingressFrom": [{"ipBlock": {"cidr": "192.0.2.0/28"}}]},
}
#: How many homes there is a volume for.
HOMES = 8

PLATFORM = f"""\
admission: {{offer_seconds: 12, inventory_seconds: 0.4, sweep_seconds: 0.3, clock_margin_seconds: 0.1}}
sites:
  real: &site
    kind: kubernetes
    title: Real
    region: here
    kubeconfig: {{secret: real-kubeconfig}}
    namespace: {NAMESPACE}
    image: lab
    hub_api_url: HUB_API_URL
    # more than the quota has, so that it is what refuses
    capacity: {{cpu: 1000, memory_gib: 1000}}
    start_timeout_seconds: 20
  impatient:
    <<: *site
    title: Impatient
    start_timeout_seconds: 6
profiles:
  small: {{title: Small, cpu: 1, memory_gib: 1}}
  greedy: {{title: Greedy, cpu: 1, memory_gib: 30}}
  broad: {{title: Broad, cpu: 80, memory_gib: 1}}
placement: {{retries: 0}}
"""


class RealPlatform(ClusterPlatform[ControlPlane]):
    """A platform with sites in the real control plane, in the namespace that the chart has made."""

    def __init__(self, directory: Path, plane: ControlPlane, releases: Releases) -> None:
        super().__init__(directory, PLATFORM, {"real": plane}, NAMESPACE)
        self.plane = plane
        self._releases = releases
        self.token = ""

    def start(self) -> None:
        """Install the site, and give the hub the token that the cluster has made for it."""
        self._releases.install("perijove-site", SITE, namespace="real-site")
        secret = f"/api/v1/namespaces/{NAMESPACE}/secrets/perijove-hub-token"
        data = self.plane.target.until(lambda: self.plane.target.get(secret).get("data"))
        self.token = base64.b64decode(data["token"]).decode()
        self.plane.kubeconfig(self.directory / "secrets/real-kubeconfig", NAMESPACE, token=self.token)
        for number in range(HOMES):
            self.plane.target.make("/api/v1/persistentvolumes", volume(f"home-{number}"))
        super().start()

    def stop(self) -> None:
        """Remove all of it, and wait for the pods to end."""
        super().stop()
        self._releases.uninstall("perijove-site", "real-site")
        self.plane.target.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}")
        self.plane.target.gone(f"/api/v1/namespaces/{NAMESPACE}")

    def ask_as_hub(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """What the control plane says to the hub: the status, and a sentence where it refuses."""
        answer = self.plane.target.ask(method, path, body, token=self.token)
        return answer.status, answer.body.get("message", "")


def volume(name: str) -> dict[str, Any]:
    """A place for one home."""
    spec = {
        "capacity": {"storage": "20Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/nonexistent"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    return {"metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def platform(
    control_plane: ControlPlane, releases: Releases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealPlatform]:
    platform = RealPlatform(tmp_path_factory.mktemp("bed"), control_plane, releases)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()


def test_a_session_starts_is_polled_and_stops(platform: RealPlatform) -> None:
    user = new_user(platform)
    assert platform.ask(user, site="real").status_code == 201
    [pod] = platform.pods().values()
    assert platform.settled()
    assert pod["status"]["phase"] == "Running"
    [claim] = platform.plane.objects("persistentvolumeclaims", NAMESPACE)
    assert claim["status"]["phase"] == "Bound"
    assert platform.api.delete(f"users/{user}/server").status_code == 204
    platform.wait("no pod", lambda: not platform.pods())
    assert platform.plane.objects("persistentvolumeclaims", NAMESPACE) == [claim]
    platform.wait("no lease", platform.settled)


def test_a_hub_that_was_killed_finds_its_session_again_and_stops_it(platform: RealPlatform) -> None:
    user = new_user(platform)
    assert platform.ask(user, site="real").status_code == 201
    before = platform.pods()
    platform.kill("hub", signal.SIGKILL)
    platform.launch("hub")
    platform.wait("the hub to answer", platform.hub_is_up)
    platform.wait("the session to be ready", lambda: platform.ready_servers() == 1)
    assert {each["metadata"]["uid"] for each in platform.pods().values()} == {
        each["metadata"]["uid"] for each in before.values()
    }
    assert platform.api.delete(f"users/{user}/server").status_code == 204
    platform.wait("no pod and no lease", lambda: not platform.pods() and platform.settled())


def test_a_pod_that_somebody_deletes_is_noticed_and_its_lease_ends(platform: RealPlatform) -> None:
    user = new_user(platform)
    assert platform.ask(user, site="real").status_code == 201
    [pod] = platform.pods().values()
    platform.plane.target.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}")
    platform.wait("nothing to be left", lambda: not platform.pods() and platform.settled())
    [lease] = platform.leases_of(user)
    assert lease["ended"] is not None
    # the hub's poll and the inventory of the site race to tell it
    assert lease["reason"] in ("its pod was removed from the cluster", "real runs it no longer")


def test_a_session_above_the_quota_is_refused_in_words(platform: RealPlatform) -> None:
    user = new_user(platform)
    assert platform.ask(user, profile="greedy", site="real").status_code == 201  # fits once, and not twice
    assert platform.ask(user, "second", profile="greedy", site="real", without_home=True).status_code >= 400
    assert "it could not make the pod: the cluster's quota is used up" in platform.log("hub")
    assert platform.api.delete(f"users/{user}/server").status_code == 204
    platform.wait("nothing to be left", lambda: not platform.pods() and platform.settled())


def test_a_session_for_which_there_is_no_node_says_so_and_leaves_nothing(platform: RealPlatform) -> None:
    user = new_user(platform)
    assert platform.ask(user, profile="broad", site="impatient", without_home=True).status_code >= 400
    assert "it did not come up within 6 s: no node has enough free cores" in platform.log("hub")
    platform.wait("nothing to be left", lambda: not platform.pods() and platform.settled())


def test_the_token_is_good_for_what_the_role_says_and_for_nothing_else(platform: RealPlatform, charts: Charts) -> None:
    role = the(charts.render("perijove-site", SITE), "Role", "perijove-hub")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": NAMESPACE},
    }
    answer = platform.plane.target.ask(
        "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review, token=platform.token
    )
    # everybody may ask what he may do
    told = [each for each in answer.body["status"]["resourceRules"] if each["apiGroups"] != ["authorization.k8s.io"]]
    assert sorted(map(yaml.safe_dump, told)) == sorted(map(yaml.safe_dump, role["rules"]))

    ours, others = f"/api/v1/namespaces/{NAMESPACE}", "/api/v1/namespaces/default"
    status, why = platform.ask_as_hub("GET", f"{ours}/secrets")
    assert status == 403
    account = f"system:serviceaccount:{NAMESPACE}:perijove-hub"
    assert why == (
        f'secrets is forbidden: User "{account}" cannot list resource "secrets" in API group "" '
        f'in the namespace "{NAMESPACE}"'
    )
    for method, path, body in (
        ("GET", f"{ours}/secrets/perijove-hub-token", None),
        ("POST", f"{ours}/services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}),
        ("DELETE", f"{ours}/persistentvolumeclaims", None),
        ("GET", f"{others}/pods", None),
        ("POST", f"{others}/pods", pod("p")),
        ("GET", "/api/v1/pods", None),
        ("GET", "/api/v1/nodes", None),
    ):
        assert platform.ask_as_hub(method, path, body)[0] == 403, (method, path)
