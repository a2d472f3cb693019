"""Dask Gateway's API and controller for Kubernetes, with our backend, as processes beside a control plane."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from perijove_demo.ports import free_ports

from .control_plane import ControlPlane
from .dask_gateway import PATHS, until
from .kube.rights import Rule

#: What the roles of Dask Gateway's chart 2026.3 allow, and what ours adds to them.
GATEWAY_RULES = (
    Rule(("get",), ("secrets",)),
    Rule(("*",), ("daskclusters",), groups=("gateway.dask.org",)),
    Rule(("list",), ("pods",)),
)
CONTROLLER_RULES = (
    Rule(("*",), ("daskclusters", "daskclusters/status"), groups=("gateway.dask.org",)),
    Rule(("get", "create", "delete"), ("ingressroutes", "ingressroutetcps"), groups=("traefik.io",)),
    Rule(("get", "list", "watch", "create", "delete"), ("pods",)),
    Rule(("get", "list", "watch"), ("endpoints",)),
    Rule(("create", "delete"), ("secrets", "services")),
    Rule(("get",), ("pods/log",)),
)

#: What the pods of clusters run; nobody's scheduler.
SLEEPING = "echo distributed.scheduler - INFO - ready; exec sleep 300"
_CONFIGURATION = """\
c.DaskGateway.backend_class = "perijove_hub.dask.kubernetes.PerijoveKubeBackend"
c.DaskGateway.address = "127.0.0.1:{port}"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.JupyterHubAuthenticator"
c.JupyterHubAuthenticator.jupyterhub_api_url = "{hub_api_url}"
c.JupyterHubAuthenticator.jupyterhub_api_token = "none"
c.PerijoveKubeBackend.site = "esac"
c.PerijoveKubeBackend.control_url = "{control_url}"
c.PerijoveKubeBackend.secret_path = "{secret_path}"
c.PerijoveKubeBackend.sweep_seconds = 1
c.KubeClusterConfig.image = "dask:1"
c.KubeClusterConfig.namespace = "{namespace}"
c.KubeClusterConfig.scheduler_cmd = ["sh", "{directory}/scheduler.sh"]
c.KubeClusterConfig.worker_cmd = ["sh", "-c", "exec sleep 300"]
c.KubeClusterConfig.worker_cores = 1
c.KubeClusterConfig.worker_memory = "0.25 G"
c.KubeClusterConfig.scheduler_cores = 1
c.KubeClusterConfig.scheduler_memory = "0.25 G"
c.KubeController.address = "127.0.0.1:{controller_port}"
c.KubeController.api_url = "http://127.0.0.1:{port}/api"
"""


def definition(group: str, version: str, kind: str, *, status: bool = False) -> dict[str, Any]:
    """A kind of object, as the charts of Dask Gateway and Traefik define theirs, without their schemas."""
    plural = f"{kind.lower()}s"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    served: dict[str, Any] = {"name": version, "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [served | ({"subresources": {"status": {}}} if status else {})],
        },
    }


DEFINITIONS = (
    definition("gateway.dask.org", "v1alpha1", "DaskCluster", status=True),
    definition("traefik.io", "v1alpha1", "IngressRoute"),
    definition("traefik.io", "v1alpha1", "IngressRouteTCP"),
)


@dataclass
class KubeGateway:
    """A gateway and its controller, and the namespace of its clusters."""

    plane: ControlPlane
    namespace: str
    url: str
    directory: Path
    http: aiohttp.ClientSession

    async def call(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        """A request as a user's server sends it."""
        return await self._ask(method, path, f"jupyterhub {token}", body)

    async def beat(self, name: str, count: int) -> int:
        """What the scheduler of a cluster says, which wants so many workers; the status of the answer."""
        secret = f"/api/v1/namespaces/{self.namespace}/secrets/dask-credentials-{name.rpartition('.')[2]}"
        token = base64.b64decode(self.plane.target.get(secret)["data"]["api-token"]).decode()
        body = {"count": count, "active_workers": [], "closing_workers": [], "closed_workers": []}
        return (await self._ask("POST", f"v1/clusters/{name}/heartbeat", f"token {token}", body))[0]

    async def when(self, token: str, name: str, is_so: Any, seconds: float = 30) -> dict[str, Any]:
        """A cluster, once it is so."""
        found: dict[str, Any] = {}

        async def look() -> bool:
            _, body = await self.call("GET", "perijove/v1/clusters", token)
            found.update(next((each for each in body["items"] if each["name"] == name), {}))
            return bool(found) and bool(is_so(found))

        await until(look, seconds, lambda: f"{found}\n{self.statuses()}\n{self.log()[-4000:]}")
        return found

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Pods of clusters that have not ended."""
        every = self.plane.target.get(f"/api/v1/namespaces/{self.namespace}/pods")["items"]
        label = "app.kubernetes.io/component"
        return [
            each
            for each in every
            if each["metadata"]["labels"].get(label) == component and "deletionTimestamp" not in each["metadata"]
        ]

    def end(self, pods: list[dict[str, Any]]) -> None:
        """End pods, as when what runs in them ends."""
        for each in pods:
            path = f"/api/v1/namespaces/{self.namespace}/pods/{each['metadata']['name']}"
            assert self.plane.target.ask("DELETE", path).status == 200

    async def point(self) -> None:
        """Point services at their pods, for ever.

        A cluster does so itself, but takes no address of loopback as one of a pod, and all pods here are there.
        """
        space, where = f"/api/v1/namespaces/{self.namespace}", {"addresses": [{"ip": "192.0.2.1"}]}
        while True:
            await asyncio.sleep(0.2)
            ready = self.pods("dask-scheduler") and self.plane.target.get(f"{space}/services")["items"]
            known = {each["metadata"]["name"] for each in self.plane.target.get(f"{space}/endpoints")["items"]}
            for service in ready or []:
                metadata = {key: service["metadata"][key] for key in ("name", "labels")}
                if metadata["name"] not in known:
                    self.plane.target.make(f"{space}/endpoints", {"metadata": metadata, "subsets": [where]})

    def scheduler_runs(self, script: str) -> None:
        """What schedulers of clusters do that are started from now on."""
        (self.directory / "scheduler.sh").write_text(script)

    def statuses(self) -> list[Any]:
        """How its pods are, for who looks for a fault."""
        return [each["status"] for each in self.plane.target.get(f"/api/v1/namespaces/{self.namespace}/pods")["items"]]

    def log(self) -> str:
        """What both have written."""
        return "\n".join(path.read_text() for path in sorted(self.directory.glob("*.log")))

    async def _ask(self, method: str, path: str, authorization: str, body: Any) -> tuple[int, Any]:
        headers = {"Authorization": authorization}
        async with self.http.request(method, f"{self.url}/api/{path}", json=body, headers=headers) as answer:
            is_json = "json" in answer.content_type
            return answer.status, await answer.json() if is_json else await answer.text()


def _launched(gateway: KubeGateway, name: str, module: str, rules: Sequence[Rule]) -> subprocess.Popen[bytes]:
    directory, namespace = gateway.directory, gateway.namespace
    token = gateway.plane.add_account(namespace, name, rules)
    kubeconfig = gateway.plane.kubeconfig(directory / f"{name}-kubeconfig", namespace, token=token)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": PATHS,
        "KUBECONFIG": str(kubeconfig),
        "DASK_GATEWAY_INSTANCE": namespace,
    }
    command = [sys.executable, "-m", module, "--config", str(directory / "dask_gateway_config.py")]
    with (directory / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=directory, env=environment
        )


@contextlib.asynccontextmanager
async def running_kube_gateway(
    directory: Path, plane: ControlPlane, namespace: str, *, control_url: str, hub_api_url: str, secret: str
) -> AsyncIterator[KubeGateway]:
    """A gateway and its controller, each under the rights that it has by its chart and ours, and no others."""
    port, controller_port = free_ports(2)
    secret_path, config_path = directory / "secret", directory / "dask_gateway_config.py"
    secret_path.touch(mode=0o600)
    secret_path.write_text(secret)
    config_path.write_text(
        _CONFIGURATION.format(
            port=port,
            controller_port=controller_port,
            hub_api_url=hub_api_url,
            control_url=control_url,
            secret_path=secret_path,
            namespace=namespace,
            directory=directory,
        )
    )
    processes: list[subprocess.Popen[bytes]] = []
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        gateway = KubeGateway(plane, namespace, f"http://127.0.0.1:{port}", directory, http)
        gateway.scheduler_runs(SLEEPING)
        pointing = asyncio.create_task(gateway.point())
        try:
            processes.append(_launched(gateway, "gateway", "dask_gateway_server", GATEWAY_RULES))
            processes.append(_launched(gateway, "controller", "perijove_hub.dask.kube_controller", CONTROLLER_RULES))

            async def answers() -> bool:
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(f"{gateway.url}/api/health") as answer:
                        return answer.status == 200
                return False

            await until(answers, 30, gateway.log)
            yield gateway
        finally:
            pointing.cancel()
            for process in processes:
                process.terminate()
            for process in processes:
                try:
                    await asyncio.to_thread(process.wait, 15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
