"""The hub's picture of the pods of a cluster: KubeSpawner's reflectors, of one cluster each, that never give up.

KubeSpawner's own end after 51 seconds of errors; the picture stays as it was then, and whoever looks takes it for the
present. These begin again, and tell since when nothing was heard.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from kubespawner.reflector import ResourceReflector
from kubespawner.spawner import EventReflector, PodReflector

log = logging.getLogger(__name__)

#: The pause before a watch begins again that KubeSpawner has given up.
AGAIN_SECONDS = 5.0
#: How long a list may take to come, and a watch to say something.
REQUEST_SECONDS = 30
#: After so long a watch begins anew with a list of all, since one that is cut off silently shows nothing. Each costs
#: two requests and 17 ms of the hub, which every site pays for its pods and for its events; KubeSpawner takes 10 s.
WATCH_SECONDS = 25


class _Newest(dict[str, dict[str, Any]]):
    """Objects by name, of which an older state never takes the place of a newer one.

    Events come in disorder where there are several API servers. That versions grow, as whole numbers, is promised since
    Kubernetes 1.35 (KEP-5504) and was so before.
    """

    def __setitem__(self, name: str, item: dict[str, Any]) -> None:
        known = self.get(name)
        if known is None or _version(item) >= _version(known):
            super().__setitem__(name, item)


def _version(item: dict[str, Any]) -> int:
    text = str(item["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0


class EventsByPod(_Newest):
    """Events by name, and by the pod that they are about: a cluster keeps those of all pods for an hour."""

    def __init__(self, items: Mapping[str, dict[str, Any]]) -> None:
        super().__init__(items)
        self._by_pod: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        for name, item in items.items():
            self._by_pod[_pod_of(item)][name] = item

    def __setitem__(self, name: str, item: dict[str, Any]) -> None:
        """Take an event in the place of the one by its name, unless that is newer."""
        super().__setitem__(name, item)
        self._by_pod[_pod_of(item)][name] = self[name]

    def pop(self, name: str, default: Any = None) -> Any:
        """Give up an event; it, or the default where there is none by this name."""
        item = super().pop(name, None)
        if item is None:
            return default
        of_pod = self._by_pod[_pod_of(item)]
        of_pod.pop(name, None)
        if not of_pod:
            del self._by_pod[_pod_of(item)]
        return item

    def of(self, pod: str) -> Iterable[dict[str, Any]]:
        """Those about a pod."""
        return self._by_pod[pod].values() if pod in self._by_pod else ()


def _pod_of(event: dict[str, Any]) -> str:
    return str(event["involvedObject"]["name"])


class _Watching(ResourceReflector):  # type: ignore[misc]  # kubespawner has no types
    """A reflector of the cluster of its spawner."""

    resources: Any
    parent: Any
    _keeps_in: ClassVar[type[_Newest]] = _Newest

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # its log holds a traceback for each try; what changes is said by ours
        log_of_tries = logging.getLogger(f"{__name__}.tries")
        limits = {"request_timeout": REQUEST_SECONDS, "timeout_seconds": WATCH_SECONDS}
        super().__init__(*args, **kwargs, **limits, log=log_of_tries)
        self.heard_at = float("-inf")
        self._is_heard = True
        # it outlives the spawner that began it, with the token in its environment
        self.cluster, self.parent = self.parent.cluster, None

    @property
    def api(self) -> Any:
        """The client of its cluster, with the credentials in force now."""
        return self.cluster.api(self.api_group_name)

    @api.setter
    def api(self, shared: Any) -> None:
        """KubeSpawner sets the process's own client, which is of no use here."""

    async def _list_and_update(self, resource_version: str | None = None) -> Any:
        try:
            found = await super()._list_and_update(resource_version)
        except Exception:
            self._tell(is_heard=False)
            raise
        self.resources = self._keeps_in(self.resources)
        self.heard_at = time.monotonic()
        self._tell(is_heard=True)
        return found

    async def _watch_and_update(self) -> None:
        while not self._stopping:
            await super()._watch_and_update()
            if not self._stopping:
                await asyncio.sleep(AGAIN_SECONDS)

    def _tell(self, *, is_heard: bool) -> None:
        """One line for each change, not one for each try."""
        if is_heard is not self._is_heard:
            self._is_heard = is_heard
            words = "tells of its %s again" if is_heard else "does not tell of its %s"
            log.warning(f"cluster %s {words}", self.cluster.name, self.kind)


class Pods(_Watching, PodReflector):  # type: ignore[misc]  # as above
    """The pods of sessions in a cluster's namespace."""


class Events(_Watching, EventReflector):  # type: ignore[misc]  # as above
    """What the cluster says of them."""

    _keeps_in = EventsByPod

    def of(self, pod: str) -> list[dict[str, Any]]:
        """What it says of one, oldest first."""
        # at the first list KubeSpawner's own dictionary is there for a moment
        known = self.resources.of(pod) if isinstance(self.resources, EventsByPod) else ()
        return sorted(known, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))


#: By the kinds that KubeSpawner asks for.
REFLECTORS: dict[str, type[_Watching]] = {"pods": Pods, "events": Events}

# what KubeSpawner says of each try, tracebacks with it, is for who looks for it
logging.getLogger(f"{__name__}.tries").setLevel(logging.CRITICAL)
