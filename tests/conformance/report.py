"""The report of the probe: each check on both servers side by side, and where they differ by design."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.support.kube.probe import BED_ONLY, ROOMS, Check, title


@dataclass
class Report:
    """What was found, by server (``real``, ``emulated``) and name of the check: whether it passed."""

    version: str
    etcd_version: str
    emulated_version: str
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
            "# The emulated cluster beside a real control plane",
            "",
            "The same probe (`tests/support/kube/probe.py`) on the emulated cluster of the tests and on a real control "
            "plane on loopback with a node of processes. `make conformance` writes this.",
            "",
            "| | |",
            "|---|---|",
            f"| real | kube-apiserver, kube-controller-manager and kube-scheduler {self.version}, "
            f"etcd {self.etcd_version}; ready after {self.ready_seconds:.1f} s |",
            f"| emulated | says that it is {self.emulated_version} |",
            f"| checks | {len(checks)}, of which {both} pass on both |",
            "",
        ]
        for room in ROOMS:
            lines += [f"## {(room.__doc__ or '').splitlines()[0]}", "", "| check | real | emulated |", "|---|---|---|"]
            lines += [self._row(check) for check in room.CHECKS]
            lines.append("")
        lines += ["## Where they differ by design", ""]
        lines += [f"- *{title(check)}*: {why}." for check, why in BED_ONLY.items()]
        return lines

    def _row(self, check: Check) -> str:
        return f"| {title(check)} | {self._shown('real', check)} | {self._shown('emulated', check)} |"

    def _shown(self, server: str, check: Check) -> str:
        if server == "real" and check in BED_ONLY:
            return "by design not"
        return {True: "passed", False: "**failed**", None: "not run"}[self.found.get((server, check.__name__))]
