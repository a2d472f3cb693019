"""KubeSpawner for one attempt in one of several clusters.

KubeSpawner knows one cluster, the process's, and one pod, its user's. Here it has the cluster of its site and the pod
of an attempt, whose name holds the attempt's id: so what is made is made once, however often it is asked for, and is
found again by the id alone. See ``docs/decisions/0024-kubespawner-at-its-seams.md``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import kubespawner.spawner
from kubernetes_asyncio.client import ApiException
from kubespawner import KubeSpawner
from traitlets import Any as AnyTrait

from perijove_hub.policy.sites import KubernetesSite
from perijove_hub.sites.kubernetes.cluster import PAUSE_SECONDS, REQUEST_SECONDS, RETRY_SECONDS, Cluster, carry_out
from perijove_hub.sites.kubernetes.edge import Edge, unblocking
from perijove_hub.sites.kubernetes.reasons import USERS_IMAGE_ANNOTATION
from perijove_hub.sites.kubernetes.watching import REFLECTORS, Events, Pods
from perijove_hub.sites.local import RESCUE_FOLDERS
from perijove_hub.sites.models import SiteError, SiteUnreachable, StartSpec

log = logging.getLogger(__name__)

ATTEMPT_LABEL, SITE_LABEL = "perijove.io/attempt", "perijove.io/site"
#: What zero-to-jupyterhub's network policy of the hub lets in.
HUB_ACCESS_LABEL = "hub.jupyter.org/network-access-hub"
PORT = 8888
RESCUE_PATH = "/opt/perijove-rescue"
#: How long a server has to save before it is killed.
GRACE_SECONDS = 10
#: How long one has that a cluster gives up by itself: what Kubernetes gives every pod.
LONGEST_GRACE_SECONDS = 30
#: Kubernetes waits five minutes for a node that is gone before it gives up its pods; a session is missed before.
NODE_GONE = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 45}
    for what in ("not-ready", "unreachable")
]
#: How long a pod may take to be gone, once that was asked for.
GONE_SECONDS = 45
#: A pod is asked for so often where nobody takes the connection.
REFUSALS_MAX = 3

#: The reflectors that are being started, by their keys.
_starting: dict[Any, asyncio.Task[Any]] = {}


def pod_name(attempt_id: str) -> str:
    """What the pod of an attempt is called."""
    return f"session-{attempt_id}"


@contextlib.contextmanager
def _no_process_wide_cluster() -> Iterator[None]:
    """While a spawner is made, KubeSpawner finds no cluster of the process, and does not ask for one."""
    before = kubespawner.spawner.load_config
    kubespawner.spawner.load_config = lambda **_: None
    try:
        yield
    finally:
        kubespawner.spawner.load_config = before


class ClusterKubeSpawner(KubeSpawner):  # type: ignore[misc]  # kubespawner has no types
    """Makes and deletes the pod of one attempt."""

    #: of all clusters, by cluster, kind and namespace
    reflectors: ClassVar[dict[Any, Any]] = {}

    cluster = AnyTrait(help="The cluster that the pod is in.")
    spec = AnyTrait(None, allow_none=True, help="What to start; none where a pod is only looked for or ended.")
    policy = AnyTrait(help="The site, as the platform file has it.")
    hub_api_url = AnyTrait("", help="Where the pod reaches the hub's API.")

    def __init__(self, **kwargs: Any) -> None:
        self._may_be_there = False
        self._refusals = 0
        #: whether the cluster has taken that the pod is to go
        self.is_told_to_end = False
        with _no_process_wide_cluster():
            super().__init__(**kwargs)

    # --- seams: one client and one picture for each cluster ---------------------------------------------------------

    @property
    def api(self) -> Any:
        """The client of its cluster, with the credentials in force now."""
        return self.cluster.api("CoreV1Api")

    @api.setter
    def api(self, shared: Any) -> None:
        """KubeSpawner sets the process's own client, which is of no use here."""

    def _get_reflector_key(self, kind: str) -> Any:
        return (self.cluster, kind, self.namespace)

    async def _start_reflector(self, kind: str, reflector_class: Any, replace: bool = False, **kwargs: Any) -> Any:
        """Once for all who wait, whoever of them gives up; one that did not come up, or has ended, is begun anew.

        KubeSpawner wants one replaced that does not show what it waits for. Ours begin again by themselves, and others
        look at the picture meanwhile.
        """
        key = self._get_reflector_key(kind)
        known = self.reflectors.get(key)
        if known is not None and known.watch_task is not None and not known.watch_task.done():
            return known
        if key not in _starting:
            self.reflectors.pop(key, None)
            begun = super()._start_reflector(kind, REFLECTORS[kind], **kwargs)
            _starting[key] = asyncio.ensure_future(begun)
            _starting[key].add_done_callback(lambda done: _forget(key, done))
        return await asyncio.shield(_starting[key])

    @property
    def picture(self) -> Pods | None:
        """What is known of the cluster's pods."""
        found: Pods | None = self.pod_reflector
        return found

    def seen(self, name: str = "") -> dict[str, Any] | None:
        """The pod as the picture has it, or another one of its namespace."""
        pods = self.picture.pods if self.picture else {}
        pod: dict[str, Any] | None = pods.get(f"{self.namespace}/{name or self.pod_name}")
        return pod

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the cluster says of the pod. KubeSpawner's puts those of all pods in order for each look."""
        reflector: Events | None = self.event_reflector
        return reflector.of(self.pod_name) if reflector else []

    @property
    def may_be_there(self) -> bool:
        """Whether the cluster may have made the pod."""
        return self._may_be_there

    def trust_claim(self) -> None:
        """The claim of the home was there before: it is not made again unless the scheduler misses it."""
        self._pvc_exists = True

    async def make_claim(self) -> None:
        """Make the claim of the home; where the cluster refuses for the moment, whoever asks may ask again.

        Raises:
            SiteError: it is refused.
        """
        # the pod is there: not to reach the cluster now is no reason to try another
        with contextlib.suppress(SiteUnreachable):
            await self._make_create_pvc_request(self.get_pvc_manifest(), self.k8s_api_request_timeout)

    # --- what is made -----------------------------------------------------------------------------------------------

    def get_env(self) -> dict[str, str]:
        """The environment of the spec, with the addresses as they are from within the pod."""
        env = dict(self.spec.env)
        if inner := env.get("JUPYTERHUB_API_URL"):
            changed = {name: value for name, value in env.items() if value.startswith(inner)}
            env |= {name: f"{self.hub_api_url}{value[len(inner) :]}" for name, value in changed.items()}
        env["JUPYTERHUB_SERVICE_URL"] = f"http://0.0.0.0:{PORT}{self.spec.path}"
        env["HOME"] = self.policy.home_storage.path
        if self.spec.rescue:
            env |= {name: f"{RESCUE_PATH}/{folder}" for name, folder in RESCUE_FOLDERS.items()}
        return env

    def get_args(self) -> list[str]:
        """None: the command of the spec has them."""
        return []

    async def _make_create_pod_request(self, pod: Any, request_timeout: float) -> bool:
        # 409: an answer was lost, and it is there; its name is of this attempt and of nothing else
        before, self._may_be_there = self._may_be_there, True
        try:
            return await carry_out(self._create(pod), request_timeout, "make the pod", fine=(409,))
        except SiteUnreachable:
            # an API server that is started again refuses for some seconds; then another site may be tried
            self._may_be_there = before
            self._refusals += 1
            if self._refusals >= REFUSALS_MAX:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
            return False

    async def _create(self, pod: Any) -> None:
        made = await self.api.create_namespaced_pod(self.namespace, pod)
        # the picture has it from now on, whatever its watch has heard
        if self.picture is not None:
            shown = self.api.api_client.sanitize_for_serialization(made)
            self.picture.resources[f"{self.namespace}/{self.pod_name}"] = shown

    async def _make_create_pvc_request(self, pvc: Any, request_timeout: float) -> bool:
        try:
            made = self.api.create_namespaced_persistent_volume_claim(self.namespace, pvc)
            return await carry_out(made, request_timeout, "make the claim of the home", fine=(409,))
        except SiteError as error:
            if not isinstance(error.__cause__, ApiException) or error.__cause__.status != 403:
                raise
            # a quota refuses before it is seen that the claim is there
            read = self.api.read_namespaced_persistent_volume_claim(pvc.metadata.name, self.namespace)
            if await carry_out(read, request_timeout, "look for the claim of the home", fine=(404,), fine_is=False):
                return True
            raise

    def get_service_manifest(self, owner_reference: Any, port: int) -> Any:
        """The Service of a session behind an edge; it goes with the pod."""
        return super().get_service_manifest(unblocking(owner_reference), port)

    async def _make_create_resource_request(self, kind: str, manifest: Any) -> bool:
        made = getattr(self.api, f"create_namespaced_{kind}")(self.namespace, manifest)
        return await carry_out(made, self.k8s_api_request_timeout, f"make the {kind}", fine=(409,))

    async def _ensure_not_exists(self, kind: str, name: str) -> bool:
        # named after the attempt: there is none of another
        return True

    async def _make_delete_pod_request(
        self, pod_name: str, delete_options: Any, grace_seconds: int, request_timeout: float
    ) -> bool:
        ended = self.api.delete_namespaced_pod(
            pod_name, self.namespace, body=delete_options, grace_period_seconds=grace_seconds
        )
        self.is_told_to_end = await carry_out(ended, request_timeout, "delete the pod", fine=(404,))
        return self.is_told_to_end


def _forget(key: Any, done: asyncio.Task[Any]) -> None:
    _starting.pop(key, None)
    if done.cancelled() or done.exception() is not None:
        ClusterKubeSpawner.reflectors.pop(key, None)


def bare(cluster: Cluster, policy: KubernetesSite, attempt_id: str) -> ClusterKubeSpawner:
    """For a pod that is only looked for, or ended."""
    return _made(cluster, policy, attempt_id, owner="", name_of_pvc="")


def for_start(
    cluster: Cluster,
    policy: KubernetesSite,
    site: str,
    spec: StartSpec,
    attempt_id: str,
    hub_api_url: str,
    edge: Edge | None,
) -> ClusterKubeSpawner:
    """For a pod that is to be made.

    Args:
        cluster: that it is made in.
        policy: of the site.
        site: its name.
        spec: what to start.
        attempt_id: that its name and label hold.
        hub_api_url: where the pod reaches the hub.
        edge: by which the pod is reached; None: by its address.
    """
    resources, storage = spec.resources, policy.home_storage
    has_home = spec.home_site is not None
    gpus = {"nvidia.com/gpu": str(int(resources.gpu))} if resources.gpu else {}
    home: dict[str, Any] = {"persistentVolumeClaim": {"claimName": "{pvc_name}"}} if has_home else {"emptyDir": {}}
    rescue = [{"name": "rescue", "emptyDir": {}}] if spec.rescue else []
    return _made(
        cluster,
        policy,
        attempt_id,
        owner=spec.owner,
        name_of_pvc="home-{username}",
        spec=spec,
        hub_api_url=hub_api_url,
        image=spec.image or policy.image,
        extra_annotations={USERS_IMAGE_ANNOTATION: "true"} if spec.image_is_users else {},
        image_pull_secrets=policy.image_pull_secrets,
        cmd=list(spec.command),
        port=PORT,
        cpu_limit=resources.cpu,
        cpu_guarantee=resources.cpu,
        mem_limit=int(resources.memory_gib * 2**30),
        mem_guarantee=int(resources.memory_gib * 2**30),
        extra_resource_limits=gpus,
        extra_resource_guarantees=gpus,
        uid=policy.user_id,
        gid=policy.group_id,
        fs_gid=policy.group_id,
        allow_privilege_escalation=False,
        automount_service_account_token=False,
        # "restricted" of the Pod Security Standards
        container_security_context={"capabilities": {"drop": ["ALL"]}},
        pod_security_context={"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        # a server that has ended stays ended: why is read of its container, and its lease is closed
        extra_pod_config={"restartPolicy": "Never", "enableServiceLinks": False},
        extra_labels={ATTEMPT_LABEL: attempt_id, SITE_LABEL: site, HUB_ACCESS_LABEL: "true"},
        storage_pvc_ensure=has_home,
        storage_capacity=str(math.ceil(storage.size_gib * 2**30)),
        storage_class=storage.class_name,
        storage_access_modes=[storage.access_mode],
        storage_extra_labels={SITE_LABEL: site},
        volumes=[{"name": "home"} | home, *rescue],
        volume_mounts=[
            {"name": "home", "mountPath": storage.path},
            *({"name": each["name"], "mountPath": RESCUE_PATH} for each in rescue),
        ],
        working_dir=storage.path,
        node_selector=policy.node_selector,
        tolerations=[*NODE_GONE, *(each.model_dump(exclude_none=True) for each in policy.tolerations)],
        **({} if edge is None else edge.traits),
    )


def _made(
    cluster: Cluster, policy: KubernetesSite, attempt_id: str, *, owner: str, name_of_pvc: str, **traits: Any
) -> ClusterKubeSpawner:
    # KubeSpawner names things after its user; nothing else of it is asked for here
    user = SimpleNamespace(name=owner or "nobody", id=0, url="")
    return ClusterKubeSpawner(
        user=user,
        cluster=cluster,
        policy=policy,
        namespace=policy.namespace,
        pod_name_template=pod_name(attempt_id),
        pvc_name_template=name_of_pvc or "none",
        delete_grace_period=GRACE_SECONDS,
        start_timeout=GONE_SECONDS if not traits else int(policy.start_timeout_seconds),
        k8s_api_request_timeout=int(REQUEST_SECONDS),
        k8s_api_request_retry_timeout=RETRY_SECONDS,
        log=log,
        **traits,
    )
