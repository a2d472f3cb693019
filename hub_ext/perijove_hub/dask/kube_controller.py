"""Dask Gateway's controller for Kubernetes, which keeps the end of a scheduler's log before it deletes the pod.

It deletes pods as soon as it sees that they have ended, in a process of its own: whoever asks for a log later finds
none. Run it in the place of ``dask-gateway-server kube-controller``, with the same options::

    python -m perijove_hub.dask.kube_controller --config /etc/dask-gateway/dask_gateway_config.py
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from dask_gateway_server.backends.kubernetes.controller import KubeController
from kubernetes_asyncio.client.rest import ApiException

from .kubernetes import LOG_TAIL_KEY
from .standing import LOG_TAIL_CHARS, SCHEDULER_LOG

#: How much of a log is read: what is kept, and as much again for letters of several bytes.
LOG_READ_BYTES = 4 * LOG_TAIL_CHARS
LOG_READ_LINES = 60
#: How long it may take; the pod goes also without.
LOG_SECONDS = 5.0


class PerijoveKubeController(KubeController):  # type: ignore[misc]  # published without types
    """Dask Gateway's controller, with logs."""

    async def cleanup_cluster_resources(self, status: dict[str, Any], namespace: str) -> None:
        """Delete what a cluster has had, and keep the end of its scheduler's log in its status."""
        pod = status.get("schedulerPod")
        if pod and LOG_TAIL_KEY not in status and (tail := await self._log_tail(pod, namespace)):
            status[LOG_TAIL_KEY] = f"{SCHEDULER_LOG}{tail}"
        await super().cleanup_cluster_resources(status, namespace)

    async def _log_tail(self, pod: str, namespace: str) -> str:
        try:
            async with asyncio.timeout(LOG_SECONDS):
                text = await self.core_client.read_namespaced_pod_log(
                    pod,
                    namespace,
                    container="dask-scheduler",
                    tail_lines=LOG_READ_LINES,
                    limit_bytes=LOG_READ_BYTES,
                )
        except (ApiException, aiohttp.ClientError, OSError, TimeoutError) as error:
            self.log.warning("No log of %s/%s is kept: %s", namespace, pod, error)
            return ""
        return str(text or "").replace("\x00", "\ufffd").strip()[-LOG_TAIL_CHARS:]


if __name__ == "__main__":
    PerijoveKubeController.launch_instance()
