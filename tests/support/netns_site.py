"""A platform with one site elsewhere: its pods are behind an edge, and nothing else of it is reached."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.support.cluster_platform import NAMESPACE, ClusterPlatform
from tests.support.edge import GATEWAY, PORT, TLS_SECRET, Edge
from tests.support.gateway_api import HTTP_ROUTES
from tests.support.kube import KubeBed, Rule
from tests.support.kube.threaded import LoopThread
from tests.support.site_network import Forwarder, SiteNetwork

#: Where pods find the hub's API and the platform.
HUB_PORT, PUBLIC_PORT = 8081, 8000
#: The name of the edge, which hub and proxy know by a file of hosts of their own.
EDGE_NAME = "remote.edge.test"
#: By which users ask for the platform.
PUBLIC_NAME = "science.test"
#: How long the hub waits for a server that was there before it, or that has just come up.
HTTP_SECONDS = 3

PLATFORM = """\
public_url: http://{public_name}
admission: {{offer_seconds: 12, inventory_seconds: 0.4, sweep_seconds: 0.3, clock_margin_seconds: 0.1}}
sites:
  remote: &remote
    kind: kubernetes
    title: Remote
    region: there
    kubeconfig: {{secret: remote-kubeconfig}}
    namespace: {namespace}
    image: lab
    connect: ingress
    ingress: {{host: "{{site}}.edge.test", port: {edge_port}, tls_secret: {secret}, timeout_seconds: 2}}
    hub_api_url: http://{gateway}:{hub_port}/hub/api
    home_storage: {{path: {home}}}
    capacity: {{cpu: 40, memory_gib: 40}}
    start_timeout_seconds: 60
  gated:
    <<: *remote
    title: Gated
    ingress:
      {{host: "remote.edge.test", port: {edge_port}, timeout_seconds: 2, gateway: {{name: {gateway_name}}}}}
profiles:
  small: {{title: Small, cpu: 1, memory_gib: 1}}
placement: {{retries: 0}}
"""


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
            namespace=NAMESPACE,
            public_name=PUBLIC_NAME,
            edge_port=PORT,
            secret=TLS_SECRET,
            gateway=gateway,
            gateway_name=GATEWAY,
            hub_port=HUB_PORT,
            home=home,
        )
        self.cluster = KubeBed(namespaces=["default", NAMESPACE], network=network)
        super().__init__(
            directory,
            platform,
            {"remote": self.cluster, "gated": self.cluster},
            spawner={"http_timeout": HTTP_SECONDS},
            options={"public_control_url": f"http://{gateway}:{PUBLIC_PORT}/services/perijove"},
        )
        self.network = network
        self.edge = Edge(self.cluster, network, [EDGE_NAME, PUBLIC_NAME], directory / "edge")
        self._rights = rights
        self._hosts = directory / "hosts"
        self._hosts.write_text(f"127.0.0.1 localhost\n{network.edge_address} {EDGE_NAME}\n")
        self._forwarders: list[Forwarder] = []
        self._outside = LoopThread("outside")

    def start(self) -> None:
        self.cluster.start()
        self.cluster.define(HTTP_ROUTES)
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

    def _env(self, name: str) -> dict[str, str]:
        authority = str(self.edge.authority)
        trusts = {"hub": {"SSL_CERT_FILE": authority}, "proxy": {"NODE_EXTRA_CA_CERTS": authority}}
        return {**super()._env(name), **trusts.get(name, {})}

    def _told(self) -> dict[str, Any]:
        return {**super()._told(), "command": [str(Path(sys.executable).with_name("jupyterhub-singleuser"))]}
