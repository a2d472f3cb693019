"""The bed as the chart puts it together: its platform file, its hub's configuration, its secrets and its commands.

What is Kubernetes' to do is done here: files are mounted, names of Services lead somewhere, and the hub has the account
to which the chart of the site gives its rights.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.bed import ROOT, Bed
from tests.support.helm import CHARTS, Charts, Manifest, the
from tests.support.kube import KubeBed, rules_of_role

NAMESPACE = "perijove-users"

#: A platform with one cluster that is not the hub's own.
PLATFORM = {
    "admission": {"offer_seconds": 12, "inventory_seconds": 0.4, "sweep_seconds": 0.3, "clock_margin_seconds": 0.1},
    "sites": {
        "far": {
            "kind": "kubernetes", "title": "Far", "region": "there", "capacity": {"cpu": 8, "memory_gib": 32},
            "kubeconfig": {"secret": "far-kubeconfig"}, "namespace": NAMESPACE, "image": "lab",
            "hub_api_url": "http://hub.perijove:8081/hub/api", "start_timeout_seconds": 30,
        }
    },
    "profiles": {"small": {"title": "Small", "cpu": 1, "memory_gib": 1}},
}  # fmt: skip
#: The addresses of hub and proxy from a site whose pods they reach.
FROM_HUB = {"network": {"ingressFrom": [{"ipBlock": {"cidr": "192.0.2.0/28"}}]}}


class ChartBed(Bed):
    """A platform of real processes out of rendered charts, and an emulated cluster as its site."""

    def __init__(self, directory: Path, charts: Charts) -> None:
        values = yaml.safe_load((CHARTS / "perijove" / "values.yaml").read_text())
        self._config = "\n".join(text for _, text in sorted(values["jupyterhub"]["hub"]["extraConfig"].items()))
        base = {"image": {"name": "services"}, "platform": PLATFORM}
        hub = {"image": {"name": "hub", "tag": "1"}, "config": {"JupyterHub": {"authenticator_class": "null"}}}
        self._made = charts.render("perijove", base, {"jupyterhub": {"hub": hub}}, least=False)
        site = charts.render("perijove-site", {"connect": "pod"}, FROM_HUB)
        self._rights = rules_of_role(the(site, "Role", "perijove-hub"))
        self.cluster = KubeBed(namespaces=["default", NAMESPACE], tls=True)
        self._data = the(self._made, "ConfigMap", "perijove-platform")["data"]
        super().__init__(directory, "")
        secret = the(self._made, "Secret", "perijove-secrets")["data"]["hub-to-control"]
        self._write("secrets/hub-to-control", base64.b64decode(secret).decode())
        for name, text in self._data.items():
            self._write(name, self._found(text))
        self._write("hub_config.py", self._found(self._config))
        (directory / "mounted").mkdir()
        (directory / "mounted" / "platform").symlink_to(directory)
        (directory / "mounted" / "secrets").symlink_to(directory / "secrets")

    def start(self) -> None:
        self.cluster.images["*"] = ["/usr/bin/env"]
        self.cluster.start()
        token = self.cluster.add_account(NAMESPACE, "perijove-hub", self._rights)
        self.cluster.kubeconfig(self.directory / "secrets" / "far-kubeconfig", NAMESPACE, token=token)
        super().start()

    def stop(self) -> None:
        super().stop()
        self.cluster.stop()

    def pods(self) -> list[Manifest]:
        """The pods of sessions that have not ended."""
        pods = self.cluster.objects("pods", NAMESPACE)
        return [pod for pod in pods if pod["status"].get("phase") not in ("Failed", "Succeeded")]

    def write_platform(self, **changes: Any) -> None:
        """Put another platform file in the place of the one that is mounted, as an upgrade does."""
        document = yaml.safe_load((self.directory / "perijove.yaml").read_text()) | changes
        self._write("perijove.new", yaml.safe_dump(document))
        (self.directory / "perijove.new").replace(self.directory / "perijove.yaml")

    def _found(self, text: str) -> str:
        """What a text names, as it is found on this machine."""
        ports = self._ports
        for name, here in (
            ("http://hub.perijove:8081", f"http://127.0.0.1:{ports['hub']}"),
            ("http://hub:8081", f"http://127.0.0.1:{ports['hub']}"),
            ("http://perijove-control:8010", f"http://127.0.0.1:{ports['control']}"),
            ("http://proxy-public.perijove", self.url),
            ("/etc/perijove", str(self.directory / "mounted")),
            ("/srv/jupyterhub", str(self.directory)),
            ("/var/lib/perijove/ledger.sqlite", str(self.directory / "control.sqlite")),
            ("--port=8010", f"--port={ports['control']}"),
            ("=0.0.0.0", "=127.0.0.1"),
            ("=9101", f"={ports['control_metrics']}"),
            ("=9102", f"={ports['metrics']}"),
        ):
            text = text.replace(name, here)
        return text

    def _container(self, name: str) -> Manifest:
        spec = the(self._made, "Deployment", "perijove-control")["spec"]["template"]["spec"]
        (found,) = (each for each in spec["containers"] if each["name"] == name)
        container: Manifest = found
        return container

    def _command(self, name: str) -> list[str]:
        if name == "hub":
            return [sys.executable, "-m", "jupyterhub", "--config", str(ROOT / "tests/support/chart_bed_config.py")]
        if name == "proxy":
            return super()._command(name)
        container = self._container(name)
        env = {each["name"]: each.get("value", "") for each in container["env"]}
        arguments = [part.replace("$(PERIJOVE_DATABASE)", env["PERIJOVE_DATABASE"]) for part in container["args"]]
        return [sys.executable, "-m", "perijove_hub", *map(self._found, arguments)]

    def _env(self, name: str) -> dict[str, str]:
        env = super()._env(name)
        if name in ("hub", "proxy"):
            return env
        tokens = {"control": self._control_token, "controller": self._controller_token}
        told = {
            each["name"]: self._found(each["value"]) if "value" in each else tokens[name]
            for each in self._container(name)["env"]
        }
        kept = {key: value for key, value in env.items() if not key.startswith("JUPYTERHUB_")}
        return kept | told
