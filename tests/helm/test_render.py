"""The charts and their examples as real Helm renders them, judged by Kubernetes' own schemas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from perijove_hub.cli import make_parser
from perijove_hub.policy.load import parse_platform
from perijove_hub.policy.models import Platform
from tests.support.helm import EXAMPLES, LEAST, Charts, Manifest, of_kind, pods, the

#: Of each example, whose values it has.
EXAMPLE_CHARTS = {
    path: "perijove" if "public_url" in path.read_text() else "perijove-site"
    for path in sorted(EXAMPLES.glob("*.yaml"))
}
ON_POSTGRESQL = {"database": {"existingSecret": "db"}, "control": {"replicas": 3}}

every_example = pytest.mark.parametrize(
    ("path", "chart"), EXAMPLE_CHARTS.items(), ids=[path.stem for path in EXAMPLE_CHARTS]
)


def command_of(container: Manifest) -> list[str]:
    """What runs in it, with the variables that Kubernetes puts in."""
    env = {each["name"]: each.get("value", "postgresql+psycopg://db/ledger") for each in container["env"]}
    return [re.sub(r"\$\((\w+)\)", lambda name: env[name[1]], part) for part in container["args"]]


def test_there_are_examples_of_both_charts() -> None:
    assert set(EXAMPLE_CHARTS.values()) == {"perijove", "perijove-site"}


@pytest.mark.parametrize("chart", ["perijove", "perijove-site"])
def test_helm_finds_no_fault(charts: Charts, chart: str) -> None:
    assert "0 chart(s) failed" in charts.lint(chart, LEAST[chart])


@pytest.mark.parametrize("kube_version", ["1.28.0", "1.32.0", "1.35.0"])
@every_example
def test_an_example_renders_for_clusters_of_many_ages(
    charts: Charts, path: Path, chart: str, kube_version: str
) -> None:
    manifests = charts.render(chart, path, least=False, kube_version=kube_version)
    named = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in manifests]
    assert len(named) == len(set(named)) >= 6


@pytest.mark.parametrize("version", ["1.34", "1.37"])
@every_example
def test_a_cluster_takes_what_an_example_makes(charts: Charts, path: Path, chart: str, version: str) -> None:
    judge(charts.render(chart, path, least=False), version)


@pytest.mark.parametrize("values", [{}, ON_POSTGRESQL], ids=["sqlite", "postgresql"])
def test_a_cluster_takes_the_least_and_the_most(charts: Charts, values: dict[str, Any]) -> None:
    judge(charts.render("perijove", values, {"networkPolicy": {"metricsFrom": [{"podSelector": {}}]}}), "1.37")


def judge(manifests: Sequence[Manifest], version: str) -> None:
    for each in manifests:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("path", [path for path, chart in EXAMPLE_CHARTS.items() if chart == "perijove"])
def test_the_platform_of_an_example_is_a_good_one(path: Path) -> None:
    told = yaml.safe_load(path.read_text())["platform"]
    platform = Platform.model_validate(told)
    for site in [
        each for each, of in EXAMPLE_CHARTS.items() if of == "perijove-site" and each.stem.startswith(path.stem)
    ]:
        values = yaml.safe_load(site.read_text())
        of_platform = platform.sites[values["site"]]
        assert of_platform.capacity.model_dump(exclude_defaults=True) == values["capacity"], site
        assert told["sites"][values["site"]]["connect"] == values["connect"], site


def test_each_site_of_an_example_has_its_values_beside() -> None:
    for path in [path for path, chart in EXAMPLE_CHARTS.items() if chart == "perijove"]:
        beside = [each for each in EXAMPLE_CHARTS if each != path and each.stem.startswith(path.stem)]
        named = {yaml.safe_load(each.read_text())["site"] for each in beside}
        assert named == set(yaml.safe_load(path.read_text())["platform"]["sites"])


def test_the_platform_file_comes_through_unchanged(charts: Charts) -> None:
    example = Path(EXAMPLES.parents[1] / "perijove.example.yaml")
    manifests = charts.render(
        "perijove", {**LEAST["perijove"], "platform": read(example), "allowLocalSites": True}, least=False
    )
    told = the(manifests, "ConfigMap", "perijove-platform")["data"]["perijove.yaml"]
    before, after = parse_platform(example.read_text(), "before"), parse_platform(told, "after")
    # Helm sorts the keys of a map: profiles are in the order of their names, and nothing else differs
    assert after == before
    assert list(after.profiles) == sorted(before.profiles)


def read(path: Path) -> Any:
    """As Helm reads it: a date is text."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(path.read_text(), Loader)


@pytest.mark.parametrize("values", [{}, ON_POSTGRESQL], ids=["sqlite", "postgresql"])
def test_our_program_takes_the_commands_of_all_containers(charts: Charts, values: dict[str, Any]) -> None:
    parser, ran = make_parser(), set()
    for _, pod in pods(charts.render("perijove", values)):
        for container in pod["spec"]["containers"]:
            assert container["command"] == ["perijove"]
            ran.add(container["name"])
            told = parser.parse_args(command_of(container))
            assert told.database.startswith(("sqlite+aiosqlite:////var/lib/perijove/", "postgresql+psycopg://"))
            if container["name"] != "migrations":
                mounted = {each["mountPath"] for each in container["volumeMounts"]}
                assert str(told.platform.parent) in mounted
                assert {told.metrics_port} <= {each["containerPort"] for each in container["ports"]}
    assert ran == {"control", "controller"} | ({"migrations"} if values else set())


def test_in_sqlite_control_and_controller_share_a_pod_and_its_volume(charts: Charts) -> None:
    manifests = charts.render("perijove")
    (deployment,) = of_kind(manifests, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    assert [each["name"] for each in spec["containers"]] == ["control", "controller"]
    assert len({port["containerPort"] for each in spec["containers"] for port in each["ports"]}) == 3
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert of_kind(manifests, "Job") == []
    assert the(manifests, "PersistentVolumeClaim", "perijove-ledger")["metadata"]["annotations"] == {
        "helm.sh/resource-policy": "keep"
    }


def test_on_postgresql_there_are_as_many_controls_as_wanted_and_one_controller(charts: Charts) -> None:
    manifests = charts.render("perijove", ON_POSTGRESQL)
    control, controller = (
        the(manifests, "Deployment", f"perijove-{name}")["spec"] for name in ("control", "controller")
    )
    assert (control["replicas"], controller["replicas"]) == (3, 1)
    assert control["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert controller["strategy"] == {"type": "Recreate"}
    # logins end where they began
    assert the(manifests, "Service", "perijove-control")["spec"]["sessionAffinity"] == "ClientIP"
    assert of_kind(manifests, "PersistentVolumeClaim") == []


def test_the_tables_are_migrated_before_anything_new_runs_and_by_nobody_twice(charts: Charts) -> None:
    job = the(charts.render("perijove", ON_POSTGRESQL), "Job", "perijove-migrations")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert of_kind(charts.render("perijove", ON_POSTGRESQL, {"migrations": {"enabled": False}}), "Job") == []


@pytest.mark.parametrize("replicas", [1, 3])
def test_nodes_can_be_emptied_however_many_controls_there_are(charts: Charts, replicas: int) -> None:
    manifests = charts.render("perijove", ON_POSTGRESQL, {"control": {"replicas": replicas}})
    budget = the(manifests, "PodDisruptionBudget", "perijove-control")["spec"]
    assert budget["maxUnavailable"] == 1
    control = the(manifests, "Deployment", "perijove-control")["spec"]
    assert budget["selector"] == control["selector"]


def test_another_platform_file_rolls_the_pods_and_another_secret_name_does_not(charts: Charts) -> None:
    def marks(*values: dict[str, Any]) -> list[str]:
        rendered = charts.render("perijove", ON_POSTGRESQL, *values)
        return [
            the(rendered, "Deployment", name)["spec"]["template"]["metadata"]["annotations"]["checksum/platform"]
            for name in ("perijove-control", "perijove-controller")
        ]

    before = marks()
    assert before == marks()
    assert before == marks({"controller": {"annotations": {"a": "b"}}})
    after = marks({"platform": {"currency": "CHF"}})
    assert not set(before) & set(after)


def test_a_hub_of_another_release_in_the_namespace_is_as_good(charts: Charts) -> None:
    alone = {**LEAST["perijove"], "jupyterhub": {"enabled": False}}
    manifests = charts.render("perijove", alone, least=False)
    assert {each["metadata"]["name"] for each in of_kind(manifests, "Deployment")} == {"perijove-control"}
    judge(manifests, "1.37")


def test_probes_ask_for_health_and_none_of_them_ends_a_control_whose_ledger_is_away(charts: Charts) -> None:
    (control, controller) = the(charts.render("perijove"), "Deployment", "perijove-control")["spec"]["template"][
        "spec"
    ]["containers"]
    health = {"path": "/services/perijove/api/v1/health", "port": "http"}
    assert control["readinessProbe"]["httpGet"] == control["startupProbe"]["httpGet"] == health
    assert control["livenessProbe"]["tcpSocket"] == {"port": "http"}
    assert controller["livenessProbe"]["httpGet"]["path"] == "/metrics"


def test_services_reach_the_pods_that_they_name(charts: Charts) -> None:
    manifests = charts.render("perijove", ON_POSTGRESQL)
    for service in of_kind(manifests, "Service"):
        selector = service["spec"]["selector"].items()
        found = [pod for _, pod in pods(manifests) if selector <= pod["metadata"]["labels"].items()]
        assert len(found) == 1
        names = {port["name"] for each in found[0]["spec"]["containers"] for port in each["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names


@every_example
def test_every_port_says_its_protocol_as_applying_at_the_server_asks_of_older_clusters(
    charts: Charts, path: Path, chart: str
) -> None:
    manifests = charts.render(chart, path, least=False)
    ports = [port for each in of_kind(manifests, "Service") for port in each["spec"]["ports"]]
    for _, pod in pods(manifests):
        ports += [port for each in pod["spec"]["containers"] for port in each.get("ports", ())]
    assert all("protocol" in port for port in ports)
    assert ports or chart == "perijove-site"
