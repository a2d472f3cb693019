"""Our charts on a real control plane: installed, changed, taken back and removed by a real Helm."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiException, V1ObjectMeta

from perijove.models import Resources
from perijove_hub.policy.sites import GatewayRef, KubernetesSite
from perijove_hub.sites import Handle, SiteError, StartSpec, Status
from perijove_hub.sites.kubernetes import Cluster, KubernetesPods
from perijove_hub.sites.kubernetes.pods import pod_name
from perijove_hub.sites.kubernetes.routes import http_route
from tests.support.control_plane import ControlPlane
from tests.support.gateway_api import HTTP_ROUTES
from tests.support.helm import HelmRefused
from tests.support.kube.probe_target import Target, pod
from tests.support.releases import Releases

#: The ledger's database is named by a Secret, so that the migrations are a Job before everything else.
ON_A_DATABASE = {"database": {"existingSecret": "perijove-database"}, "control": {"replicas": 2}}
SITE = {"namespace": {"name": "far-users"}, "quota": {"headroomPercent": 0}, "limits": {"largest": {"cpu": 6}}}
SECRETS = "/api/v1/namespaces/{}/secrets/{}"


GATEWAY = {
    "address": "https://science.example/services/dask-near",
    "proxy_address": "gateway://science.example:8786",
    "secret": "gateway",
}
#: The gateway of the hub's own cluster, whose secrets the chart makes.
WITH_DASK = {
    "daskGateway": {"enabled": True, "site": "near"},
    "dask-gateway": {"gateway": {"image": {"name": "registry.example.org/perijove/gateway", "tag": "1"}}},
    "platform": {"sites": {"near": {"dask": GATEWAY}}},
}

BEHIND_AN_EDGE = {
    "kind": "kubernetes", "title": "Far", "region": "there", "capacity": {"cpu": 8, "memory_gib": 32},
    "namespace": "far-users", "image": "lab", "connect": "ingress",
    "ingress": {"host": "{site}.invalid", "timeout_seconds": 0.1}, "start_timeout_seconds": 20,
}  # fmt: skip


def secret(target: Target, namespace: str, name: str) -> dict[str, str]:
    """What a Secret holds."""
    data: dict[str, str] = target.get(SECRETS.format(namespace, name))["data"]
    return data


@pytest.fixture
def programs_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node has no images: what they hold is found in this environment."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.fixture(scope="module")
def site(control_plane: ControlPlane, releases: Releases) -> Iterator[str]:
    """A site, installed; its notes."""
    notes = releases.install("perijove-site", SITE)
    control_plane.target.until(
        lambda: control_plane.target.get(SECRETS.format("far-users", "perijove-hub-token")).get("data")
    )
    yield notes
    if control_plane.target.ask("GET", "/api/v1/namespaces/far-users").status == 200:
        control_plane.target.ask("DELETE", "/api/v1/namespaces/far-users")
        control_plane.target.gone("/api/v1/namespaces/far-users")


@pytest.fixture(scope="module", autouse=True)
def gateway_api(control_plane: ControlPlane) -> Iterator[str]:
    """Its definition; where the routes of the site are."""
    definitions, name = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", HTTP_ROUTES["metadata"]["name"]
    routes = "/apis/gateway.networking.k8s.io/v1/namespaces/far-users/httproutes"
    control_plane.target.make(definitions, HTTP_ROUTES)
    control_plane.target.until(lambda: control_plane.target.ask("GET", routes).status == 200)
    yield routes
    control_plane.target.ask("DELETE", f"{definitions}/{name}")


@pytest.fixture
def kubeconfig(site: str, releases: Releases, control_plane: ControlPlane, tmp_path: Path) -> str:
    """What the hub gets of who follows the notes."""
    releases.follow_notes(site, tmp_path)
    assert list(tmp_path.iterdir()) == []  # no copy of the token is left
    given = secret(control_plane.target, "perijove-hub", "perijove-kubeconfigs")["far-kubeconfig"]
    return base64.b64decode(given).decode()


# -- a site


async def test_the_notes_of_a_site_give_the_hub_a_way_into_it(kubeconfig: str) -> None:
    cluster = Cluster("far", lambda: kubeconfig)
    try:
        await cluster.connect()
        core = cluster.api("CoreV1Api")
        assert (await core.list_namespaced_pod("far-users")).items == []
        with pytest.raises(ApiException, match="403"):
            await core.list_namespaced_secret("far-users")
        with pytest.raises(ApiException, match="403"):
            await core.list_namespaced_pod("default")
    finally:
        await cluster.close()


@pytest.mark.parametrize(
    ("edge", "resource"),
    [
        ({}, "networking.k8s.io/v1/namespaces/far-users/ingresses"),
        ({"gateway": {"name": "public"}}, "gateway.networking.k8s.io/v1/namespaces/far-users/httproutes"),
    ],
    ids=["an ingress controller", "a Gateway"],
)
async def test_a_session_behind_an_edge_gets_its_service_and_path_and_takes_them_along(
    kubeconfig: str, control_plane: ControlPlane, releases: Releases, edge: dict[str, Any], resource: str
) -> None:
    if edge:
        releases.upgrade("perijove-site", SITE, {"gatewayApi": True})
    policy = KubernetesSite.model_validate(BEHIND_AN_EDGE | {"ingress": BEHIND_AN_EDGE["ingress"] | edge})
    site = KubernetesPods("far", policy, Cluster("far", lambda: kubeconfig), "http://192.0.2.1/hub/api")
    spec = StartSpec("ana", ["sleep", "300"], {}, Resources(cpu=1, memory_gib=0.5), "/user/o%27neil/", home_site=None)

    def made() -> list[str]:
        services = control_plane.objects("services", "far-users")
        return [
            each["metadata"]["name"] for each in (*services, *control_plane.target.get(f"/apis/{resource}")["items"])
        ]

    try:
        handle = Handle("far", "a" * 32, "")
        with pytest.raises(SiteError, match=r"its edge https://far\.invalid"):  # the one thing that is not there
            await site.start(spec, "a" * 32)
        assert made() == [pod_name("a" * 32)] * 2
        assert await site.poll(handle) is Status.RUNNING
        await site.stop(handle)
        assert await site.poll(handle) is Status.STOPPED
        control_plane.target.until(lambda: not made())
    finally:
        await site.close()
        if edge:
            releases.rollback("perijove-site", 1)


def test_a_path_that_is_not_as_it_is_sent_is_no_route(site: str, gateway_api: str, control_plane: ControlPlane) -> None:
    told = (GatewayRef(name="public"), ["far.invalid"], "/user/ana/", 8888, V1ObjectMeta(name="r"))
    route = http_route(*told) | {"metadata": {"name": "r"}}
    route["spec"]["rules"][0]["matches"][0]["path"]["value"] = "/user/ünal/"
    assert control_plane.target.ask("POST", gateway_api, route).status == 422


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"cpu": "7", "memory": "1Gi"}, "maximum cpu usage per Container is 6"),
        ({"cpu": "5", "memory": "20Gi"}, "exceeded quota: perijove-site"),
        ({"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}, "exceeded quota: perijove-site"),
    ],
    ids=["a container too large", "a pod beside which there is no room", "a GPU"],
)
def test_the_namespace_refuses_what_is_above_the_capacity(
    site: str, control_plane: ControlPlane, asked: dict[str, str], why: str
) -> None:
    target, path = control_plane.target, "/api/v1/namespaces/far-users"
    target.until(lambda: target.get(f"{path}/resourcequotas/perijove-site")["status"].get("hard"))
    token = control_plane.account_token("far-users", "perijove-hub")
    fits = {"resources": {"limits": {"cpu": "4", "memory": "20Gi"}}}
    assert target.ask("POST", f"{path}/pods", pod("fits", container=fits), token=token).status == 201
    refused = target.ask("POST", f"{path}/pods", pod("p", container={"resources": {"limits": asked}}), token=token)
    assert refused.error == (403, "Forbidden")
    assert why in refused.body["message"]
    assert target.ask("DELETE", f"{path}/pods/fits", token=token, gracePeriodSeconds=0).status == 200
    used = "/".join((path, "resourcequotas/perijove-site"))
    target.until(lambda: target.get(used)["status"]["used"]["pods"] == "0")


def test_a_container_that_says_nothing_gets_a_small_request(site: str, control_plane: ControlPlane) -> None:
    target, path = control_plane.target, "/api/v1/namespaces/far-users/pods"
    made = target.ask("POST", path, pod("silent"), dryRun="All").body
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "100m", "memory": "256Mi"}


def test_a_site_s_token_outlives_changes_and_ends_with_the_release(
    site: str, releases: Releases, control_plane: ControlPlane
) -> None:
    target, path = control_plane.target, "/api/v1/namespaces/far-users"
    role = "/apis/rbac.authorization.k8s.io/v1/namespaces/far-users/roles/perijove-hub"
    before = secret(target, "far-users", "perijove-hub-token")
    token = base64.b64decode(before["token"]).decode()
    smaller = {"capacity": {"cpu": 2, "memory_gib": 4}, "connect": "pod", "limits": {"largest": {"cpu": 1}}}
    peers = {"network": {"ingressFrom": [{"ipBlock": {"cidr": "192.0.2.0/28"}}]}}

    def told() -> tuple[str, int]:
        return target.get(f"{path}/resourcequotas/perijove-site")["spec"]["hard"]["requests.cpu"], len(
            target.get(role)["rules"]
        )

    first = told()
    releases.upgrade("perijove-site", SITE, smaller, peers)
    # a hub that needs no Ingress may make none
    assert (first, told()) == (("8", 6), ("2", 4))
    assert secret(target, "far-users", "perijove-hub-token") == before
    releases.rollback("perijove-site", 1)
    assert told() == first
    assert secret(target, "far-users", "perijove-hub-token") == before
    assert target.ask("GET", f"{path}/pods", token=token).status == 200

    home = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    target.make(f"{path}/persistentvolumeclaims", {"metadata": {"name": "home-ana"}, "spec": home})
    releases.uninstall("perijove-site")
    target.until(lambda: target.ask("GET", f"{path}/pods", token=token).status == 401)
    assert target.ask("GET", role).status == 404
    assert target.get(path)["status"]["phase"] == "Active"
    assert [each["metadata"]["name"] for each in control_plane.objects("persistentvolumeclaims", "far-users")] == [
        "home-ana"
    ]


# -- the platform


def test_secrets_are_made_once_and_differ_between_platforms(releases: Releases, control_plane: ControlPlane) -> None:
    target = control_plane.target

    def made(namespace: str) -> dict[str, dict[str, str]]:
        return {name: secret(target, namespace, name) for name in ("perijove-secrets", "perijove-dask")}

    for namespace in ("perijove", "perijove-two"):
        releases.install("perijove", WITH_DASK, namespace=namespace)
    before, others = made("perijove"), made("perijove-two")
    values = [value for each in (before, others) for data in each.values() for value in data.values()]
    assert len(values) == len(set(values)) == 6
    assert all(len(base64.b64decode(value)) == 64 for value in values)
    releases.upgrade("perijove", WITH_DASK, {"control": {"annotations": {"changed": "yes"}}})
    assert made("perijove") == before
    releases.rollback("perijove", 1)
    assert made("perijove") == before
    assert made("perijove-two") == others
    for namespace in ("perijove", "perijove-two"):
        releases.uninstall("perijove", namespace)
        # who used what is in it
        [kept] = control_plane.objects("persistentvolumeclaims", namespace)
        assert kept["metadata"]["name"] == "perijove-ledger"
        assert target.ask("GET", SECRETS.format(namespace, "perijove-secrets")).status == 404


@pytest.mark.usefixtures("programs_of_images")
def test_the_ledger_is_migrated_before_anything_else_changes(
    releases: Releases, control_plane: ControlPlane, tmp_path: Path
) -> None:
    target, path = control_plane.target, "/api/v1/namespaces/perijove-db"
    deployment = "/apis/apps/v1/namespaces/perijove-db/deployments/perijove-control"
    ledger = tmp_path / "ledger.sqlite"
    target.make("/api/v1/namespaces", {"metadata": {"name": "perijove-db"}})
    told = {"metadata": {"name": "perijove-database"}, "stringData": {"url": f"sqlite+aiosqlite:///{ledger}"}}
    target.make(f"{path}/secrets", told)

    releases.install("perijove", ON_A_DATABASE, namespace="perijove-db")
    assert ledger.exists()
    before = target.get(deployment)
    assert before["spec"]["replicas"] == 2

    broken = {"stringData": {"url": "sqlite+aiosqlite:////nowhere/ledger.sqlite"}}
    target.patch(f"{path}/secrets/perijove-database", broken)
    changed = {"control": {"replicas": 3}, "migrations": {"timeoutSeconds": 30}}
    with pytest.raises(HelmRefused, match="pre-upgrade hooks failed"):
        releases.upgrade("perijove", ON_A_DATABASE, changed, namespace="perijove-db")
    assert target.get(deployment)["spec"] == before["spec"]
    # its log says why
    assert "perijove-migrations" in {
        each["metadata"]["name"] for each in target.get("/apis/batch/v1/namespaces/perijove-db/jobs")["items"]
    }

    target.patch(f"{path}/secrets/perijove-database", {"stringData": told["stringData"]})
    releases.upgrade("perijove", ON_A_DATABASE, {"control": {"replicas": 3}}, namespace="perijove-db")
    assert target.get(deployment)["spec"]["replicas"] == 3
    releases.uninstall("perijove", "perijove-db")
