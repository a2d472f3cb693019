"""A cluster in a cell: how many workers it has, live, with buttons to scale and stop it. Needs anywidget."""

from __future__ import annotations

import asyncio
import weakref
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

if TYPE_CHECKING:
    from .dask_cluster import Cluster

#: While it is shown, the gateway is asked about the cluster so often.
LOOK_EVERY_SECONDS = 2.0
#: What is left of the facts of a cluster that is over.
_NOTHING = {"workers": 0, "threads": 0, "memory_bytes": 0, "dashboard": "", "capped": "", "is_over": True}


class ClusterWidget(anywidget.AnyWidget):
    """Shows ``facts`` of a cluster, and what it was told when something does not work as ``said``.

    It holds no reference to the cluster, which ends when its owner lets it go; widgets stay as long as their kernel.
    """

    _esm = Path(__file__).with_name("cluster_widget.js")
    facts = traitlets.Dict().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    #: How many views there are; None: none has said so yet, which may be because the kernel is busy.
    views: int | None = None
    _looking: Future[None] | None = None

    @property
    def value(self) -> dict[str, Any]:
        """The facts, by the name by which Dask Gateway sets them."""
        return dict(self.facts)

    @value.setter
    def value(self, facts: dict[str, Any]) -> None:
        if not self.facts.get("is_over"):
            self.facts = {**self.facts, **facts}

    def end(self, facts: dict[str, Any], state: str) -> None:
        """Nothing comes after this."""
        if self._looking is not None:
            self._looking.cancel()
        if not self.facts.get("is_over"):
            self.facts = {**self.facts, **facts, **_NOTHING, "state": state}

    def follow(self, cluster: Cluster) -> None:
        """Do what the buttons say, and look at the cluster as long as it is shown, for as long as its object lives."""
        held = weakref.ref(cluster)

        def act(_: Any, message: Any, buffers: Any) -> None:
            if not isinstance(message, dict):
                return
            if message.get("do") in ("show", "hide"):
                self.views = max(0, (self.views or 0) + (1 if message["do"] == "show" else -1))
                return
            found = held()
            if found is None:
                return
            try:
                self.said = _acted(found, message)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is for whoever pressed the button
                self.said = str(error)[:500]

        self.on_msg(act)
        self._looking = asyncio.run_coroutine_threadsafe(_looked(held, weakref.ref(self)), cluster.loop.asyncio_loop)


async def _looked(cluster: weakref.ref[Cluster], widget: weakref.ref[ClusterWidget]) -> None:
    """Look again and again; in the loop of the cluster, which ends with it."""
    while (shown := widget()) is not None and not shown.facts.get("is_over"):
        found = cluster()
        if found is None:
            shown.end({}, "let go")
            return
        if shown.views != 0 and found.status == "running":
            facts = await found.look()
            if facts is not None and facts.state.is_over:
                shown.end({"title": facts.title}, facts.state.value)
                shown.said = facts.reason or ""
                return
            if facts is not None:
                shown.value = {"title": facts.title, "state": facts.state.value, "capped": facts.capped or ""}
        found = shown = None
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _acted(cluster: Cluster, message: dict[str, Any]) -> str:
    if message.get("do") == "stop":
        cluster.shutdown()
        return "The cluster is stopped."
    workers = message.get("workers")
    if message.get("do") == "scale" and isinstance(workers, int) and not isinstance(workers, bool) and workers >= 0:
        cluster.scale(workers)
        return cluster.capped or f"{workers} workers were asked for."
    return ""
