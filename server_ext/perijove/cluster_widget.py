"""A cluster in a cell: how many workers it has, live, with buttons to scale and stop it. Needs anywidget."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

if TYPE_CHECKING:
    from .dask_cluster import Cluster


class ClusterWidget(anywidget.AnyWidget):
    """Shows ``facts`` of a cluster, and what it was told when something does not work as ``said``."""

    _esm = Path(__file__).with_name("cluster_widget.js")
    facts = traitlets.Dict().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)

    @property
    def value(self) -> dict[str, Any]:
        """The facts, by the name by which Dask Gateway sets them."""
        return dict(self.facts)

    @value.setter
    def value(self, facts: dict[str, Any]) -> None:
        self.facts = facts

    def listen(self, cluster: Cluster) -> None:
        """Do what the buttons say, as long as the cluster's object lives."""
        held = weakref.ref(cluster)

        def act(_: Any, message: Any, buffers: Any) -> None:
            found = held()
            if found is None or not isinstance(message, dict):
                return
            try:
                self.said = _acted(found, message)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is for whoever pressed the button
                self.said = str(error)[:500]

        self.on_msg(act)


def _acted(cluster: Cluster, message: dict[str, Any]) -> str:
    if message.get("do") == "stop":
        cluster.shutdown()
        return "The cluster is stopped."
    workers = message.get("workers")
    if message.get("do") == "scale" and isinstance(workers, int) and not isinstance(workers, bool) and workers >= 0:
        cluster.scale(workers)
        return cluster.capped or f"{workers} workers were asked for."
    return ""
