"""A page of a scheduler's dashboard that says how busy the cluster is, as JSON: ``GET perijove/state.json``.

``distributed`` loads it by its name, see :mod:`perijove.dask_settings`. It changes nothing, and looks at no task: only
at counters, workers, and the kinds of tasks.
"""

from __future__ import annotations

from typing import Any

from distributed.http.utils import RequestHandler
from distributed.metrics import time

from perijove.versions import package_versions, python_version


def state_of(scheduler: Any, now: float) -> dict[str, Any]:
    """How busy a scheduler is.

    ``memory_bytes`` is what its workers use, ``processing`` how many tasks they have been given, ``erred`` how many
    have failed and are still held, ``desired_workers`` how many an adaptive cluster would take, and ``adaptive`` within
    which bounds. ``idle_seconds`` is None while something runs or waits to; the scheduler finds out four times a second
    since when nothing does, which is from its start if nothing ever has.
    """
    workers = scheduler.workers.values()
    processing = sum(len(each.processing) for each in workers)
    is_busy = processing or scheduler.queued or scheduler.unrunnable or scheduler.idle_since is None
    return {
        "workers": len(scheduler.workers),
        "threads": scheduler.total_nthreads,
        "memory_bytes": sum(each.memory.process for each in workers),
        "tasks": len(scheduler.tasks),
        "processing": processing,
        "erred": sum(each.states["erred"] for each in scheduler.task_prefixes.values()),
        "clients": len(scheduler.clients),
        "idle_seconds": None if is_busy else max(0.0, now - scheduler.idle_since),
        "desired_workers": scheduler.adaptive_target(),
        "adaptive": _range_of(scheduler),
        "python": python_version(),
        "packages": package_versions(),
    }


def _range_of(scheduler: Any) -> dict[str, int | None] | None:
    """Between how many workers Dask Gateway's part of a scheduler chooses; None: it does not, or there is none.

    Source: ``dask_gateway.scheduler_preload``, whose plugin has the part as ``service``.
    """
    for plugin in scheduler.plugins.values():
        service: Any = getattr(plugin, "service", None)
        if service is not None and getattr(service, "adapt_task", None) is not None:
            minimum, maximum = service.minimum, service.maximum
            return {"minimum": int(minimum or 0), "maximum": maximum if maximum is None else int(maximum)}
    return None


class StateHandler(RequestHandler):
    """``GET perijove/state.json``."""

    def get(self) -> None:
        """Say it."""
        self.set_header("Cache-Control", "no-store")
        self.write(state_of(self.server, time()))


routes: list[tuple[str, type, dict[str, Any]]] = [(r"perijove/state.json", StateHandler, {})]
