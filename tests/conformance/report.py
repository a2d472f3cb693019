"""The report: each check of the probe on both servers, where they differ, and what else was run on the real one."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from tests.support.kube.probe import BED_ONLY, ROOMS, Check, title

#: What the real control plane cannot show: it is of Kubernetes 1.20, its node is processes, and there is no network.
NOT_SHOWN = (
    "Pod Security admission, which is newer: the labels of the namespace have no effect here. That our pods pass "
    "`restricted` is tested by its rules as code (`tests/helm`).",
    "PodDisruptionBudgets: `policy/v1` is newer, and the chart leaves them out where it is not served.",
    "That versions of objects grow as whole numbers is promised since 1.35; here it is only so.",
    "NetworkPolicies are taken and obeyed by nobody: there is no network plugin. What they let through is tested as "
    "code.",
    "Ingresses and Services are taken and lead nowhere; for an edge see `tests/integration/test_remote_site.py`.",
    "Images, mounts, probes and limits of memory: the node runs the command of a container as a process of this "
    "machine. So control and hub do not run in pods; that they start with what the charts render is tested on the "
    "emulated cluster (`tests/helm/test_hub_on_a_cluster.py`).",
    "zero-to-jupyterhub and the chart of Dask Gateway: empty stubs stand for them.",
)


@dataclass
class Report:
    """What was found, by server (``real``, ``emulated``) and name of the check: whether it passed.

    ``ran`` has the outcomes of the other tests, by their files and names, in their order.
    """

    version: str
    etcd_version: str
    emulated_version: str
    helm_version: str
    ran: dict[tuple[str, str], str]
    ready_seconds: float = 0.0
    found: dict[tuple[str, str], bool] = field(default_factory=dict)

    def note(self, server: str, check: Check, *, passed: bool) -> None:
        """One check on one server is through."""
        self.found[server, check.__name__] = passed

    def write(self, path: Path) -> None:
        """Writes it as Markdown."""
        path.write_text("\n".join(self._lines()) + "\n")

    def _lines(self) -> list[str]:
        checks = [check for room in ROOMS for check in room.CHECKS]
        both = sum(all(self.found.get((server, check.__name__)) for server in ("real", "emulated")) for check in checks)
        lines = [
            "# The emulated cluster, our spawner and our charts on a real control plane",
            "",
            "The same probe (`tests/support/kube/probe.py`) on the emulated cluster of the tests and on a real control "
            "plane on loopback with a node of processes; then sessions through a real hub, and our charts by a real "
            "Helm, on the real one. `make conformance` writes this.",
            "",
            "| | |",
            "|---|---|",
            f"| real | kube-apiserver, kube-controller-manager and kube-scheduler {self.version}, "
            f"etcd {self.etcd_version}; ready after {self.ready_seconds:.1f} s |",
            f"| emulated | says that it is {self.emulated_version} |",
            f"| ours | JupyterHub {version('jupyterhub')}, KubeSpawner {version('jupyterhub-kubespawner')} below "
            f"PerijoveSpawner, Helm {self.helm_version} |",
            f"| checks | {len(checks)}, of which {both} pass on both |",
            "",
        ]
        for room in ROOMS:
            lines += [f"## {(room.__doc__ or '').splitlines()[0]}", "", "| check | real | emulated |", "|---|---|---|"]
            lines += [self._row(check) for check in room.CHECKS]
            lines.append("")
        lines += ["## Where they differ by design", ""]
        lines += [f"- *{title(check)}*: {why}." for check, why in BED_ONLY.items()]
        for file in dict.fromkeys(file for file, _ in self.ran):
            lines += ["", f"## {file}", "", "| on the real control plane | |", "|---|---|"]
            lines += [f"| {name} | {outcome} |" for (of, name), outcome in self.ran.items() if of == file]
        lines += ["", "## What this control plane cannot show", ""]
        lines += [f"- {each}" for each in NOT_SHOWN]
        return lines

    def _row(self, check: Check) -> str:
        return f"| {title(check)} | {self._shown('real', check)} | {self._shown('emulated', check)} |"

    def _shown(self, server: str, check: Check) -> str:
        if server == "real" and check in BED_ONLY:
            return "by design not"
        return {True: "passed", False: "**failed**", None: "not run"}[self.found.get((server, check.__name__))]
