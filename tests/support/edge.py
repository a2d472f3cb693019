"""An edge: a real nginx in the node's network, and what tells it the Ingresses and HTTPRoutes of a cluster.

It does as ingress-nginx does, and for its Gateway as NGINX Gateway Fabric. Requests are told apart by ``Host`` and by
their decoded paths; the certificate is that of the Secret that an Ingress names, chosen by the name that a client asks
for; who asks for another name gets one that nobody trusts, and 404.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.cluster_platform import NAMESPACE
from tests.support.gateway_api import ACCEPTED, parents
from tests.support.kube import KubeBed, Rule
from tests.support.kube.certificates import ServerIdentity, make_identity
from tests.support.nginx import MISSING, find_nginx
from tests.support.site_network import SiteNetwork

PORT = 8443
#: The Secret of the edge's certificate.
TLS_SECRET = "edge-certificate"
#: The Gateway for which it speaks; its listener has that certificate.
GATEWAY = "public"
#: Why it takes no route, when it does not.
REFUSED = ("NotAllowedByListeners", "no listener lets routes of this namespace in")
#: How often the edge looks for what has changed.
LOOK_SECONDS = 0.1

CONFIG = """{user} daemon off; worker_processes 1; pid {state}/nginx.pid; error_log {state}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {state}/access.log combined; default_type application/octet-stream;
  client_body_temp_path {state}/t1; proxy_temp_path {state}/t2; fastcgi_temp_path {state}/t3;
  uwsgi_temp_path {state}/t4; scgi_temp_path {state}/t5;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_connect_timeout 500ms;
  proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
  server {{
    listen {address}:{port} ssl default_server;
    ssl_certificate {state}/nobody.pem; ssl_certificate_key {state}/nobody.pem; return 404;
  }}
{servers}}}
"""
SERVER = """  server {{
    listen {address}:{port} ssl; server_name {name};
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    location / {{ return 404; }}
{locations}  }}
"""
LOCATION = "    location {path} {{ proxy_pass {target}; }}\n"


class Edge:
    """The edge of the cluster of a test.

    Args:
        cluster: whose API it watches.
        network: in whose node it is.
        names: of its certificate.
        directory: for what it writes.
    """

    def __init__(self, cluster: KubeBed, network: SiteNetwork, names: list[str], directory: Path) -> None:
        self._cluster = cluster
        self._network = network
        self._names = names
        self._state = directory
        self._state.mkdir()
        self._identity = make_identity(names=names)
        self._write("nobody.pem", make_identity(names=["nobody.test"]))
        #: What hub and proxy are to trust.
        self.authority = directory / "authority.pem"
        self.authority.write_bytes(self._identity.authority)
        #: Whether the Gateway takes no HTTPRoutes.
        self.refuses_routes = False
        self._config = ""
        self._process: subprocess.Popen[bytes]
        self._changes = threading.Lock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="edge", daemon=True)

    def start(self) -> None:
        """Begins to pass requests on, as the cluster's Ingresses say."""
        resources = ("ingresses", "httproutes", "services", "pods", "secrets")
        reads = [Rule(("list",), (resource,)) for resource in resources]
        self._kubernetes = httpx.Client(
            base_url=self._cluster.url,
            headers={"Authorization": f"Bearer {self._cluster.add_token('edge', reads)}"},
            trust_env=False,
        )
        self.show_trusted()
        self._apply(CONFIG.format(**self._known(), servers=""))
        self.come_back()
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._ends.set()
        self._thread.join()
        self.go_down()
        self._kubernetes.close()

    def go_down(self) -> None:
        """Nobody listens at the edge any more."""
        self._process.send_signal(signal.SIGTERM)  # its workers end with it
        self._process.wait(10)

    def come_back(self) -> None:
        """It listens again."""
        program = find_nginx()
        assert program is not None, MISSING
        command = [
            "setpriv", "--pdeathsig", "TERM", "--", "ip", "netns", "exec", self._network.node,
            program, "-p", str(self._state), "-e", f"{self._state}/error.log", "-c", f"{self._state}/nginx.conf",
        ]  # fmt: skip
        pid_file = self._state / "nginx.pid"
        pid_file.unlink(missing_ok=True)
        with self._changes:
            self._process = subprocess.Popen(command)
            # a signal that it does not listen to yet would end it
            while not pid_file.exists():
                assert self._process.poll() is None, (self._state / "error.log").read_text()
                time.sleep(0.01)

    def show_trusted(self) -> None:
        """Its certificate is of the authority that hub and proxy trust."""
        self._put_secret(self._identity)

    def show_untrusted(self) -> None:
        """Its certificate is of another authority, for the same names."""
        self._put_secret(make_identity(names=self._names))

    def get(self, path: str, name: str = "") -> httpx.Response:
        """What it answers to who asks it by a name, by the usual one unless another is given."""
        name = name or self._names[0]
        trusts = ssl.create_default_context(cafile=str(self.authority))
        with httpx.Client(verify=trusts, trust_env=False) as asks:
            return asks.get(
                f"https://{self._network.edge_address}:{PORT}{path}",
                headers={"Host": name},
                extensions={"sni_hostname": name},
            )

    def _put_secret(self, identity: ServerIdentity) -> None:
        chain = {"tls.crt": identity.certificate, "tls.key": identity.key}
        data = {key: base64.b64encode(text).decode() for key, text in chain.items()}
        secret = {"metadata": {"name": TLS_SECRET}, "type": "kubernetes.io/tls", "data": data}
        self._cluster.put("secrets", NAMESPACE, secret)

    # --- what it is told ------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._ends.wait(LOOK_SECONDS):
            with contextlib.suppress(httpx.HTTPError, KeyError):
                self._apply(CONFIG.format(**self._known(), servers="".join(self._servers())))

    def _known(self) -> dict[str, Any]:
        user = "user root;" if os.geteuid() == 0 else ""
        return {"state": self._state, "address": self._network.edge_address, "port": PORT, "user": user}

    def _servers(self) -> list[str]:
        services = {each["metadata"]["name"]: each for each in self._list("/api/v1", "services")}
        pods = self._list("/api/v1", "pods")
        locations: dict[str, str] = {}
        certificates: dict[str, str] = {}
        for ingress in self._list("/apis/networking.k8s.io/v1", "ingresses"):
            for tls in ingress["spec"].get("tls", ()):
                certificates |= dict.fromkeys(tls["hosts"], tls["secretName"])
            for rule in ingress["spec"]["rules"]:
                locations.setdefault(rule["host"], "")
                for path in rule["http"]["paths"]:
                    backend = path["backend"]["service"]
                    target = _target(services.get(backend["name"]), backend["port"]["number"], pods)
                    if target is not None:
                        locations[rule["host"]] += LOCATION.format(path=path["path"], target=target)
        for host, path, target in self._routed(services, pods):
            certificates[host] = TLS_SECRET
            locations[host] = locations.get(host, "") + LOCATION.format(path=path, target=target)
        files = self._certificates()
        return [
            SERVER.format(**self._known(), name=name, locations=text, certificate=files[certificates[name]])
            for name, text in sorted(locations.items())
        ]

    def _routed(
        self, services: dict[str, dict[str, Any]], pods: list[dict[str, Any]]
    ) -> Iterator[tuple[str, str, str]]:
        """Host, path and target of what the HTTPRoutes of the Gateway say, each of which it takes or refuses."""
        for route in self._list("/apis/gateway.networking.k8s.io/v1", "httproutes"):
            if [parent["name"] for parent in route["spec"]["parentRefs"]] != [GATEWAY]:
                continue
            self._tell(route)
            if self.refuses_routes:
                continue
            [rule] = route["spec"]["rules"]
            [backend] = rule["backendRefs"]
            target = _target(services.get(backend["name"]), backend["port"], pods)
            for match in rule["matches"] if target is not None else ():
                for host in route["spec"]["hostnames"]:
                    yield host, match["path"]["value"], str(target)

    def _tell(self, route: dict[str, Any]) -> None:
        accepted = ("False", *REFUSED) if self.refuses_routes else ACCEPTED
        status = parents(GATEWAY, Accepted=accepted)
        if route.get("status") != status:
            self._cluster.patch("httproutes", NAMESPACE, route["metadata"]["name"], {"status": status})

    def _certificates(self) -> dict[str, Path]:
        """The files of the cluster's certificates, by the names of their Secrets; another one is another file."""
        files = {}
        for secret in self._list("/api/v1", "secrets"):
            if secret.get("type") == "kubernetes.io/tls":
                chain = b"".join(base64.b64decode(secret["data"][key]) for key in ("tls.crt", "tls.key"))
                path = self._state / f"{secret['metadata']['name']}-{secret['metadata']['resourceVersion']}.pem"
                if not path.exists():
                    path.write_bytes(chain)
                files[secret["metadata"]["name"]] = path
        return files

    def _apply(self, config: str) -> None:
        if config == self._config:
            return
        with self._changes:
            (self._state / "nginx.conf").write_text(config)
            self._config = config
            if hasattr(self, "_process") and self._process.poll() is None:
                self._process.send_signal(signal.SIGHUP)

    def _write(self, name: str, identity: ServerIdentity) -> None:
        (self._state / name).write_bytes(identity.certificate + identity.key)

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
