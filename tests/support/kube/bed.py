"""The bed itself: a cluster's API on loopback with nodes behind it, bad weather to order, and a record of requests."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from .api import Api
from .certificates import ServerIdentity, make_identity
from .cluster import EmulatedCluster
from .fates import Fates
from .faults import Faults
from .listener import Listener
from .nodes import NodeSpec
from .octets import take_octet
from .pod_network import PodNetwork
from .resources import DEFINITIONS, NAMESPACES, Object, Resources
from .rights import ADMIN, Account, Accounts, Rule
from .server import Recorded, Server
from .store import Store
from .threaded import LoopThread

#: What is under way gets so long to be written down.
SETTLE_SECONDS = 1.0
T = TypeVar("T")


class KubeBed:
    """A Kubernetes cluster for tests; use as ``with KubeBed() as bed``. It runs in a thread with a loop of its own.

    Args:
        nodes: names, or :class:`NodeSpec` where it matters what they have. Without any, pods are never scheduled.
        pods_at: nothing is started, and pods are said to run at this address; for measurements with many pods.
        network: that pods are in; loopback unless given.
        tls: answers by HTTPS with a certificate of its own authority, :attr:`authority`.
        port: 0 takes a free one.
        namespaces: that are there from the start.
        history: how many changes of each resource a watch can go back.
        git_version: which Kubernetes it says it is.
        schedule_seconds: how long a pod waits to be scheduled.
        back_off_seconds: how long a container that has failed twice waits to be started again.
        directory: where logs and homes are kept; a temporary one unless given.
    """

    def __init__(
        self,
        *,
        nodes: Sequence[str | NodeSpec] = ("node-1",),
        pods_at: str | None = None,
        network: PodNetwork | None = None,
        tls: bool = False,
        port: int = 0,
        namespaces: Sequence[str] = ("default",),
        history: int = 10_000,
        git_version: str = "v1.34.1",
        schedule_seconds: float = 0.0,
        back_off_seconds: float = 10.0,
        directory: Path | None = None,
    ) -> None:
        self.faults = Faults()
        self.fates = Fates()
        #: What an image runs whose manifest says no command, by globs over images.
        self.images: dict[str, list[str]] = {}
        #: The token of an administrator.
        self.token = secrets.token_urlsafe(24)
        self._nodes = [each if isinstance(each, NodeSpec) else NodeSpec(each) for each in nodes]
        self._pods_at = pods_at
        self._network = network
        self._namespaces = list(namespaces)
        self._schedule_seconds = schedule_seconds
        self._back_off_seconds = back_off_seconds
        self._keeps_directory = directory is not None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="perijove-kube-"))
        self._store = Store(history)
        self._resources = Resources()
        self._accounts = Accounts()
        self._accounts.add(self.token, "kubernetes-admin", [ADMIN])
        self._identity: ServerIdentity | None = make_identity() if tls else None
        self._api = Api(self._store, self._resources, lambda pod, request: self._cluster.read_log(pod, request))
        self._server = Server(self._store, self._resources, self._api, self._accounts, self.faults, git_version)
        self._listener = Listener(self._server.app, port, self._identity)
        self._octet = take_octet()
        self._thread = LoopThread("kube-bed")
        self._cluster: EmulatedCluster

    # --- life ---------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address to give to clients."""
        return f"{'https' if self._identity else 'http'}://127.0.0.1:{self._listener.port}"

    @property
    def authority(self) -> str | None:
        """The certificate that clients pin, in PEM; None without TLS."""
        return self._identity.authority.decode() if self._identity else None

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()
        self._thread.wait_for(self._start())

    async def _start(self) -> None:
        self._cluster = EmulatedCluster(
            self._store, self._resources, self._api, self.fates, self._nodes, self._directory, self._octet.number,
            images=self.images, pods_at=self._pods_at, network=self._network, schedule_seconds=self._schedule_seconds,
            back_off_seconds=self._back_off_seconds,
        )  # fmt: skip
        for name in self._namespaces:
            self._api.insert(NAMESPACES, {"metadata": {"name": name}}, "")
        await self._listener.open()

    def stop(self) -> None:
        """Ends, with all that runs on its nodes."""
        try:
            self._thread.wait_for(self._stop())
        finally:
            self._thread.stop()
            self._octet.free()
            if not self._keeps_directory:
                shutil.rmtree(self._directory, ignore_errors=True)

    async def _stop(self) -> None:
        await self._listener.close()
        self._server.close()
        await self._cluster.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # --- whom it knows ------------------------------------------------------------------------------------------

    def add_token(self, user: str, rules: Iterable[Rule]) -> str:
        """A new token, good for what the rules allow; ``user`` is what refusals call its bearer."""
        token = secrets.token_urlsafe(24)
        self.account(token, user, rules)
        return token

    def add_account(self, namespace: str, name: str, rules: Iterable[Rule]) -> str:
        """The token of a service account with such rights."""
        return self.add_token(f"system:serviceaccount:{namespace}:{name}", rules)

    def account(self, token: str, user: str, rules: Iterable[Rule]) -> Account:
        """Makes a given token good for what the rules allow, instead of what it was good for."""
        return self._thread.call(lambda: self._accounts.add(token, user, rules))

    def revoke(self, token: str) -> None:
        """From now on the token is answered 401, as one that has expired. Raises KeyError."""
        self._thread.call(lambda: self._accounts.revoke(token))

    def kubeconfig(self, path: Path, namespace: str = "default", *, token: str | None = None) -> Path:
        """Writes a file by which clients find this cluster, as the administrator unless another token is given."""
        cluster: Object = {"server": self.url}
        if self.authority:
            cluster["certificate-authority-data"] = base64.b64encode(self.authority.encode()).decode()
        said = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bed", "cluster": cluster}],
            "users": [{"name": "bed", "user": {"token": token or self.token}}],
            "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": "bed", "namespace": namespace}}],
            "current-context": "bed",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(said, indent=2))  # JSON is YAML, too
        return path

    # --- what a test puts in, takes out and asks ----------------------------------------------------------------

    def namespace(self, name: str) -> str:
        """Makes a namespace unless it is there; its name."""
        if not any(item["metadata"]["name"] == name for item in self.objects("namespaces")):
            self._thread.call(lambda: self._api.insert(NAMESPACES, {"metadata": {"name": name}}, ""))
        return name

    def define(self, definition: Object) -> None:
        """Serves what a custom resource definition describes."""
        self._thread.call(lambda: self._api.insert(DEFINITIONS, definition, ""))

    def objects(self, resource: str, namespace: str = "") -> list[Object]:
        """All objects of a resource, or those of a namespace, as they are now. They are yours."""
        items = self._thread.call(lambda: self._store.items(self._resources.named(resource), namespace))
        return [dict(json.loads(json.dumps(item))) for item in items]

    def object(self, resource: str, namespace: str, name: str) -> Object | None:
        """One object as it is now, or None. Give an empty namespace for what has none."""
        found = self._thread.call(lambda: self._store.find(self._resources.named(resource), namespace, name))
        return None if found is None else dict(json.loads(json.dumps(found)))

    def put(self, resource: str, namespace: str, item: Object) -> Object:
        """Makes an object, or puts it in the place of the one by its name, behind the clients' backs."""
        return self._thread.call(lambda: self._cluster.put(self._resources.named(resource), namespace, item))

    def patch(self, resource: str, namespace: str, name: str, patch: Object) -> Object:
        """Changes an object, its status too, by a strategic merge patch, behind the clients' backs."""
        return self._thread.call(lambda: self._cluster.patch(self._resources.named(resource), namespace, name, patch))

    def delete(self, resource: str, namespace: str, name: str, *, grace_seconds: int | None = 0) -> None:
        """Deletes an object behind the clients' backs."""
        self._thread.call(lambda: self._cluster.delete(self._resources.named(resource), namespace, name, grace_seconds))

    def logs(self, namespace: str, pod: str, container: str = "") -> str:
        """What a pod's container has written since it was last started."""
        return self._thread.call(lambda: self._cluster.log_of(namespace, pod, container))

    def wait_until(self, holds: Callable[[], T], what: str, seconds: float = 20.0) -> T:
        """Waits until a look says something true, and returns that.

        Raises:
            AssertionError: it never does.
        """
        ends_at = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < ends_at, f"{what}: not so after {seconds:g} s"
            time.sleep(0.01)
        return found

    def wait_for_pod(self, namespace: str, name: str, phase: str = "Running", seconds: float = 20.0) -> Object:
        """Waits until a pod has this phase; the pod."""

        def look() -> Object | None:
            pod = self.object("pods", namespace, name)
            return pod if pod and pod["status"].get("phase") == phase else None

        found = self.wait_until(look, f"pod {namespace}/{name} is {phase}", seconds)
        assert found is not None
        return found

    @property
    def requests(self) -> list[Recorded]:
        """What was asked, oldest first, by all but the bed's own nodes."""
        ends_at = time.monotonic() + SETTLE_SECONDS
        while self._server.under_way and time.monotonic() < ends_at:  # some are to hang for ever
            time.sleep(0.001)
        return self._thread.call(lambda: list(self._server.recorded))

    def forget_requests(self) -> None:
        """Forgets what was asked so far."""
        self._thread.call(self._server.recorded.clear)

    # --- weather ------------------------------------------------------------------------------------------------

    @property
    def latency_seconds(self) -> float:
        """What is waited before every answer."""
        return self._server.latency_seconds

    @latency_seconds.setter
    def latency_seconds(self, seconds: float) -> None:
        self._server.latency_seconds = seconds

    @property
    def bookmark_seconds(self) -> float:
        """How often a bookmark is sent to whom allows them."""
        return self._server.bookmark_seconds

    @bookmark_seconds.setter
    def bookmark_seconds(self, seconds: float) -> None:
        self._server.bookmark_seconds = seconds

    def go_dark(self) -> None:
        """Connections are refused and those that are there are cut. What runs on the nodes runs on."""
        self._thread.wait_for(self._listener.close())

    def come_back(self) -> None:
        """Answers again, at the same address."""
        self._thread.wait_for(self._listener.open())

    @contextmanager
    def dark(self) -> Iterator[None]:
        """The time in which connections are refused."""
        self.go_dark()
        try:
            yield
        finally:
            self.come_back()

    def compact(self) -> None:
        """Forgets all changes: who goes on from an older version is told 410."""
        self._thread.call(self._store.compact)

    def cut_watches(self) -> None:
        """Cuts the connections of all watches that are under way."""
        self._thread.call(self._server.cut_streams)

    def lose_node(self, node: str, *, evict_after_seconds: float | None = None, kill: bool = True) -> None:
        """See :meth:`.nodes.Nodes.lose`."""
        self._thread.call(lambda: self._cluster.nodes.lose(node, evict_after_seconds=evict_after_seconds, kill=kill))

    def find_node(self, node: str) -> None:
        """See :meth:`.nodes.Nodes.find`."""
        self._thread.call(lambda: self._cluster.nodes.find(node))
