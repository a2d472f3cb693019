"""What the charts must never make: numbered as in the project's checklist of attacks."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.schemas.site import SiteValues
from perijove_hub.policy.load import parse_platform
from tests.helm.test_render import EXAMPLE_CHARTS, ON_POSTGRESQL, every_example
from tests.support.helm import EXAMPLES, Charts, HelmRefused, Manifest, of_kind, pods, the
from tests.support.kube import Rule, rules_of_role
from tests.support.kube_platform import HUB_RIGHTS
from tests.support.network_policies import Peer, allows
from tests.support.pod_security import violations

BIGGEST = EXAMPLES / "on-premises-and-two-clouds.yaml"

#: Where a hub and its proxy are, as zero-to-jupyterhub labels them.
HUB, PROXY = (
    Peer({"app.kubernetes.io/name": "jupyterhub", "app.kubernetes.io/component": name}, "perijove")
    for name in ("hub", "proxy")
)
#: A session of a user of this cluster, and one of another user.
SESSION = Peer({"hub.jupyter.org/username": "ana"}, "perijove-users", {"perijove.io/users": "true"})
STRANGER = Peer({"app": "anything"}, "default")
PROMETHEUS = Peer({"app": "prometheus"}, "monitoring")


def of_ours(component: str) -> Peer:
    labels = {
        "app.kubernetes.io/name": "perijove", "app.kubernetes.io/instance": "perijove",
        "app.kubernetes.io/component": component,
    }  # fmt: skip
    return Peer(labels, "perijove")


def rules_of(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for each in manifests:
        if each["kind"] in ("Role", "ClusterRole"):
            yield from ((each["metadata"]["name"], rule) for rule in each["rules"])


# -- 26: free images


@pytest.mark.parametrize(
    "image",
    [
        "registry.example.org/x/../y", "registry.example.org/x\nevil", "registry.example.org/x ", "-x", "x@sha256:12",
        "registry.example.org//x", "registry.example.org/x;y", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("of", ["profiles.small", "sites.near"])
def test_item_26_what_is_no_name_of_an_image_is_refused_before_it_reaches_a_pod(
    charts: Charts, of: str, image: str
) -> None:
    group, name = of.split(".")
    with pytest.raises(HelmRefused, match=f"/platform/{group}/{name}/image"):
        charts.render("perijove", {"platform": {group: {name: {"image": image}}}})


def test_item_26_an_image_arrives_letter_by_letter(charts: Charts) -> None:
    image = f"registry.example.org:5000/euclid/lab@sha256:{'0a' * 32}"
    rendered = charts.render("perijove", {"platform": {"profiles": {"small": {"image": image}}}})
    told = the(rendered, "ConfigMap", "perijove-platform")["data"]["perijove.yaml"]
    assert yaml.safe_load(told)["profiles"]["small"]["image"] == image


def test_item_26_the_expressions_for_images_of_users_arrive_letter_by_letter(charts: Charts) -> None:
    patterns = [r"registry\.example/team/[a-z0-9-]+:[a-z0-9.-]+", r"lab|\w{2,}:\d+", "yes", "1.0"]
    rendered = charts.render("perijove", {"platform": {"profiles": {"small": {"user_images": patterns}}}})
    told = the(rendered, "ConfigMap", "perijove-platform")["data"]["perijove.yaml"]
    assert parse_platform(told, "perijove.yaml").profiles["small"].user_images == patterns


# -- 51: secrets


def secrets_of(manifests: list[Manifest]) -> dict[str, str]:
    return {
        f"{each['metadata']['name']}/{key}": base64.b64decode(value).decode()
        for each in of_kind(manifests, "Secret")
        for key, value in (each.get("data") or {}).items()
    }


@every_example
def test_item_51_every_secret_is_made_at_random_and_two_releases_differ(charts: Charts, path: Path, chart: str) -> None:
    one, other = (secrets_of(charts.render(chart, path, least=False)) for _ in range(2))
    assert one.keys() == other.keys()
    assert all(len(value) >= 64 for value in one.values())
    assert not set(one.values()) & set(other.values())
    assert all("stringData" not in each for each in of_kind(charts.render(chart, path, least=False), "Secret"))
    if chart == "perijove":
        assert "perijove-secrets/hub-to-control" in one


def test_item_51_no_secret_of_one_purpose_serves_another(charts: Charts) -> None:
    made = secrets_of(charts.render("perijove", BIGGEST, least=False))
    assert set(made) == {"perijove-secrets/hub-to-control", "perijove-dask/gateway", "perijove-dask/unused"}
    assert len(set(made.values())) == 3


def test_item_51_an_upgrade_changes_nothing_when_the_secret_is_the_admin_s(charts: Charts) -> None:
    """What is made by the chart is read back from the cluster; ``make conformance`` shows that on a real one."""
    values = {**ON_POSTGRESQL, "hubSecret": {"create": False}}
    first, second = charts.render("perijove", values), charts.render("perijove", values, upgrade=True)
    assert first == second
    assert of_kind(first, "Secret") == []
    template = (EXAMPLES.parent / "perijove" / "templates" / "secrets.yaml").read_text()
    assert len(re.findall(r"randAlphaNum", template)) == len(
        re.findall(r"index \$kept \"[\w-]+\" \| default \(rand", template)
    )


def test_item_51_no_secret_is_written_where_anybody_reads_it(charts: Charts) -> None:
    manifests = charts.render("perijove", BIGGEST, least=False)
    made = secrets_of(manifests).values()
    others = yaml.safe_dump([each for each in manifests if each["kind"] != "Secret"])
    assert not any(value in others or base64.b64encode(value.encode()).decode() in others for value in made)
    for _, pod in pods(manifests):
        for container in pod["spec"]["containers"]:
            for each in container["env"]:
                is_named = re.search("TOKEN|SECRET|PASSWORD|DATABASE", each["name"])
                assert not is_named or "secretKeyRef" in each["valueFrom"], each["name"]


@pytest.mark.parametrize(
    "token", ["changeme", "0" * 64, "replace-me-with-64-random-characters-0123456789abcdef", "<token>"]
)
def test_item_51_a_placeholder_in_the_place_of_a_token_is_refused(charts: Charts, token: str) -> None:
    given = {"jupyterhub": {"hub": {"services": {"perijove-controller": {"apiToken": token}}}}}
    with pytest.raises(HelmRefused, match=r"services\.perijove-controller\.apiToken: a placeholder"):
        charts.render("perijove", given)


def test_item_51_our_services_read_the_tokens_that_zero_to_jupyterhub_makes(charts: Charts) -> None:
    read = {}
    for _, pod in pods(charts.render("perijove", ON_POSTGRESQL)):
        for container in pod["spec"]["containers"]:
            for each in container["env"]:
                if each["name"] == "JUPYTERHUB_API_TOKEN":
                    read[container["name"]] = each["valueFrom"]["secretKeyRef"]
    assert read == {
        "control": {"name": "hub", "key": "hub.services.perijove.apiToken"},
        "controller": {"name": "hub", "key": "hub.services.perijove-controller.apiToken"},
    }


# -- 52: pods


@pytest.mark.parametrize("values", [{}, ON_POSTGRESQL, BIGGEST], ids=["sqlite", "postgresql", "biggest"])
def test_item_52_every_pod_passes_the_restricted_standard(charts: Charts, values: dict[str, Any] | Path) -> None:
    made = list(pods(charts.render("perijove", values, least=not isinstance(values, Path))))
    assert made
    for name, pod in made:
        assert violations(pod) == [], name
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert "memory" in container["resources"]["limits"], name
            assert any(each["mountPath"] == "/tmp" for each in container["volumeMounts"]), name


def test_item_52_the_standard_as_code_sees_what_it_must_see() -> None:
    good = {
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "name": "good",
    }  # fmt: skip
    assert violations({"spec": {"containers": [good]}}) == []
    bad = {"name": "bad", "securityContext": {"privileged": True, "runAsUser": 0}, "ports": [{"hostPort": 80}]}
    found = violations(
        {"spec": {"containers": [good], "initContainers": [bad], "hostNetwork": True,
                  "volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}
    )  # fmt: skip
    assert found == [
        "hostNetwork is on", "volume v is hostPath", "bad: privileged", "bad: allowPrivilegeEscalation is not false",
        "bad: runAsNonRoot is not true", "bad: runAsUser is 0", "bad: no seccompProfile",
        "bad: capabilities are not dropped", "bad: a host's port is taken",
    ]  # fmt: skip


def test_item_52_a_site_admits_restricted_pods_only(charts: Charts) -> None:
    labels = the(charts.render("perijove-site"), "Namespace", "perijove-users")["metadata"]["labels"]
    assert {name: labels[f"pod-security.kubernetes.io/{name}"] for name in ("enforce", "audit", "warn")} == {
        "enforce": "restricted", "audit": "restricted", "warn": "restricted",
    }  # fmt: skip


# -- 53: the network

#: What a session must not reach: the metadata addresses of clouds, the API server, pods, nodes, databases.
CLOSED = [
    "169.254.169.254", "fd00:ec2::254", "10.96.0.1", "172.20.0.1", "192.168.49.2", "10.244.3.7", "100.64.0.1",
    "127.0.0.1", "0.0.0.1", "64:ff9b::a9fe:a9fe", "fe80::1", "fd12:3456::1",
]  # fmt: skip


@pytest.mark.parametrize("path", [path for path, chart in EXAMPLE_CHARTS.items() if chart == "perijove-site"])
def test_item_53_a_session_reaches_nothing_inside(charts: Charts, path: Path) -> None:
    policies = of_kind(charts.render("perijove-site", path, least=False), "NetworkPolicy")
    values = yaml.safe_load(path.read_text())
    closed = values.get("network", {}).get("closedCidrs", [])
    for address in [*CLOSED, *(each.partition("/")[0] for each in closed)]:
        for port in (80, 443, 6443, 8001, 5432, 9000):
            assert not allows(policies, SESSION, "egress", Peer(address=address), port), f"{address}:{port}"
    for other in (SESSION, STRANGER, Peer({"app.kubernetes.io/component": "control"}, "perijove")):
        assert not allows(policies, SESSION, "egress", other, 8888)
        assert not allows(policies, SESSION, "ingress", other, 8888)
    # the proxy's own API, which makes and takes away everybody's routes
    assert not allows(policies, SESSION, "egress", PROXY, 8001)
    assert not allows(policies, SESSION, "ingress", HUB, 22)


@pytest.mark.parametrize("path", [path for path, chart in EXAMPLE_CHARTS.items() if chart == "perijove-site"])
def test_a_session_reaches_the_world_and_is_reached_as_its_site_says(charts: Charts, path: Path) -> None:
    policies = of_kind(charts.render("perijove-site", path, least=False), "NetworkPolicy")
    values = yaml.safe_load(path.read_text())
    dns = Peer({"k8s-app": "kube-dns"}, "kube-system")
    assert allows(policies, SESSION, "egress", dns, 53, "UDP")
    assert not allows(policies, SESSION, "egress", Peer({"app": "x"}, "kube-system"), 53, "UDP")
    for address in ("192.0.2.80", "2001:db8::80"):
        assert allows(policies, SESSION, "egress", Peer(address=address), 443)
    edge = Peer({}, values.get("network", {}).get("edgeNamespace", "ingress-nginx"))
    is_edge = values["connect"] == "ingress"
    assert allows(policies, SESSION, "ingress", edge, 8888) is is_edge
    for each in (HUB, PROXY):
        assert allows(policies, SESSION, "ingress", each, 8888) is not is_edge
        assert allows(policies, SESSION, "egress", each, 8081) is not is_edge
    for opened in values.get("network", {}).get("egressTo", []):
        address = Peer(address=opened["cidr"].partition("/")[0])
        assert allows(policies, SESSION, "egress", address, opened["ports"][0])
        assert not allows(policies, SESSION, "egress", address, 22)


def test_item_53_a_class_without_the_internet_has_none(charts: Charts) -> None:
    alone = charts.render("perijove-site", {"network": {"internet": False}})
    policies = of_kind(alone, "NetworkPolicy")
    assert not allows(policies, SESSION, "egress", Peer(address="192.0.2.80"), 443)
    assert allows(policies, SESSION, "egress", Peer({"k8s-app": "kube-dns"}, "kube-system"), 53)


@pytest.mark.parametrize("values", [{}, ON_POSTGRESQL], ids=["sqlite", "postgresql"])
def test_item_53_who_reaches_control_and_that_nobody_reaches_the_controller(
    charts: Charts, values: dict[str, Any]
) -> None:
    metrics = {"networkPolicy": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {
        "kubernetes.io/metadata.name": "monitoring"}}}]}}  # fmt: skip
    policies = of_kind(charts.render("perijove", values, metrics), "NetworkPolicy")
    for other, may in ((HUB, True), (PROXY, True), (SESSION, True), (STRANGER, False), (PROMETHEUS, False)):
        assert allows(policies, of_ours("control"), "ingress", other, "http") is may, other
    ports = {"control": {9101} if values else {9101, 9102}, "controller": {9101} if values else set()}
    for component, served in ports.items():
        for port in served:
            for other in (HUB, PROXY, SESSION, STRANGER):
                assert not allows(policies, of_ours(component), "ingress", other, port)
            assert allows(policies, of_ours(component), "ingress", PROMETHEUS, port)
    if values:
        for component in ("controller", "migrations"):
            for other in (HUB, PROXY, SESSION, STRANGER):
                assert not allows(policies, of_ours(component), "ingress", other, "http")


def test_item_53_what_control_and_controller_reach(charts: Charts) -> None:
    policies = of_kind(charts.render("perijove", ON_POSTGRESQL), "NetworkPolicy")
    metadata, catalogue, database = (
        Peer(address=each) for each in ("169.254.169.254", "192.0.2.80", "10.0.3.4")
    )  # fmt: skip
    for component in ("control", "controller"):
        assert allows(policies, of_ours(component), "egress", HUB, 8081)
        assert allows(policies, of_ours(component), "egress", database, 5432)
        assert not allows(policies, of_ours(component), "egress", metadata, 80)
        assert allows(policies, of_ours(component), "egress", catalogue, 443) is (component == "control")


def test_every_pod_of_ours_has_the_labels_that_policies_go_by(charts: Charts) -> None:
    manifests = charts.render("perijove", ON_POSTGRESQL)
    policies = of_kind(manifests, "NetworkPolicy")
    for name, pod in pods(manifests):
        labels = pod["metadata"]["labels"]
        selected = [each for each in policies if each["spec"]["podSelector"]["matchLabels"].items() <= labels.items()]
        assert [each["metadata"]["name"] for each in selected] == [name]
        # zero-to-jupyterhub's policy of the hub lets in whom it knows by this
        asks_the_hub = any(each["name"] == "JUPYTERHUB_API_URL" for each in pod["spec"]["containers"][0]["env"])
        assert (labels.get("hub.jupyter.org/network-access-hub") == "true") is asks_the_hub
    assert charts.render("perijove", {"networkPolicy": {"enabled": False}}) != manifests


# -- 54: rights


@every_example
def test_item_54_no_right_is_wide_and_none_reaches_secrets_or_beyond_a_namespace(
    charts: Charts, path: Path, chart: str
) -> None:
    manifests = charts.render(chart, path, least=False)
    for name, rule in rules_of(manifests):
        said = yaml.safe_dump(rule)
        assert "*" not in said, name
        assert "secrets" not in rule["resources"], name
        assert not {"update", "patch", "deletecollection", "impersonate", "bind", "escalate"} & set(rule["verbs"]), name
    assert of_kind(manifests, "ClusterRole") == of_kind(manifests, "ClusterRoleBinding") == []
    for binding in of_kind(manifests, "RoleBinding"):
        assert binding["roleRef"]["kind"] == "Role"
        the(manifests, "Role", binding["roleRef"]["name"])
    for account in of_kind(manifests, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


BY_INGRESS = {"services": "create", "networking.k8s.io/ingresses": "create"}
BY_GATEWAY = {"services": "create", "gateway.networking.k8s.io/httproutes": "create get"}


@pytest.mark.parametrize(
    ("values", "more"),
    [
        ({"connect": "pod"}, {}),
        ({"connect": "ingress"}, BY_INGRESS),
        ({"connect": "ingress", "gatewayApi": True}, BY_GATEWAY),
    ],
    ids=["by pod", "by ingress", "by gateway"],
)
def test_item_54_the_hub_has_the_verbs_that_it_uses_and_no_others(
    charts: Charts, values: dict[str, Any], more: dict[str, str]
) -> None:
    network = {"network": {"ingressFrom": [{"ipBlock": {"cidr": "192.0.2.0/28"}}]}}
    manifests = charts.render("perijove-site", values, network)
    rights = {
        f"{group}/{resource}".lstrip("/"): " ".join(rule["verbs"])
        for _, rule in rules_of(manifests)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert rights == {
        "pods": "get list watch create delete",
        "pods/log": "get",
        "persistentvolumeclaims": "get create",
        "events": "get list watch",
        **more,
    }


def test_item_54_the_rights_under_which_sessions_in_clusters_are_tested_are_those_of_the_chart(charts: Charts) -> None:
    network = {"network": {"ingressFrom": [{"ipBlock": {"cidr": "192.0.2.0/28"}}]}}
    role = the(charts.render("perijove-site", {"connect": "pod"}, network), "Role", "perijove-hub")

    def rights(rules: Iterable[Rule]) -> set[tuple[str, str]]:
        return {(verb, resource) for rule in rules for verb in rule.verbs for resource in rule.resources}

    assert rights(rules_of_role(role)) == rights(HUB_RIGHTS)


def test_item_54_control_controller_and_hub_have_no_right_in_the_hub_s_namespace(charts: Charts) -> None:
    assert list(rules_of(charts.render("perijove", ON_POSTGRESQL))) == []
    ours = yaml.safe_load((EXAMPLES.parent / "perijove" / "values.yaml").read_text())
    # the role that zero-to-jupyterhub would make may list Secrets
    assert ours["jupyterhub"]["rbac"] == {"create": False}


# -- 58: names


@pytest.mark.parametrize(
    ("site", "is_good"),
    [
        ("a", True), ("a" * 63, True), ("cloud-eu", True), ("a" * 64, False), ("-a", False), ("a-", False),
        ("A", False),
        ("a.b", False), ("a_b", False), ("a\nb", False), ("é", False), ("", False), ("a b", False), ("../a", False),
    ],
)  # fmt: skip
def test_item_58_the_name_of_a_site_is_one_that_kubernetes_takes_or_is_refused(
    charts: Charts, site: str, is_good: bool
) -> None:
    if not is_good:
        with pytest.raises(HelmRefused, match="'/site'"):
            charts.render("perijove-site", {"site": site})
        return
    for each in charts.render("perijove-site", {"site": site}):
        assert each["metadata"]["labels"]["perijove.io/site"] == site
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", each["metadata"]["name"])
    assert SiteValues.model_fields["site"].annotation is str


@pytest.mark.parametrize("release", ["p", "a" * 53])
def test_item_58_names_and_labels_fit_whatever_the_release_is_called(charts: Charts, release: str) -> None:
    manifests = charts.render("perijove", BIGGEST, least=False, release=release)
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(names) == len(set(names))
    for each in manifests:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", each["metadata"]["name"])
        assert all(len(value) <= 63 for value in each["metadata"]["labels"].values())
    for binding in of_kind(manifests, "RoleBinding"):
        assert all(len(subject["name"]) <= 63 for subject in binding["subjects"])
