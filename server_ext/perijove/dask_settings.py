"""Settings of Dask that a gateway gives to its schedulers. Needs nothing: a gateway need not have Dask itself."""

from __future__ import annotations

#: The variable that says which pages a scheduler's dashboard has beside its plots.
HTTP_ROUTES_VARIABLE = "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES"

#: Those that distributed 2026.8 has unless told otherwise, and ours. Not ``distributed.http.scheduler.api``, with which
#: whoever knows the name of a cluster could retire its workers.
HTTP_ROUTES = repr(
    [
        "distributed.http.scheduler.prometheus",
        "distributed.http.scheduler.info",
        "distributed.http.scheduler.json",
        "distributed.http.health",
        "distributed.http.proxy",
        "distributed.http.statics",
        "perijove.scheduler_routes",
    ]
)

__all__ = ["HTTP_ROUTES", "HTTP_ROUTES_VARIABLE"]
