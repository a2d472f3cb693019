"""What the chart of a site makes of its capacity, and what its notes tell an admin to do."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.helm import Charts, of_kind, the

IN_HUB_S_CLUSTER = {"connect": "pod", "hub": {"serviceAccount": {"name": "hub", "namespace": "perijove"}}}

#: Answers as the cluster of a site does, and keeps what the hub's cluster is told.
KUBECTL = """#!/bin/sh
case "$*" in
  *clusters*) printf https://api.far.example:6443 ;;
  *ca*) printf Q0E= ;;
  *data.token*) printf dG9rZW4= ;;
  "patch secret"*) cat > patch.json ;;
esac
"""


@pytest.mark.parametrize(
    ("capacity", "headroom", "cpu", "memory", "gpu"),
    [
        ({"cpu": 8, "memory_gib": 32}, 10, "8800m", "36045Mi", "0"),
        ({"cpu": 512, "memory_gib": 2048, "gpu": 16}, 0, "512000m", "2097152Mi", "16"),
        ({"cpu": 0.5, "memory_gib": 0.75}, 50, "750m", "1152Mi", "0"),
    ],
)
def test_the_quota_is_the_capacity_and_a_little_more(
    charts: Charts, capacity: dict[str, Any], headroom: int, cpu: str, memory: str, gpu: str
) -> None:
    manifests = charts.render("perijove-site", {"capacity": capacity, "quota": {"headroomPercent": headroom}})
    hard = the(manifests, "ResourceQuota", "perijove-site")["spec"]["hard"]
    assert hard["requests.cpu"] == cpu
    assert hard["requests.memory"] == hard["limits.memory"] == memory
    assert hard["requests.nvidia.com/gpu"] == gpu
    assert hard["services.loadbalancers"] == hard["services.nodeports"] == "0"


def test_a_container_is_no_larger_than_the_largest_and_one_that_says_nothing_is_small(charts: Charts) -> None:
    limits = the(
        charts.render("perijove-site", {"limits": {"largest": {"memory_gib": 16}, "homeGib": 20}}),
        "LimitRange", "perijove-site",
    )["spec"]["limits"]  # fmt: skip
    container, home = limits
    assert container["max"] == {"cpu": "8000m", "memory": "16384Mi"}
    # a default limit below what a session asks for would refuse it
    assert "default" not in container
    assert home == {"type": "PersistentVolumeClaim", "max": {"storage": "20Gi"}}


def test_a_hub_elsewhere_gets_an_account_with_a_token_that_the_cluster_makes(charts: Charts) -> None:
    manifests = charts.render("perijove-site")
    secret = the(manifests, "Secret", "perijove-hub-token")
    assert secret["type"] == "kubernetes.io/service-account-token"
    assert "data" not in secret
    assert secret["metadata"]["annotations"] == {"kubernetes.io/service-account.name": "perijove-hub"}
    assert the(manifests, "RoleBinding", "perijove-hub")["subjects"] == [
        {"kind": "ServiceAccount", "name": "perijove-hub", "namespace": "perijove-users"}
    ]


def test_a_hub_in_this_cluster_uses_its_own_account_and_no_token_is_made(charts: Charts) -> None:
    manifests = charts.render("perijove-site", IN_HUB_S_CLUSTER)
    assert of_kind(manifests, "Secret") == of_kind(manifests, "ServiceAccount") == []
    assert the(manifests, "RoleBinding", "perijove-hub")["subjects"] == [
        {"kind": "ServiceAccount", "name": "hub", "namespace": "perijove"}
    ]


def test_homes_outlive_the_release_and_a_namespace_may_be_the_admin_s(charts: Charts) -> None:
    manifests = charts.render("perijove-site")
    kept = the(manifests, "Namespace", "perijove-users")["metadata"]["annotations"]
    assert kept == {"helm.sh/resource-policy": "keep"}
    named = charts.render("perijove-site", {"namespace": {"create": False, "name": "mine"}})
    assert of_kind(named, "Namespace") == []
    assert {each["metadata"]["namespace"] for each in named} == {"mine"}


def test_the_notes_lead_to_a_kubeconfig_that_the_hub_can_use(charts: Charts, tmp_path: Path) -> None:
    notes = charts.notes("perijove-site")
    commands = "\n".join(line for line in notes.splitlines() if line.startswith("  "))
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    # up to what goes into the platform file, and without the removal of what we look at
    script = commands.partition("\n  sites:")[0].replace("\n  rm ", "\n  : ")
    subprocess.run(["sh", "-euc", script], cwd=tmp_path, env=env, check=True)
    written = tmp_path / "far-kubeconfig"
    assert written.stat().st_mode & 0o077 == 0
    kubeconfig = yaml.safe_load(written.read_text())
    assert kubeconfig["clusters"] == [
        {"name": "far", "cluster": {"server": "https://api.far.example:6443", "certificate-authority-data": "Q0E="}}
    ]
    assert kubeconfig["users"] == [{"name": "perijove-hub", "user": {"token": "token"}}]
    assert kubeconfig["contexts"][0]["context"] == {
        "cluster": "far", "user": "perijove-hub", "namespace": "perijove-users",
    }  # fmt: skip
    assert kubeconfig["current-context"] == "far"
    patch = yaml.safe_load((tmp_path / "patch.json").read_text())
    assert base64.b64decode(patch["data"]["far-kubeconfig"]) == written.read_bytes()
    site = yaml.safe_load(re.sub(r"(?s).*\n  sites:", "  sites:", notes).partition("\n\n")[0])["sites"]["far"]
    assert site["kubeconfig"] == {"secret": "far-kubeconfig"}
    assert site["connect"] == "ingress"


def test_the_notes_of_the_hub_s_own_cluster_ask_for_no_kubeconfig(charts: Charts) -> None:
    notes = charts.notes("perijove-site", IN_HUB_S_CLUSTER)
    assert "perijove/hub may run sessions" in notes
    assert "has no kubeconfig" in " ".join(notes.split())
    assert "TOKEN" not in notes


def test_the_notes_say_when_nothing_is_closed(charts: Charts) -> None:
    assert "network.enabled is false" in charts.notes("perijove-site", {"network": {"enabled": False}})
    assert of_kind(charts.render("perijove-site", {"network": {"enabled": False}}), "NetworkPolicy") == []


def test_large_sizes_are_whole_numbers_as_kubernetes_reads_them(charts: Charts) -> None:
    large = {"quota": {"homesGib": 2_000_000}, "limits": {"homeGib": 1_500_000}}
    manifests = charts.render("perijove-site", large)
    assert the(manifests, "ResourceQuota", "perijove-site")["spec"]["hard"]["requests.storage"] == "2000000Gi"
    limits = the(manifests, "LimitRange", "perijove-site")["spec"]["limits"]
    assert [each["max"]["storage"] for each in limits if "storage" in each["max"]] == ["1500000Gi"]
