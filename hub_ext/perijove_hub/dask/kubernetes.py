"""Clusters as pods, on leases. Needs ``kubernetes_asyncio``, which Dask Gateway's own image has."""

from __future__ import annotations

import re

from dask_gateway_server.backends.base import ClusterConfig, PublicException
from dask_gateway_server.backends.kubernetes.backend import KubeBackend
from traitlets import List, Unicode

from .governed import GovernedBackend

#: The phases in which a pod holds what it asked for.
LIVE_PHASES = ("Pending", "Running")


class PerijoveKubeBackend(GovernedBackend, KubeBackend):  # type: ignore[misc]  # published without types
    """Dask Gateway's backend for Kubernetes, on leases."""

    allowed_images = List(
        Unicode(),
        help="Regular expressions, one of which must match all of the name of an image that a user's options choose. "
        "Empty: only the configured image, `c.KubeClusterConfig.image`.",
        config=True,
    )

    def check_config(self, config: ClusterConfig) -> None:
        """Refuse an image that nobody has allowed."""
        usual = self.cluster_config_class(parent=self).image
        # what is given to a container comes last, and would be the image that runs
        extras = (config.scheduler_extra_container_config, config.worker_extra_container_config)
        for image in (config.image, *(extra["image"] for extra in extras if "image" in extra)):
            if image != usual and not any(re.fullmatch(each, str(image)) for each in self.allowed_images):
                raise PublicException("image: this platform does not allow this image.")

    async def live_workers(self, cluster_name: str) -> int:
        """How many pods of workers there are."""
        namespace, _, name = cluster_name.partition(".")
        pods = await self.core_client.list_namespaced_pod(
            namespace,
            label_selector=f"gateway.dask.org/cluster={name},app.kubernetes.io/component=dask-worker",
        )
        return sum(1 for pod in pods.items if pod.status.phase in LIVE_PHASES)
