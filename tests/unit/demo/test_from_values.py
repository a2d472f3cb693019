"""The platform file that a demo makes of a chart's values."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from perijove_demo.from_values import with_groups, write_local_platform
from perijove_demo.problem import DemoProblem
from perijove_demo.state import Account
from perijove_hub.policy import load_platform
from tests.support.helm import EXAMPLES

EXAMPLE = EXAMPLES / "on-premises-and-two-clouds.yaml"


@pytest.mark.parametrize("example", ["one-cluster.yaml", "on-premises-and-two-clouds.yaml"])
def test_sites_of_an_example_are_local_and_the_rest_is_as_it_was(tmp_path: Path, example: str) -> None:
    write_local_platform(EXAMPLES / example, tmp_path / "perijove.yaml")
    platform = load_platform(tmp_path / "perijove.yaml")
    told = yaml.safe_load((EXAMPLES / example).read_text())["platform"]
    assert list(platform.sites) == list(told["sites"])
    assert {site.kind for site in platform.sites.values()} == {"local"}
    assert {site.dask for site in platform.sites.values()} == {None}
    for name, site in told["sites"].items():
        assert platform.sites[name].price.cpu_hour == site["price"]["cpu_hour"]
        assert platform.sites[name].capacity.cpu == site["capacity"]["cpu"]
    # in the order of the file, in which people see them
    assert list(platform.profiles) == list(told["profiles"])
    assert [quota.name for quota in platform.quotas] == [quota["name"] for quota in told["quotas"]]
    assert list(platform.datasets) == list(told.get("datasets", {}))
    # the demo is at an address of its own
    assert platform.public_url is None


def test_the_scientist_is_in_every_group_that_the_platform_names(tmp_path: Path) -> None:
    write_local_platform(EXAMPLE, tmp_path / "perijove.yaml")
    accounts = [Account("scientist", "p", ["polar"], False), Account("student", "p", ["students"], False)]
    guided = with_groups(accounts, load_platform(tmp_path / "perijove.yaml"))
    assert guided[0].groups == ["polar", "euclid", "staff"]
    assert guided[1] == accounts[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("a: [", "is no YAML"),
        ("sites: {a: {kind: local}}", "expected values of the chart perijove, with platform.sites in them"),
        ("platform: {profiles: {}}", "expected values of the chart perijove"),
        ("platform: {sites: {a: 1}, profiles: {}}", "platform.sites.a: Input should be a valid dictionary"),
        ("platform: {sites: {a: {kind: kubernetes, conect: pod}}}", "platform.sites.a.title: Field required"),
        ("- a", "expected values of the chart perijove"),
    ],
)
def test_what_is_no_values_of_the_chart_is_refused_in_a_sentence(tmp_path: Path, text: str | None, said: str) -> None:
    values = tmp_path / "values.yaml"
    if text is not None:
        values.write_text(text)
    with pytest.raises(DemoProblem, match=r"values\.yaml|platform\.sites") as refused:
        write_local_platform(values, tmp_path / "perijove.yaml")
    assert said in str(refused.value)
