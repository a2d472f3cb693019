"""The node's agent: it turns the manifests of pods into real processes, tells how they fare, and ends them.

It knows the cluster by :class:`Cluster` only, so that the same one serves the emulated API and a real one. What it does
not do: probes of readiness (a container is ready when it runs), mounts, images, limits of memory.
"""

from __future__ import annotations

import asyncio
import fnmatch
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from .environment import Reader
from .fates import Fates
from .pod_network import Loopback, PodNetwork
from .pod_run import PodRun
from .resources import Object

_log = logging.getLogger(__name__)
#: What an image runs whose manifest names no command and of which the bed is told nothing.
PAUSE = ["sleep", "infinity"]


class Cluster(Reader, Protocol):
    """A cluster's API as a node's agent uses it."""

    async def say(self, pod: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """Posts an event about a pod."""

    async def set_status(self, pod: Object, status: Object) -> None:
        """Writes into a pod's status, whose conditions merge by their type; nothing for one that is gone."""

    async def remove(self, pod: Object) -> None:
        """Says that a pod that was to go has gone."""


class Kubelet:
    """Looks after the pods that are bound to the ``nodes``.

    Args:
        cluster: where pods are told of.
        nodes: the names it answers to; :meth:`silence` takes one away.
        directory: for logs and homes.
        octet: pods get addresses in ``127.OCTET.0.0/16``, unless there is a ``network`` for them.
        images: what an image runs where the manifest does not say, by globs over images.
        pods_at: nothing is started, and all pods are said to run at this address.
        back_off_seconds: how long a container that has failed twice waits; it doubles from there up to five minutes.
    """

    def __init__(
        self,
        cluster: Cluster,
        nodes: Iterable[str],
        directory: Path,
        octet: int,
        *,
        fates: Fates | None = None,
        images: Mapping[str, list[str]] | None = None,
        pods_at: str | None = None,
        network: PodNetwork | None = None,
        back_off_seconds: float = 10.0,
    ) -> None:
        self.cluster = cluster
        self.nodes = set(nodes)
        self.directory = directory
        self.fates = fates or Fates()
        self.images = {} if images is None else images
        self.pods_at = pods_at
        self.network = network or Loopback(octet)
        self.back_off_seconds = back_off_seconds
        #: What is to be done when a pod's fate takes its node away; it is told the node's name.
        self.on_node_gone: Callable[[str], None] = self.silence
        self._runs: dict[str, PodRun] = {}
        self._silent: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def saw(self, kind: str, pod: Object) -> None:
        """Tells of a pod that was added, modified or deleted, in the running loop."""
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        if node not in self.nodes or node in self._silent:
            return
        run = self._runs.get(uid)
        if kind == "DELETED":
            if run is not None:
                self._runs.pop(uid)
                self._begin(run.destroy())
        elif pod["metadata"].get("deletionTimestamp"):
            if run is None:
                run = self._runs[uid] = PodRun(self, pod)
            self._begin(run.terminate(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0)))
        elif run is None and pod["status"].get("phase") == "Pending":
            run = self._runs[uid] = PodRun(self, pod)
            self._begin(run.run())

    def new_address(self) -> str:
        """An address for one more pod."""
        return self.pods_at or self.network.new_address()

    def image_command(self, image: str) -> list[str]:
        """What an image runs by itself."""
        return next((command for glob, command in self.images.items() if fnmatch.fnmatchcase(image, glob)), PAUSE)

    def run_of(self, uid: str) -> PodRun | None:
        """What the agent knows of a pod."""
        return self._runs.get(uid)

    def silence(self, node: str, *, kill: bool = True) -> None:
        """The node falls silent: nothing is told of its pods any more, and what they run ends unless it is left."""
        self._silent.add(node)
        for run in self._of(node):
            run.fall_silent()
            if kill:
                run.lose_power()

    def wake(self, node: str, pods: Iterable[Object]) -> None:
        """A silent node is heard again: it tells how its pods fare, and ends those that were to go.

        What a loss of power has ended it starts again, unless the pod says never.
        """
        self._silent.discard(node)
        there = {pod["metadata"]["uid"]: pod for pod in pods if pod["spec"].get("nodeName") == node}
        for run in self._of(node):
            pod = there.get(run.uid)
            if pod is None:
                self.saw("DELETED", run.pod)
            elif run.has_lost_power and run.restarts != "Never" and not pod["metadata"].get("deletionTimestamp"):
                self._runs[run.uid] = PodRun(self, pod)
                self._begin(self._runs[run.uid].run())
            else:
                run.is_silent = False
                self._begin(run.tell())
        for pod in there.values():
            self.saw("MODIFIED", pod)

    async def close(self) -> None:
        """Ends everything at once."""
        self._silent.update(self.nodes)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(run.destroy() for run in self._runs.values()))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._runs.clear()

    def _of(self, node: str) -> list[PodRun]:
        return [run for run in self._runs.values() if run.pod["spec"].get("nodeName") == node]

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("the node's agent gave a pod up", exc_info=error)
