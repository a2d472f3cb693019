"""Clusters as pods, on leases. Needs ``kubernetes_asyncio``, which Dask Gateway's own image has."""

from __future__ import annotations

import re

from aiohttp import web
from dask_gateway_server.backends.base import ClusterConfig, PublicException
from dask_gateway_server.backends.kubernetes.backend import KubeBackend, KubeClusterConfig
from kubernetes_asyncio.client.rest import ApiException
from traitlets import List, Type, Unicode

from .governed import GovernedBackend
from .leased import StopsWhenIdle

#: The phases in which a pod holds what it asked for.
LIVE_PHASES = ("Pending", "Running")

#: By these labels workers are counted.
CLUSTER_LABEL = "gateway.dask.org/cluster"
COMPONENT_LABEL = "app.kubernetes.io/component"

#: Where :mod:`perijove_hub.dask.kube_controller` keeps the end of a scheduler's log, in the status of the object.
LOG_TAIL_KEY = "perijoveLogTail"


class KubeConfig(StopsWhenIdle, KubeClusterConfig):  # type: ignore[misc]  # published without types
    """How clusters of Kubernetes are."""


class PerijoveKubeBackend(GovernedBackend, KubeBackend):  # type: ignore[misc]  # published without types
    """Dask Gateway's backend for Kubernetes, on leases."""

    cluster_config_class = Type(KubeConfig, ClusterConfig, help="How clusters are.", config=True)
    allowed_images = List(
        Unicode(),
        help="Regular expressions, one of which must match all of the name of an image that a user's options choose. "
        "Empty: only the configured image, `c.KubeClusterConfig.image`.",
        config=True,
    )

    async def setup(self, app: web.Application) -> None:
        """Begin.

        Raises:
            ValueError: this gateway may not see the pods that it is to count.
        """
        await super().setup(app)
        namespace = self.cluster_config_class(parent=self).namespace
        try:
            await self.live_workers(f"{namespace}.none")
        except ApiException as error:
            if error.status == web.HTTPForbidden.status_code:
                raise ValueError(
                    f"This gateway may not list pods in the namespace {namespace!r}, so it could not tell how many "
                    "workers run: give its role the verb `list` on `pods`."
                ) from None
            self.log.warning("The pods in %s cannot be listed now: %s", namespace, error.reason)

    def check_config(self, config: ClusterConfig) -> None:
        """Refuse an image that nobody has allowed, and labels by which workers would not be counted."""
        usual = _images_of(self.cluster_config_class(parent=self))
        for image in _images_of(config):
            if image not in usual and not any(re.fullmatch(each, image) for each in self.allowed_images):
                raise PublicException("image: this platform does not allow this image.")
        if {CLUSTER_LABEL, COMPONENT_LABEL} & set(config.worker_extra_pod_labels):
            raise PublicException(f"{CLUSTER_LABEL} and {COMPONENT_LABEL} are labels of the gateway's own.")

    async def live_workers(self, cluster_name: str) -> int:
        """How many pods of workers there are."""
        namespace, _, name = cluster_name.partition(".")
        pods = await self.core_client.list_namespaced_pod(
            namespace,
            label_selector=f"{CLUSTER_LABEL}={name},{COMPONENT_LABEL}=dask-worker",
        )
        return sum(1 for pod in pods.items if pod.status.phase in LIVE_PHASES)

    async def sync_cluster(self, cluster_name: str) -> None:
        """Note what has become of a cluster, with the end of its log where the controller has kept it."""
        await super().sync_cluster(cluster_name)
        seen, cluster = self.informer.get(cluster_name), self.clusters.get(cluster_name)
        tail = seen.get("status", {}).get(LOG_TAIL_KEY) if seen is not None else None
        if isinstance(tail, str) and cluster is not None and (standing := self.standing(cluster)) is not None:
            standing.keep_log(tail)


def _images_of(config: ClusterConfig) -> list[str]:
    """All images that run by a configuration: its own, that of a container, which comes last and would be the one that
    runs, and those of more containers in the pods.
    """
    containers = [config.scheduler_extra_container_config, config.worker_extra_container_config]
    for pod in (config.scheduler_extra_pod_config, config.worker_extra_pod_config):
        for kind in ("containers", "initContainers", "ephemeralContainers"):
            containers += pod.get(kind) or []
    return [config.image, *(str(each["image"]) for each in containers if "image" in each)]
