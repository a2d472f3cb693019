"""A page of a scheduler's dashboard that says how busy the cluster is, as JSON: ``GET perijove/state.json``.

``distributed`` loads it by its name, see :mod:`perijove.dask_settings`. It changes nothing, and counts nothing that
grows with the number of tasks.
"""

from __future__ import annotations

from typing import Any

from distributed.http.utils import RequestHandler
from distributed.metrics import time

from perijove.versions import package_versions, python_version


def state_of(scheduler: Any, now: float) -> dict[str, Any]:
    """How busy a scheduler is.

    ``idle_seconds`` is None while something runs or waits to. ``Scheduler.check_idle`` tells since when nothing does,
    from the second time on that it is asked after something ran. It would also end a scheduler that has an idle timeout
    of its own; one of a gateway has none.
    """
    idle_since = None if scheduler.idle_timeout else scheduler.check_idle()
    workers = scheduler.workers.values()
    return {
        "workers": len(scheduler.workers),
        "threads": scheduler.total_nthreads,
        "memory_bytes": sum(each.memory.process for each in workers),
        "tasks": len(scheduler.tasks),
        "processing": sum(len(each.processing) for each in workers),
        "clients": len(scheduler.clients),
        "idle_seconds": None if idle_since is None else max(0.0, now - idle_since),
        "python": python_version(),
        "packages": package_versions(),
    }


class StateHandler(RequestHandler):
    """``GET perijove/state.json``."""

    def get(self) -> None:
        """Say it."""
        self.set_header("Cache-Control", "no-store")
        self.write(state_of(self.server, time()))


routes: list[tuple[str, type, dict[str, Any]]] = [(r"perijove/state.json", StateHandler, {})]
