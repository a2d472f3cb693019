"""Our charts, rendered by a real Helm as an admin would, with the charts that they stand on as empty stubs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "helm"
EXAMPLES = CHARTS / "examples"

#: What `make .make/helm` has fetched, or another one.
HELM = Path(os.environ.get("PERIJOVE_HELM", ROOT / ".make" / "tools" / "helm"))

#: Values of each chart with which it renders, and no more than that.
LEAST: dict[str, dict[str, Any]] = {
    "perijove": {
        "platform": {
            "sites": {
                "near": {
                    "kind": "kubernetes", "title": "Near", "region": "here", "capacity": {"cpu": 4, "memory_gib": 8},
                    "namespace": "perijove-users", "image": "registry.example.org/perijove/user:0.1.0",
                    "hub_api_url": "http://hub.perijove:8081/hub/api",
                }
            },
            "profiles": {"small": {"title": "Small", "cpu": 1, "memory_gib": 1}},
        },
        "image": {"name": "registry.example.org/perijove/services"},
        "jupyterhub": {
            "hub": {
                "image": {"name": "registry.example.org/perijove/hub", "tag": "0.1.0"},
                "config": {"JupyterHub": {"authenticator_class": "generic-oauth"}},
            }
        },
    },
    "perijove-site": {"site": "far", "capacity": {"cpu": 8, "memory_gib": 32}, "connect": "ingress"},
}  # fmt: skip

#: The namespace into which each is installed.
NAMESPACES = {"perijove": "perijove", "perijove-site": "perijove-site"}

Manifest = dict[str, Any]


class HelmRefused(Exception):
    """Helm said no; the message is what it said."""


@dataclass(frozen=True)
class Charts:
    """A copy of the charts, with stubs of those that they stand on.

    Args:
        directory: holds one folder for each.
    """

    directory: Path

    def lint(self, chart: str, *values: Mapping[str, Any] | Path) -> str:
        """What `helm lint` says of it.

        Raises:
            HelmRefused: it finds a fault.
        """
        return self.run(["lint", "--strict", str(self.directory / chart)], values)

    def render(
        self,
        chart: str,
        *values: Mapping[str, Any] | Path,
        release: str | None = None,
        kube_version: str | None = None,
        least: bool = True,
        upgrade: bool = False,
    ) -> list[Manifest]:
        """All that it would make.

        Args:
            chart: its name.
            values: files, or values themselves; later ones win.
            release: the name of the release; absent: the chart's.
            kube_version: of the cluster.
            least: with :data:`LEAST` below the values.
            upgrade: as at an upgrade, not at an install.

        Raises:
            HelmRefused: it cannot be rendered with these values.
        """
        options = ["--namespace", NAMESPACES[chart]]
        if kube_version:
            options += ["--kube-version", kube_version]
        if upgrade:
            options.append("--is-upgrade")
        given = [LEAST[chart], *values] if least else list(values)
        text = self.run(["template", release or chart, str(self.directory / chart), *options], given)
        return [each for each in yaml.safe_load_all(text) if each]

    def notes(self, chart: str, *values: Mapping[str, Any]) -> str:
        """What people read after an install."""
        command = ["install", "x", str(self.directory / chart), "--dry-run=client", "--namespace", NAMESPACES[chart]]
        return self.run(command, [LEAST[chart], *values]).partition("NOTES:\n")[2]

    def run(
        self, command: Sequence[str], values: Sequence[Mapping[str, Any] | Path] = (), kubeconfig: Path | None = None
    ) -> str:
        """What Helm says to a command.

        Args:
            command: with the options that it has beside values.
            values: files, or values themselves; later ones win.
            kubeconfig: of the cluster that it is for; absent: of none.

        Raises:
            HelmRefused: it has not done it.
        """
        files = []
        for place, each in enumerate(values):
            if isinstance(each, Path):
                files.append(each)
            else:
                files.append(self.directory / f"values-{place}.yaml")
                # JSON is YAML that says strings and numbers apart
                files[-1].write_text(yaml.safe_dump(dict(each)))
        given = [part for file in files for part in ("--values", str(file))]
        environment = {**os.environ, "HELM_CACHE_HOME": str(self.directory), "HELM_CONFIG_HOME": str(self.directory)}
        # none of the person's own clusters
        environment["KUBECONFIG"] = str(kubeconfig or self.directory / "no-kubeconfig")
        done = subprocess.run([HELM, *command, *given], capture_output=True, text=True, env=environment, check=False)
        if done.returncode != 0:
            raise HelmRefused(done.stderr + done.stdout)
        return done.stdout


def copy_charts(directory: Path) -> Charts:
    """The charts in ``directory``, with empty charts of the names and versions that they depend on.

    Raises:
        FileNotFoundError: there is no Helm.
    """
    if not HELM.exists():
        raise FileNotFoundError(f"{HELM} is missing: run `make .make/helm`, or name another one in PERIJOVE_HELM")
    for chart in LEAST:
        shutil.copytree(CHARTS / chart, directory / chart)
        for dependency in yaml.safe_load((directory / chart / "Chart.yaml").read_text()).get("dependencies", ()):
            stub = directory / chart / "charts" / dependency["name"]
            stub.mkdir(parents=True)
            told = {"apiVersion": "v2", "name": dependency["name"], "version": dependency["version"]}
            (stub / "Chart.yaml").write_text(yaml.safe_dump(told))
    return Charts(directory)


def of_kind(manifests: Sequence[Manifest], kind: str, name: str | None = None) -> list[Manifest]:
    """Those of a kind, and of a name if one is given."""
    return [each for each in manifests if each["kind"] == kind and name in (None, each["metadata"]["name"])]


def the(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The one of this kind and name."""
    (found,) = of_kind(manifests, kind, name)
    return found


def pods(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The templates of all pods that these make, by the names of their makers."""
    for each in manifests:
        if each["kind"] == "Pod":
            yield each["metadata"]["name"], each
        elif each["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            yield each["metadata"]["name"], each["spec"]["template"]
