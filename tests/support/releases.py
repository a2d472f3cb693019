"""Releases of our charts in a cluster, made and changed by a real Helm as an admin would."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.helm import HELM, LEAST, NAMESPACES, Charts

#: Longer than the hooks of our charts take.
HELM_SECONDS = 90


@dataclass(frozen=True)
class Releases:
    """Releases in one cluster, each named after its chart.

    Args:
        charts: to install.
        kubeconfig: of an administrator of the cluster.
    """

    charts: Charts
    kubeconfig: Path

    def install(self, chart: str, *values: Mapping[str, Any], namespace: str = "") -> str:
        """Install a chart into a namespace, its usual one unless given; the notes.

        Raises:
            HelmRefused: as all of these do, with what Helm says.
        """
        return self._apply("install", chart, values, namespace, "--create-namespace")

    def upgrade(self, chart: str, *values: Mapping[str, Any], namespace: str = "") -> str:
        """Bring a release to these values; the notes."""
        return self._apply("upgrade", chart, values, namespace)

    def rollback(self, chart: str, revision: int, namespace: str = "") -> None:
        """Bring a release back to how it was, counted from 1."""
        where = namespace or NAMESPACES[chart]
        command = ["rollback", chart, str(revision), "--namespace", where, f"--timeout={HELM_SECONDS}s"]
        self.charts.run(command, kubeconfig=self.kubeconfig)

    def uninstall(self, chart: str, namespace: str = "") -> None:
        """Remove a release, and wait until what it had is gone."""
        command = ["uninstall", chart, "--namespace", namespace or NAMESPACES[chart], f"--timeout={HELM_SECONDS}s"]
        self.charts.run(command, kubeconfig=self.kubeconfig)

    def follow_notes(self, notes: str, directory: Path) -> None:
        """Run the commands of the notes of a site, up to what goes into the platform file.

        Raises:
            subprocess.CalledProcessError: one of them fails.
        """
        commands = "\n".join(line for line in notes.splitlines() if line.startswith("  ")).partition("\n  sites:")[0]
        environment = {**os.environ, "PATH": f"{HELM.parent}:{os.environ['PATH']}", "KUBECONFIG": str(self.kubeconfig)}
        subprocess.run(["sh", "-euc", commands], cwd=directory, env=environment, check=True)

    def _apply(
        self, verb: str, chart: str, values: tuple[Mapping[str, Any], ...], namespace: str, *options: str
    ) -> str:
        where = ["--namespace", namespace or NAMESPACES[chart], f"--timeout={HELM_SECONDS}s", *options]
        command = [verb, chart, str(self.charts.directory / chart), *where]
        return self.charts.run(command, [LEAST[chart], *values], self.kubeconfig).partition("NOTES:\n")[2]
