"""Values that a chart refuses, with a sentence that names the key."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.schemas.platform import PlatformValues
from helm.schemas.site import SiteValues
from helm.schemas.write import SCHEMAS, text_of
from tests.support.helm import CHARTS, EXAMPLES, LEAST, Charts, HelmRefused

MODELS = {"perijove": PlatformValues, "perijove-site": SiteValues}


LOCAL = {"kind": "local", "title": "Own", "region": "here", "capacity": {"cpu": 1, "memory_gib": 1}}


def nested(path: str, value: Any) -> dict[str, Any]:
    """The values that ``--set path=value`` makes."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            both[key] = merged(below[key], above[key])
    return both


@pytest.mark.parametrize("path", SCHEMAS, ids=[path.parent.name for path in SCHEMAS])
def test_the_schema_is_that_of_the_models(path: Path) -> None:
    assert path.read_text() == text_of(SCHEMAS[path]), "run `make schemas` and commit what it writes"


@pytest.mark.parametrize("chart", MODELS)
def test_the_models_take_the_chart_s_own_values(chart: str) -> None:
    own = yaml.safe_load((CHARTS / chart / "values.yaml").read_text())
    MODELS[chart].model_validate(merged(own, LEAST[chart]))


@pytest.mark.parametrize("chart", MODELS)
def test_each_key_of_the_values_is_explained(chart: str) -> None:
    lines = (CHARTS / chart / "values.yaml").read_text().splitlines()
    ours = lines[: lines.index("jupyterhub:")] if "jupyterhub:" in lines else lines
    for above, line in pairwise(["", *ours]):
        is_key = re.match(r" *[\w-]+: *[^ |]", line) is not None
        assert not is_key or above.lstrip().startswith("#"), f"{line!r} is not explained"


@pytest.mark.parametrize(
    ("chart", "path", "value", "said"),
    [
        ("perijove", "controls", {}, "additional properties 'controls' not allowed"),
        ("perijove", "control.replica", 2, "at '/control': additional properties 'replica' not allowed"),
        ("perijove", "control.replicas", "two", "at '/control/replicas': got string, want integer"),
        ("perijove", "control.replicas", 0, "at '/control/replicas': minimum: got 0, want 1"),
        ("perijove", "networkPolicy.enabled", "yes", "at '/networkPolicy/enabled': got string, want boolean"),
        ("perijove", "storeSecrets", "one", "at '/storeSecrets': got string, want array"),
        ("perijove", "publicControlUrl", "science.example", "at '/publicControlUrl'"),
        ("perijove", "image.pullPolicy", "Sometimes", "at '/image/pullPolicy'"),
        ("perijove", "database.existingSecret", "No Name", "at '/database/existingSecret'"),
        ("perijove", "daskGateway.enable", True, "additional properties 'enable' not allowed"),
        ("perijove", "platform.site", {}, "at '/platform': additional properties 'site' not allowed"),
        ("perijove", "platform.sites.near.capacity.cpus", 1, "additional properties 'cpus' not allowed"),
        ("perijove", "platform.sites.near.connects", "pod", "additional properties 'connects' not allowed"),
        ("perijove", "platform.sites.near.kind", "slurm", "/platform/sites/near/kind': value must be one of"),
        ("perijove", "platform.profiles.small.cpu", "many", "at '/platform/profiles/small/cpu'"),
        ("perijove", "platform.admission.slice", "an hour", "at '/platform/admission/slice'"),
        ("perijove", "platform.profiles", {"No Slug": {"title": "X", "cpu": 1, "memory_gib": 1}}, "No Slug"),
        ("perijove", "platform.quotas", [{"name": "q", "resource": "x", "limit": 1}], "/platform/quotas/0/resource"),
        ("perijove-site", "capacity.memory", 8, "at '/capacity': additional properties 'memory' not allowed"),
        ("perijove-site", "connect", "tunnel", "at '/connect'"),
        ("perijove-site", "site", "Far Away", "at '/site'"),
        ("perijove-site", "network.egressTo", [{"cidr": "10.0.0.0/24"}], "missing property 'ports'"),
        ("perijove-site", "network.egressTo", [{"cidr": "10.0.0.0/4", "ports": [443]}], "/network/egressTo/0/cidr"),
        ("perijove-site", "limits.homeGib", 0, "at '/limits/homeGib'"),
    ],
)  # fmt: skip
def test_item_55_unknown_and_mistyped_values_are_refused(
    charts: Charts, chart: str, path: str, value: Any, said: str
) -> None:
    with pytest.raises(HelmRefused, match="values don't meet the specifications of the schema") as refused:
        charts.render(chart, nested(path, value))
    assert said in str(refused.value)
    with pytest.raises(HelmRefused) as linted:
        charts.lint(chart, LEAST[chart], nested(path, value))
    assert said in str(linted.value)


@pytest.mark.parametrize(
    ("chart", "missing"),
    [("perijove", "'platform'"), ("perijove-site", "'site', 'capacity'"), ("perijove-site", "'capacity'")],
)
def test_what_only_an_admin_knows_is_asked_for(charts: Charts, chart: str, missing: str) -> None:
    given = {"site": "far"} if missing == "'capacity'" else {}
    with pytest.raises(HelmRefused, match="missing propert") as refused:
        charts.render(chart, given, least=False)
    assert missing in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("image.name", "", "image.name: name the image"),
        (
            "platform.sites.own",
            LOCAL,
            "platform.sites.own.kind: sessions of a local site would run in the hub's own pod",
        ),
        ("control.replicas", 2, "control.replicas: more than one control needs PostgreSQL"),
        ("jupyterhub.hub.image.tag", "", "jupyterhub.hub.image: name and tag the image"),
        ("jupyterhub.hub.config.JupyterHub.authenticator_class", None, "authenticator_class: say who may log in"),
        ("jupyterhub.hub.config.JupyterHub.authenticator_class", "dummy", "`dummy` lets everybody in"),
        ("jupyterhub.hub.baseUrl", "/science", "jupyterhub.hub.baseUrl: expected /"),
        ("jupyterhub.fullnameOverride", "mine", "jupyterhub.fullnameOverride: leave it empty"),
        ("hubSecret.name", "mine", "hubSecret.name: the hub does not mount mine"),
        ("jupyterhub.hub.services.perijove", None, "jupyterhub.hub.services: perijove is missing"),
        ("daskGateway", {"enabled": True, "site": "near"}, "daskGateway.site: expected the name of a site"),
        ("daskGateway", {"enabled": True, "site": ""}, "daskGateway.site: expected the name of a site"),
    ],
)
def test_what_does_not_fit_together_is_refused(charts: Charts, path: str, value: Any, said: str) -> None:
    with pytest.raises(HelmRefused) as refused:
        charts.render("perijove", nested(path, value))
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["", "ghcr.io/dask/dask-gateway-server"])
@pytest.mark.parametrize(
    ("key", "target"), [("gateway", "gateway"), ("gateway.backend", "user"), ("controller", "gateway")]
)
def test_a_dask_gateway_whose_images_are_not_ours_is_refused(charts: Charts, key: str, target: str, name: str) -> None:
    values = yaml.safe_load((EXAMPLES / "on-premises-and-two-clouds.yaml").read_text())
    part = values["dask-gateway"]
    for each in key.split("."):
        part = part[each]
    part["image"]["name"] = name
    with pytest.raises(HelmRefused) as refused:
        charts.render("perijove", values, least=False)
    said = f"dask-gateway.{key}.image: name the image that images/Dockerfile makes as `{target}` and you have pushed"
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"namespace": {"name": "perijove-site"}}, "namespace.name: users' pods need a namespace of their own"),
        ({"hub": {"serviceAccount": {"name": "hub"}}}, "hub.serviceAccount: expected both name and namespace"),
        ({"hub": {"serviceAccount": {"name": "hub", "namespace": "perijove-users"}}}, "this is the hub's"),
        (
            {"connect": "pod", "gatewayApi": True, "network": {"enabled": False}},
            "gatewayApi: a Gateway is an edge, and goes with `connect: ingress`",
        ),
        ({"connect": "pod"}, "network.ingressFrom: with `connect: pod` and a hub outside this cluster"),
        ({"network": {"egressTo": [{"cidr": "169.254.169.254/32", "ports": [80]}]}}, "holds the metadata address"),
        ({"network": {"egressTo": [{"cidr": "169.0.0.0/8", "ports": [80]}]}}, "holds the metadata address"),
        ({"network": {"egressTo": [{"cidr": "fd00:ec2::254/128", "ports": [80]}]}}, "holds the metadata address"),
    ],
)
def test_a_site_that_could_not_be_safe_is_refused(charts: Charts, values: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmRefused) as refused:
        charts.render("perijove-site", values)
    assert said in str(refused.value)


def test_a_dummy_authenticator_with_a_password_is_good_enough_for_a_test(charts: Charts) -> None:
    config = {"JupyterHub": {"authenticator_class": "dummy"}, "DummyAuthenticator": {"password": "of this test"}}
    assert charts.render("perijove", {"jupyterhub": {"hub": {"config": config}}})
