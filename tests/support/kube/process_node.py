"""A node of processes for a real control plane: the bed's agent as a plain client of the API.

It registers a node, takes the pods that the scheduler binds to it, and tells how they fare. What it cannot be is a
kubelet's own server: logs and commands through the API need that.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from .environment import Reader
from .kubelet import Kubelet
from .nodes import NodeSpec
from .octets import take_octet
from .patching import MERGE, STRATEGIC
from .resources import Object
from .store import now_text
from .threaded import LoopThread

RETRY_SECONDS = 0.5
_READ_BYTES = 4 << 20


class RemoteCluster(Reader):
    """A cluster as its API shows it. See :class:`~.kubelet.Cluster`."""

    def __init__(self, http: aiohttp.ClientSession, node: str) -> None:
        self._http = http
        self._node = node

    async def ask(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json", expected: Sequence[int] = ()
    ) -> Any:
        """One request; its answer, or None where it was refused as ``expected``. Raises RuntimeError otherwise."""
        data = None if body is None else json.dumps(body)
        async with self._http.request(method, path, data=data, headers={"Content-Type": kind}) as answer:
            text = await answer.text()
            if answer.status in expected:
                return None
            if not answer.ok:
                raise RuntimeError(f"{method} {path} was answered {answer.status}: {text[:500]}")
            return json.loads(text)

    async def read(self, resource: str, namespace: str, name: str) -> Object | None:
        """See :class:`~.environment.Reader`."""
        found: Object | None = await self.ask(
            "GET", f"/api/v1/namespaces/{namespace}/{resource}/{name}", expected=[404]
        )
        return found

    async def say(self, pod: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """See :class:`~.kubelet.Cluster`."""
        metadata = pod["metadata"]
        event = {
            "metadata": {"name": f"{metadata['name'][:200]}.{uuid.uuid4().hex[:16]}"},
            "involvedObject": {
                "kind": "Pod",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "apiVersion": "v1",
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "count": 1,
            "source": {"component": "kubelet", "host": self._node},
            "firstTimestamp": now_text(),
            "lastTimestamp": now_text(),
        }
        # a namespace that ends takes no events
        await self.ask("POST", f"/api/v1/namespaces/{metadata['namespace']}/events", event, expected=[403, 404])

    async def set_status(self, pod: Object, status: Object) -> None:
        """See :class:`~.kubelet.Cluster`."""
        patch = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        await self.ask("PATCH", f"{_path(pod)}/status", patch, kind=STRATEGIC, expected=[404, 409, 422])

    async def remove(self, pod: Object) -> None:
        """See :class:`~.kubelet.Cluster`."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        await self.ask("DELETE", _path(pod), options, expected=[404, 409])


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


class ProcessNode:
    """One node of a cluster; use as ``with ProcessNode(...)``.

    Args:
        url: the address of the API.
        token: of one who may register nodes and write the status of pods.
        authority: the certificate to pin, in PEM.
        directory: for logs and homes.
        spec: its name, and what it says it has.
        back_off_seconds: how long a container that has failed twice waits to be started again.
    """

    def __init__(
        self, url: str, token: str, authority: str, directory: Path, spec: NodeSpec, *, back_off_seconds: float = 10.0
    ) -> None:
        #: What an image runs whose manifest says no command, by globs over images.
        self.images: dict[str, list[str]] = {}
        self._url = url
        self._token = token
        self._context = ssl.create_default_context(cadata=authority)
        self._directory = directory
        self._spec = spec
        self._back_off_seconds = back_off_seconds
        self._octet = take_octet()
        self._thread = LoopThread(f"node-{spec.name}")
        self._http: aiohttp.ClientSession
        self._cluster: RemoteCluster
        self._kubelet: Kubelet
        self._following: asyncio.Task[None]

    def __enter__(self) -> Self:
        self._thread.start()
        self._thread.wait_for(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._thread.wait_for(self._stop())
        finally:
            self._thread.stop()
            self._octet.free()

    async def _start(self) -> None:
        self._http = aiohttp.ClientSession(
            self._url,
            headers={"Authorization": f"Bearer {self._token}"},
            connector=aiohttp.TCPConnector(ssl=self._context, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            read_bufsize=_READ_BYTES,  # a watch's line is a whole pod
        )
        self._cluster = RemoteCluster(self._http, self._spec.name)
        self._kubelet = Kubelet(
            self._cluster,
            [self._spec.name],
            self._directory,
            self._octet.number,
            images=self.images,
            back_off_seconds=self._back_off_seconds,
        )
        await self._register()
        self._following = asyncio.create_task(self._follow())

    async def _stop(self) -> None:
        self._following.cancel()
        await asyncio.wait([self._following])
        await self._kubelet.close()
        await self._http.close()

    async def _register(self) -> None:
        node, path = self._spec.to_object(), f"/api/v1/nodes/{self._spec.name}"
        await self._cluster.ask("POST", "/api/v1/nodes", node, expected=[409])
        await self._cluster.ask("PATCH", f"{path}/status", {"status": node["status"]}, kind=STRATEGIC)
        # admission taints nodes that nobody watches over; no controller of nodes runs here to say that it is well
        await self._cluster.ask("PATCH", path, {"spec": {"taints": None}}, kind=MERGE)

    async def _follow(self) -> None:
        query = {"fieldSelector": f"spec.nodeName={self._spec.name}"}
        while True:
            try:
                async with self._http.get("/api/v1/pods", params=query) as answer:
                    listed = await answer.json()
                for pod in listed["items"]:
                    self._kubelet.saw("ADDED", pod)
                watch = {**query, "watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
                async with self._http.get("/api/v1/pods", params=watch) as answer:
                    async for line in answer.content:
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            break
                        self._kubelet.saw(event["type"], event["object"])
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(RETRY_SECONDS)
