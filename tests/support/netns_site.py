"""A platform with one site elsewhere: its pods are behind an edge, and nothing else of it is reached."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx

from perijove_demo.build import find_proxy
from tests.support.cluster_platform import NAMESPACE, ClusterPlatform
from tests.support.kube import KubeBed, Rule
from tests.support.kube.threaded import LoopThread
from tests.support.site_network import Forwarder, SiteNetwork

EDGE_PORT, EDGE_API_PORT = 8080, 8001
#: Where pods find the hub's API and the platform.
HUB_PORT, PUBLIC_PORT = 8081, 8000
#: The name of the edge, which hub and proxy know by a file of hosts of their own.
EDGE_NAME = "remote.edge.test"
#: How often the edge looks for what has changed.
LOOK_SECONDS = 0.1
#: How long the hub waits for a server that was there before it, or that has just come up.
HTTP_SECONDS = 3

PLATFORM = """\
admission: {{offer_seconds: 12, inventory_seconds: 0.4, sweep_seconds: 0.3, clock_margin_seconds: 0.1}}
sites:
  remote:
    kind: kubernetes
    title: Remote
    region: there
    kubeconfig: {{secret: remote-kubeconfig}}
    namespace: {namespace}
    image: lab
    connect: ingress
    ingress: {{host: "{{site}}.edge.test", port: {edge_port}, tls: false}}
    hub_api_url: http://{gateway}:{hub_port}/hub/api
    home_storage: {{path: {home}}}
    capacity: {{cpu: 40, memory_gib: 40}}
    start_timeout_seconds: 60
profiles:
  small: {{title: Small, cpu: 1, memory_gib: 1}}
placement: {{retries: 0}}
"""


class Edge:
    """An ingress controller: a proxy in the node's namespace, and what tells it the routes of the cluster's Ingresses.

    Args:
        cluster: whose API it watches.
        network: in whose node it is.
        log: takes what the proxy writes.
    """

    def __init__(self, cluster: KubeBed, network: SiteNetwork, log: Path) -> None:
        self.url = f"http://{network.edge_address}:{EDGE_PORT}"
        self._cluster = cluster
        self._network = network
        self._log = log
        self._token = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes]
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="edge", daemon=True)

    def start(self) -> None:
        """Begins to pass requests on, as the cluster's Ingresses say."""
        reads = [Rule(("list",), (resource,)) for resource in ("ingresses", "services", "pods")]
        self._kubernetes = httpx.Client(
            base_url=self._cluster.url,
            headers={"Authorization": f"Bearer {self._cluster.add_token('edge', reads)}"},
            trust_env=False,
        )
        self._proxy = httpx.Client(
            base_url=f"http://{self._network.edge_address}:{EDGE_API_PORT}/api/routes",
            headers={"Authorization": f"token {self._token}"},
            trust_env=False,
        )
        self.come_back()
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._ends.set()
        self._thread.join()
        self.go_down()
        self._kubernetes.close()
        self._proxy.close()

    def go_down(self) -> None:
        """Nobody listens at the edge any more."""
        self._process.kill()
        self._process.wait()

    def come_back(self) -> None:
        """A new proxy, which knows no routes until it is told them."""
        address = self._network.edge_address
        command = [
            "setpriv", "--pdeathsig", "KILL", "--", "ip", "netns", "exec", self._network.node,
            "env", f"CONFIGPROXY_AUTH_TOKEN={self._token}", *find_proxy(), "--ip", address, "--port", str(EDGE_PORT),
            "--api-ip", address, "--api-port", str(EDGE_API_PORT),
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def _follow(self) -> None:
        while not self._ends.wait(LOOK_SECONDS):
            with contextlib.suppress(httpx.TransportError):  # the proxy is away
                wanted = self._wanted()
                known = {path: route["target"] for path, route in self._proxy.get("").raise_for_status().json().items()}
                for path in known.keys() - wanted.keys():
                    self._proxy.delete(path)
                for path, target in wanted.items():
                    if known.get(path) != target:
                        self._proxy.post(path, json={"target": target})

    def _wanted(self) -> dict[str, str]:
        """The address of a pod for each path: of an Ingress, by its Service, to a pod that this selects."""
        services = {each["metadata"]["name"]: each for each in self._list("/api/v1", "services")}
        pods = self._list("/api/v1", "pods")
        wanted = {}
        for ingress in self._list("/apis/networking.k8s.io/v1", "ingresses"):
            for rule in ingress["spec"]["rules"]:
                if rule["host"] != EDGE_NAME:
                    continue
                for path in rule["http"]["paths"]:
                    backend = path["backend"]["service"]
                    target = _target(services.get(backend["name"]), backend["port"]["number"], pods)
                    if target is not None:
                        wanted[path["path"].rstrip("/")] = target
        return wanted

    def _list(self, group: str, resource: str) -> list[dict[str, Any]]:
        answer = self._kubernetes.get(f"{group}/namespaces/{NAMESPACE}/{resource}").raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def _target(service: dict[str, Any] | None, port: int, pods: list[dict[str, Any]]) -> str | None:
    """Where a port of a Service leads: to a ready pod that it selects."""
    if service is None:
        return None
    selector = service["spec"]["selector"].items()
    [of] = [each for each in service["spec"]["ports"] if each["port"] == port]
    for pod in pods:
        conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
        if selector <= pod["metadata"].get("labels", {}).items() and conditions.get("Ready") == "True":
            return f"http://{pod['status']['podIP']}:{of.get('targetPort', port)}"
    return None


class RemotePlatform(ClusterPlatform[KubeBed]):
    """Hub and proxy here, sessions there; the servers are real ones, since they have to find the hub by themselves.

    Args:
        directory: for all that it writes.
        network: of the site.
        rights: of the hub in the cluster.
    """

    def __init__(self, directory: Path, network: SiteNetwork, rights: list[Rule]) -> None:
        home = directory / "homes"
        home.mkdir()
        gateway = network.gateway_address
        platform = PLATFORM.format(
            namespace=NAMESPACE, edge_port=EDGE_PORT, gateway=gateway, hub_port=HUB_PORT, home=home
        )
        self.cluster = KubeBed(namespaces=["default", NAMESPACE], network=network)
        super().__init__(
            directory,
            platform,
            {"remote": self.cluster},
            spawner={"http_timeout": HTTP_SECONDS},
            options={"public_control_url": f"http://{gateway}:{PUBLIC_PORT}/services/perijove"},
        )
        self.network = network
        self.edge = Edge(self.cluster, network, directory / "edge.log")
        self._rights = rights
        self._hosts = directory / "hosts"
        self._hosts.write_text(f"127.0.0.1 localhost\n{network.edge_address} {EDGE_NAME}\n")
        self._forwarders: list[Forwarder] = []
        self._outside = LoopThread("outside")

    def start(self) -> None:
        self.cluster.start()
        self._outside.start()
        for port, name in ((HUB_PORT, "hub"), (PUBLIC_PORT, "public")):
            self._forwarders.append(Forwarder(self.network.listen(port), self._ports[name]))
            self._outside.wait_for(self._forwarders[-1].open())
        token = self.cluster.add_account(NAMESPACE, "perijove-hub", self._rights)
        self.cluster.kubeconfig(self.directory / "secrets/remote-kubeconfig", NAMESPACE, token=token)
        self.edge.start()
        super().start()

    def stop(self) -> None:
        super().stop()
        self.edge.stop()
        self.cluster.stop()
        for each in self._forwarders:
            self._outside.wait_for(each.close())
        self._outside.stop()

    def _command(self, name: str) -> list[str]:
        command = super()._command(name)
        if name not in ("hub", "proxy"):
            return command
        # who asks for the edge by its name
        known = ["sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(self._hosts)]
        return ["unshare", "--mount", *known, *command]

    def _told(self) -> dict[str, Any]:
        return {**super()._told(), "command": [str(Path(sys.executable).with_name("jupyterhub-singleuser"))]}
