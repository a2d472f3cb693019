"""Clusters of Kubernetes behind one hub, beside stock KubeSpawner: starts, dark sites, and a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.clusters_dark import measure_dark
from benchmarks.clusters_restart import measure_restart
from benchmarks.clusters_starts import measure_starts
from benchmarks.report import Section

if TYPE_CHECKING:
    from benchmarks.run import Bench


async def measure(bench: Bench) -> Section:
    """Measure."""
    parts = [await part(bench) for part in (measure_starts, measure_dark, measure_restart)]
    return Section(
        "Clusters behind one hub",
        " ".join(
            [
                "Hubs with their proxies on emulated clusters, which are processes of their own; their pods start "
                "nothing and are one server that answers for all.",
                *(data for data, _ in parts),
            ]
        ),
        [figure for _, figures in parts for figure in figures],
    )
